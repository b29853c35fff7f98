"""The timer wheel: nothing expires early, nothing is lost, and memory follows the items."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.net.wheel import Alarm, DeadlineWheel
from eventflux_runtime.testing import ManualClock

TICK = 1 / 128


class Item:
    def __init__(self, expires_at: float, clock: ManualClock) -> None:
        self.expires_at = expires_at
        self.alarm = Alarm(expires_at, self.expire)
        self.expired_at: float | None = None
        self._clock = clock

    def expire(self) -> None:
        assert self.expired_at is None
        self.expired_at = self._clock()


class Harness:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timer: float | None = None
        self.wheel = DeadlineWheel(self.clock, self.arm)

    def arm(self, when: float) -> None:
        self.timer = when

    def advance(self, seconds: float) -> None:
        """Runs the loop's one timer wherever it stands on the way, as an event loop would."""
        until = self.clock() + seconds
        while self.timer is not None and self.timer <= until:
            when, self.timer = self.timer, None
            self.clock.advance(max(0.0, when - self.clock()))
            self.wheel.fire()
        self.clock.advance(until - self.clock())


@given(
    st.lists(st.tuples(st.floats(0, 5000) | st.floats(0, 1e6), st.booleans()), min_size=1, max_size=30),
    st.lists(st.floats(0.001, 700) | st.floats(0.001, 2e5), min_size=1, max_size=20),
)
def test_expires_on_time_or_not_at_all(items: list[tuple[float, bool]], steps: list[float]) -> None:
    harness = Harness()
    kept: list[Item] = []
    dropped: list[Item] = []
    for delay, is_dropped in items:
        item = Item(harness.clock() + delay, harness.clock)
        harness.wheel.add(item.alarm, harness.clock())
        (dropped if is_dropped else kept).append(item)
    for item in dropped:
        harness.wheel.discard(item.alarm)
    for step in steps:
        harness.advance(step)
        for item in kept:
            if item.expired_at is None:
                assert item.expires_at > harness.clock() - TICK
            else:
                assert item.expires_at <= item.expired_at <= item.expires_at + TICK
    assert all(item.expired_at is None for item in dropped)
    assert len(harness.wheel) == sum(item.expired_at is None for item in kept)


def test_a_far_deadline_keeps_no_slot_for_each_tick() -> None:
    harness = Harness()
    items = [Item(harness.clock() + 3600 + index * TICK, harness.clock) for index in range(1000)]
    for item in items:
        harness.wheel.add(item.alarm, harness.clock())
    assert len(harness.wheel) == 1000
    assert harness.wheel.slot_count <= 2


def test_discarding_twice_or_after_expiry_is_harmless() -> None:
    harness = Harness()
    item = Item(harness.clock() + 1, harness.clock)
    harness.wheel.discard(item.alarm)
    harness.wheel.add(item.alarm, harness.clock())
    harness.advance(2)
    assert item.expired_at is not None
    harness.wheel.discard(item.alarm)
    assert len(harness.wheel) == 0


def test_an_item_that_expires_may_discard_and_add_others() -> None:
    harness = Harness()
    expired: list[str] = []
    begin = harness.clock()
    second = Alarm(begin + 1.0, lambda: expired.append("second"))
    third = Alarm(begin + 1.5, lambda: expired.append("third"))

    def first() -> None:
        expired.append("first")
        harness.wheel.discard(second)
        harness.wheel.add(third, harness.clock())

    harness.wheel.add(Alarm(begin + 1.0, first), harness.clock())
    harness.wheel.add(second, harness.clock())
    harness.advance(1.2)
    assert expired == ["first"]
    harness.advance(1)
    assert expired == ["first", "third"]
    assert len(harness.wheel) == harness.wheel.slot_count == 0


def test_slots_of_what_was_discarded_go() -> None:
    harness = Harness()
    for _ in range(1000):
        item = Alarm(harness.clock() + 0.5, lambda: None)
        harness.wheel.add(item, harness.clock())
        harness.wheel.discard(item)
        harness.advance(0.01)
    assert harness.wheel.slot_count < 200


def far_deadlines(harness: Harness, count: int) -> list[Alarm]:
    """Deadlines from ten minutes to 300,000 years ahead, which is as far as a native call can ask for."""
    draw = Random(1)
    return [Alarm(harness.clock() + 600 * math.exp(draw.uniform(0, 23.4)), lambda: None) for _ in range(count)]


@pytest.mark.parametrize("in_flight", [1, 100, 20_000])
def test_calls_with_far_deadlines_that_went_leave_no_slots(in_flight: int) -> None:
    harness = Harness()
    alarms = far_deadlines(harness, 20_000)
    for begin in range(0, len(alarms), in_flight):
        for alarm in alarms[begin : begin + in_flight]:
            harness.wheel.add(alarm, harness.clock())
        for alarm in alarms[begin : begin + in_flight]:
            harness.wheel.discard(alarm)
    assert len(harness.wheel) == 0
    assert harness.wheel.slot_count < 1000


def test_far_deadlines_that_are_live_share_slots() -> None:
    harness = Harness()
    for alarm in far_deadlines(harness, 20_000):
        harness.wheel.add(alarm, harness.clock())
    assert len(harness.wheel) == 20_000
    assert harness.wheel.slot_count < 1000


def test_a_crowded_wheel_forgets_nothing() -> None:
    harness = Harness()
    draw = Random(2)
    kept: list[Item] = []
    most = 0
    for _ in range(6000):
        item = Item(harness.clock() + 0.01 * math.exp(draw.uniform(0, 18)), harness.clock)
        harness.wheel.add(item.alarm, harness.clock())
        if draw.random() < 0.9:
            harness.wheel.discard(item.alarm)
        else:
            kept.append(item)
        most = max(most, harness.wheel.slot_count)
        harness.advance(draw.choice((0.001, 0.1)))
    assert 256 < most < 1000, "there was something to clear out"
    while any(item.expired_at is None for item in kept):
        assert len(harness.wheel) == sum(item.expired_at is None for item in kept)
        harness.advance(harness.clock() / 20)
    assert all(item.expired_at is not None and 0 <= item.expired_at - item.expires_at <= TICK for item in kept)
    assert len(harness.wheel) == 0


def test_an_item_that_fails_keeps_no_other_from_expiring(caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness()
    expired: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    begin = harness.clock()
    harness.wheel.add(Alarm(begin + 1.0, fail), begin)
    harness.wheel.add(Alarm(begin + 1.0, lambda: expired.append("beside")), begin)
    harness.wheel.add(Alarm(begin + 2.0, lambda: expired.append("later")), begin)
    harness.advance(1.5)
    assert expired == ["beside"]
    harness.advance(1)
    assert expired == ["beside", "later"]
    assert "ZeroDivisionError" in caplog.text
