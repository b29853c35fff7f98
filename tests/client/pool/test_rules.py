"""The small rules behind a channel: backoff, ejection, choice, budget, and whether a call is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given

from eventflux_runtime import ClientConfig, EjectionConfig, ErrorDetail, PoolTimeout, RetryPolicy, RpcError, StatusCode
from eventflux_runtime.client.pool.balancer import LeastLoaded, Picker, PickFirst, RoundRobin, picker_for
from eventflux_runtime.client.pool.budget import RetryBudget
from eventflux_runtime.client.pool.ejection import OutlierStats, can_eject, is_held_against
from eventflux_runtime.client.pool.subchannel import PooledConnection, Subchannel
from eventflux_runtime.client.retry import Attempts
from eventflux_runtime.error_details import Duration, RetryInfo
from eventflux_runtime.protocol.api import ClientConnection, ConnectionState
from eventflux_runtime.rpc.backoff import Backoff, jittered
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.testing import ManualClock

POLICY = RetryPolicy(max_attempts=4, initial_backoff_s=0.1, max_backoff_s=0.3, multiplier=2.0)


def halfway() -> float:
    return 0.5


# -- backoff


@given(st.integers(1, 2000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_and_is_bounded(failures: int, drawn: float) -> None:
    backoff = Backoff(0.1, 5.0, draw=lambda: drawn)
    for _ in range(failures):
        backoff.failed(now=100.0)
    assert 0.0799 <= backoff.left_s(100.0) <= 6.0001
    assert backoff.left_s(200.0) == 0
    backoff.succeeded()
    assert backoff.left_s(100.0) == 0


def test_backoff_multiplies_from_failure_to_failure() -> None:
    backoff = Backoff(0.1, 1.0, 2.0, halfway)
    waits = []
    for _ in range(5):
        backoff.failed(now=0.0)
        waits.append(backoff.left_s(0.0))
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_is_a_fifth_either_way(drawn: float) -> None:
    assert 8.0 <= jittered(10.0, lambda: drawn) <= 12.0


# -- ejection


def test_ejection_after_failures_in_a_row_and_longer_each_time() -> None:
    clock = ManualClock()
    stats = OutlierStats(EjectionConfig(consecutive_failures=3, ejection_s=5, max_ejection_s=60))
    stats.failed(clock(), may_eject=True)
    stats.failed(clock(), may_eject=True)
    stats.succeeded()
    assert [stats.failed(clock(), may_eject=True) for _ in range(3)] == [False, False, True]
    assert 4 <= stats.ejected_for_s(clock()) <= 6
    clean = [stats.is_clean]
    clock.advance(6)
    assert stats.ejected_for_s(clock()) == 0
    assert stats.failed(clock(), may_eject=True), "the probe failed"
    assert 8 <= stats.ejected_for_s(clock()) <= 12
    clock.advance(12)
    stats.succeeded()
    clean.append(stats.is_clean)
    assert clean == [False, True]
    assert not stats.failed(clock(), may_eject=True)


def test_at_most_half_of_the_addresses_are_ejected() -> None:
    def ejected_of(size: int) -> int:
        all_stats = [OutlierStats(EjectionConfig(consecutive_failures=1)) for _ in range(size)]
        return sum(stats.failed(0.0, can_eject(all_stats, 0.0)) for stats in all_stats)

    assert [ejected_of(size) for size in (1, 2, 3, 4, 5)] == [0, 1, 1, 2, 2]


def test_only_the_servers_own_failures_count() -> None:
    assert {code for code in StatusCode if is_held_against(code)} == {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
    }


# -- choice


class Place:
    """An address with a number of calls and a limit."""

    def __init__(self, name: str, load: int = 0, limit: int = 9) -> None:
        self.name = name
        self.load = load
        self.limit = limit

    def free(self) -> str | None:
        return self.name if self.load < self.limit else None


def picks(picker: Picker, places: list[Place], count: int) -> list[str | None]:
    return [picker.pick(places) for _ in range(count)]


def test_pick_first_takes_the_first_with_room() -> None:
    assert picks(PickFirst(), [Place("a"), Place("b")], 2) == ["a", "a"]
    assert picks(PickFirst(), [Place("a", 9), Place("b")], 2) == ["b", "b"]


def test_round_robin_takes_each_in_turn_and_skips_the_full() -> None:
    picker = RoundRobin(lambda: 0.0)
    places = [Place("a"), Place("b", 9), Place("c")]
    assert picks(picker, places, 4) == ["c", "a", "c", "a"]
    places[1].load = 0
    assert sorted(str(name) for name in picks(picker, places, 6)) == ["a", "a", "b", "b", "c", "c"]


def test_round_robin_starts_anywhere() -> None:
    places = [Place("a"), Place("b"), Place("c")]
    assert {RoundRobin().pick(places) for _ in range(100)} == {"a", "b", "c"}


def test_least_loaded_prefers_the_less_busy_of_any_two() -> None:
    source = random.Random(7)
    picker = LeastLoaded(source.random)
    places = [Place("busy", 8), Place("free", 1), Place("middling", 4)]
    chosen = picks(picker, places, 300)
    assert "busy" not in chosen
    assert chosen.count("free") > chosen.count("middling") > 0


@pytest.mark.parametrize("name", ["pick_first", "round_robin", "least_loaded"])
def test_no_rule_picks_where_there_is_no_room(name: str) -> None:
    picker = picker_for(name)  # type: ignore[arg-type]  # the names are the literal's own
    assert picker.pick([]) is None
    assert picks(picker, [Place("a", 9), Place("b", 9)], 3) == [None, None, None]
    assert picks(picker, [Place("a", 9), Place("b", 9), Place("c")], 3) == ["c", "c", "c"]


# -- the budget


def test_budget_stops_retries_below_half_and_fills_up_by_tenths() -> None:
    budget = RetryBudget(10)
    assert [budget.spend() for _ in range(6)] == [True, True, True, True, False, False]
    for _ in range(25):
        budget.refill()
    assert budget.tokens == pytest.approx(6.5)
    assert budget.spend()
    assert not budget.is_full
    for _ in range(100):
        budget.refill()
    assert budget.is_full


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 20))
def test_budget_stays_within_its_bounds(ends: list[bool], size: int) -> None:
    budget = RetryBudget(size)
    for is_success in ends:
        if is_success:
            budget.refill()
        else:
            budget.spend()
        assert 0 <= budget.tokens <= size


def test_budget_of_zero_is_no_limit() -> None:
    budget = RetryBudget(0)
    assert all(budget.spend() for _ in range(5))
    assert budget.is_full


# -- whether to try again


def attempts(policy: RetryPolicy | None = POLICY, deadline: float | None = None, budget: int = 1000) -> Attempts:
    return Attempts(policy, True, deadline, RetryBudget(budget), halfway)


def error(
    code: StatusCode = StatusCode.UNAVAILABLE, pushback: str | None = None, unprocessed: bool = False
) -> RpcError:
    metadata = None if pushback is None else Metadata([("grpc-retry-pushback-ms", pushback)])
    made = RpcError("as asked", code=code, metadata=metadata)
    made.unprocessed = unprocessed
    return made


def delays(call: Attempts, errors: Iterator[RpcError] | list[RpcError], now: float = 0.0) -> list[float | None]:
    return [call.delay_s(failure, now, was_sent=True) for failure in errors]


def test_backoff_between_attempts() -> None:
    assert delays(attempts(), [error()] * 4) == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3), None]


def test_codes_outside_the_policy_are_final() -> None:
    assert delays(attempts(), [error(StatusCode.ABORTED)]) == [None]
    policy = RetryPolicy(codes=frozenset({StatusCode.ABORTED}))
    assert delays(attempts(policy), [error(StatusCode.ABORTED)]) == [pytest.approx(0.05)]
    assert delays(attempts(policy), [error()]) == [None]


def test_without_a_policy_nothing_is_repeated_but_what_came_back_unread() -> None:
    assert delays(attempts(None), [error()]) == [None]
    assert delays(attempts(None), [error(unprocessed=True)] * 7) == [0.0] * 5 + [None, None]


def test_a_method_that_is_not_idempotent() -> None:
    call = Attempts(POLICY, False, None, RetryBudget(1000), halfway)
    assert call.delay_s(error(), 0.0, was_sent=True) is None
    assert call.delay_s(error(unprocessed=True), 0.0, was_sent=True) == 0.0
    assert call.delay_s(error(unprocessed=True), 0.0, was_sent=False) == pytest.approx(0.1)


def test_a_refusal_of_this_side_is_final() -> None:
    assert delays(attempts(), [error(StatusCode.RESOURCE_EXHAUSTED, unprocessed=True)]) == [None]
    assert delays(attempts(), [PoolTimeout("full")]) == [None]


@given(st.floats(0, 10), st.integers(1, 6))
def test_no_attempt_is_planned_past_the_deadline(deadline: float, failures: int) -> None:
    call = attempts(deadline=deadline)
    now = 0.0
    for _ in range(failures):
        delay_s = call.delay_s(error(), now, was_sent=True)
        if delay_s is None:
            return
        now += delay_s
        assert now < deadline


def test_pushback_sets_the_delay_and_restarts_the_backoff() -> None:
    found = delays(attempts(), [error(), error(pushback="1500"), error()])
    assert found == [pytest.approx(0.1), 1.5, pytest.approx(0.1)]


@pytest.mark.parametrize("pushback", ["-1", "", "soon", "1e3", "99999999999"])
def test_pushback_that_is_no_time_forbids_the_retry(pushback: str) -> None:
    assert delays(attempts(), [error(pushback=pushback)]) == [None]


def advised(seconds: int, nanos: int = 0, code: StatusCode = StatusCode.UNAVAILABLE) -> RpcError:
    return RpcError("as asked", code=code, details=[RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))])


def test_retry_info_is_the_least_delay() -> None:
    found = delays(attempts(), [advised(2, 500_000_000), advised(0, 150_000_000), error()])
    assert found == [2.5, pytest.approx(0.2), pytest.approx(0.3)]


def test_retry_info_makes_no_call_repeatable() -> None:
    assert delays(attempts(), [advised(1, code=StatusCode.ABORTED)]) == [None]
    assert delays(attempts(None), [advised(1)]) == [None]
    assert delays(attempts(deadline=0.9), [advised(1)]) == [None]


def test_pushback_comes_before_retry_info() -> None:
    both = advised(5)
    both.metadata = Metadata([("grpc-retry-pushback-ms", "10")])
    assert delays(attempts(), [both]) == [0.01]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        RetryInfo(retry_delay=Duration(seconds=-5)).to_protobuf(),
        RetryInfo(retry_delay=Duration(seconds=315_576_000_001)).to_protobuf(),
        RetryInfo(retry_delay=Duration(nanos=-1)).to_protobuf(),
        RetryInfo(retry_delay=Duration(nanos=1_000_000_000)).to_protobuf(),
        b"\x0a\x05\x08",
        b"\xff",
    ],
)
def test_retry_info_that_is_no_time_ahead_is_no_advice(value: bytes) -> None:
    failure = RpcError("x", code=StatusCode.UNAVAILABLE, details=[ErrorDetail("t/google.rpc.RetryInfo", value)])
    assert delays(attempts(), [failure]) == [pytest.approx(0.1)]


def test_an_exhausted_budget_forbids_the_retry() -> None:
    assert delays(attempts(budget=2), [error()]) == [None]
    assert delays(attempts(budget=2), [error(unprocessed=True)] * 5) == [0.0] * 5


def test_attempts_made_are_announced() -> None:
    call = attempts()
    delays(call, [error(), error()])
    assert call.metadata == Metadata([("grpc-previous-rpc-attempts", "2")])


# -- room


def test_what_the_server_allows_counts_at_once() -> None:
    """Not from the next plan on: a call that the connection refuses would be placed on it again at once."""
    connection = SimpleNamespace(state=ConnectionState.READY, active_calls=1, max_calls=5)
    unused: Any = None
    address, config = parse_endpoint("tcp://127.0.0.1:1"), ClientConfig()
    subchannel = Subchannel(address, unused, config, unused, unused, unused, unused)
    held = PooledConnection(cast("ClientConnection", connection), subchannel, 1000, 0.0)
    subchannel.usable.append(held)
    assert held.has_room()
    connection.max_calls = 1
    assert not held.has_room()
    connection.max_calls = 9
    connection.active_calls = 5
    assert not held.has_room(), "more is for the plan to give"
