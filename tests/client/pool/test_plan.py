"""The pool's plan: rules that hold for every picture, and the pictures of everyday life."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from eventflux_runtime import PoolConfig
from eventflux_runtime.client.pool.plan import AddressView, CallView, ConnectionView, Plan, PoolView, plan
from eventflux_runtime.protocol.api import ConnectionState

READY, DRAINING, CLOSED = ConnectionState.READY, ConnectionState.DRAINING, ConnectionState.CLOSED
CONFIG = PoolConfig(max_connections=2, max_calls_per_connection=4, max_idle_s=10, max_age_s=100)
IDLE = AddressView()
UP = AddressView((ConnectionView(limit=4, age_left_s=50),))
FULL = AddressView((ConnectionView(load=4, limit=4, age_left_s=50),))
CALL = CallView(number=1)

durations = st.sampled_from([0.0, 0.01, 0.2, 0.4, 3.0, 20.0, 400.0])


@st.composite
def connection_views(draw: st.DrawFn) -> ConnectionView:
    limit = draw(st.integers(1, 4))
    load = draw(st.integers(0, limit))
    return ConnectionView(
        draw(st.sampled_from([READY, READY, READY, DRAINING, CLOSED])),
        load,
        limit,
        draw(durations) - 1.0,
        0.0 if load else draw(durations),
    )


@st.composite
def configs(draw: st.DrawFn) -> PoolConfig:
    least = draw(st.integers(0, 3))
    return PoolConfig(
        min_connections=least,
        max_connections=draw(st.integers(max(1, least), 4)),
        max_calls_per_connection=4,
        max_idle_s=10,
        max_age_s=100,
    )


address_views = st.builds(
    AddressView,
    st.lists(connection_views(), max_size=4).map(tuple),
    st.integers(0, 2),
    durations,
    durations,
    st.integers(0, 9),
    durations,
)
pool_views = st.builds(
    PoolView,
    st.lists(address_views, max_size=4).map(tuple),
    st.lists(st.builds(CallView, st.integers(1, 9), st.booleans()), max_size=12).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(pool_views, configs())
def test_only_ready_connections_with_room_are_handed_out(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    loads: dict[tuple[int, int], int] = {}
    for index, which in made.hand_out:
        connection = view.addresses[index].connections[which]
        assert connection.state is READY
        assert (index, which) not in made.drain
        assert index in made.rotation
        loads[index, which] = loads.get((index, which), connection.load) + 1
        assert loads[index, which] <= connection.limit


@given(pool_views, configs())
def test_no_call_waits_while_there_is_room(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    handed = len(made.hand_out)
    assert handed <= len(view.calls)
    room = sum(
        connection.limit - connection.load
        for index in made.rotation
        for which, connection in enumerate(view.addresses[index].connections)
        if connection.state is READY and (index, which) not in made.drain
    )
    assert handed == min(len(view.calls), room)
    assert all(index >= handed for index in made.fail)


@given(pool_views, configs())
def test_every_call_left_over_has_something_to_wait_for(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    left = len(view.calls) - len(made.hand_out) - len(made.fail)
    running = sum(address.connecting for address in view.addresses)
    is_patient = any(call.is_patient for call in view.calls)
    if left and view.addresses:
        assert running or made.open or made.wake_in_s < math.inf
    elif left:
        assert view.is_resolving or is_patient


@given(pool_views, configs())
def test_calls_fail_only_where_nothing_is_connected(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    if made.fail:
        assert not made.rotation
        assert not any(view.calls[index].is_patient for index in made.fail)


@given(pool_views, configs())
def test_limits_on_connections_hold(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    for index, address in enumerate(view.addresses):
        ready = [which for which, one in enumerate(address.connections) if one.state is READY]
        kept = [which for which in ready if (index, which) not in made.drain]
        opened = made.open.count(index)
        if opened:
            assert address.retry_in_s <= 0
            assert len(kept) + address.connecting + opened <= config.max_connections
        young = sum(1 for which in kept if address.connections[which].age_left_s > 0)
        if address.retry_in_s <= 0 and len(kept) + address.connecting <= config.max_connections:
            room = config.max_connections - len(kept) - address.connecting
            assert young + address.connecting + opened >= min(config.min_connections, young + address.connecting + room)


@given(pool_views, configs())
def test_exactly_the_dead_are_forgotten_and_only_the_living_drained(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    for index, address in enumerate(view.addresses):
        for which, connection in enumerate(address.connections):
            assert ((index, which) in made.forget) == (connection.state is CLOSED)
            if (index, which) in made.drain:
                assert connection.state is READY
                is_idle = connection.load == 0 and connection.idle_s >= config.max_idle_s
                assert is_idle or connection.age_left_s <= 0


@given(pool_views, configs())
def test_a_plan_carried_out_calls_for_no_other(view: PoolView, config: PoolConfig) -> None:
    first = plan(view, config)
    second = plan(carried_out(view, first), config)
    assert (second.drain, second.forget, second.hand_out, second.open) == ((), (), (), ())


@given(pool_views, configs())
def test_ejected_addresses_rest_while_another_is_up(view: PoolView, config: PoolConfig) -> None:
    made = plan(view, config)
    healthy = [index for index in made.rotation if view.addresses[index].ejected_for_s <= 0]
    assert healthy == list(made.rotation) or not healthy
    assert made.wake_in_s > 0


def carried_out(view: PoolView, made: Plan) -> PoolView:
    """The picture right after a plan: attempts run, nothing has been answered."""
    addresses = []
    for index, address in enumerate(view.addresses):
        connections = []
        for which, one in enumerate(address.connections):
            if (index, which) in made.forget:
                continue
            state = DRAINING if (index, which) in made.drain else one.state
            load = one.load + made.hand_out.count((index, which))
            idle_s = 0.0 if load else one.idle_s
            connections.append(ConnectionView(state, load, one.limit, one.age_left_s, idle_s))
        opened = made.open.count(index)
        addresses.append(
            AddressView(
                tuple(connections),
                address.connecting + opened,
                0.0 if opened else address.connecting_for_s,
                address.retry_in_s,
                address.failure,
                address.ejected_for_s,
            )
        )
    calls = tuple(
        call for index, call in enumerate(view.calls) if index >= len(made.hand_out) and index not in made.fail
    )
    # A call that waits, or that was just given a connection, is use.
    is_used = view.is_used or bool(view.calls)
    return PoolView(tuple(addresses), calls, is_used, view.is_sequential, view.is_resolving)


def test_first_call_connects_to_every_address() -> None:
    assert plan(PoolView((IDLE, IDLE), (CALL,)), CONFIG).open == (0, 1)


def test_nothing_is_opened_without_a_call() -> None:
    assert plan(PoolView((IDLE, IDLE), (), is_used=False), CONFIG) == Plan()


def test_the_minimum_is_opened_without_a_call() -> None:
    config = PoolConfig(min_connections=2)
    assert plan(PoolView((IDLE, UP), (), is_used=False), config).open == (0, 0, 1)


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        (UP, ()),
        (FULL, (0,)),
        (AddressView(FULL.connections * 2), ()),
        (AddressView(FULL.connections, connecting=1), ()),
        (AddressView(FULL.connections, retry_in_s=1), ()),
    ],
)
def test_another_connection_is_for_calls_above_the_limit(address: AddressView, opened: tuple[int, ...]) -> None:
    assert plan(PoolView((address,), (CALL,)), CONFIG).open == opened


def test_every_call_that_waits_is_promised_a_connection_at_once() -> None:
    assert plan(PoolView((IDLE,), (CALL,) * 5), CONFIG).open == (0, 0)
    assert plan(PoolView((FULL, IDLE), (CALL,) * 4), CONFIG).open == (1,), "the one that is missing anyway has room"
    config = PoolConfig(max_connections=4, max_calls_per_connection=4)
    assert plan(PoolView((FULL, FULL), (CALL,) * 12), config).open == (0, 0, 1)
    assert plan(PoolView((FULL, FULL), (CALL,) * 99), config).open == (0, 0, 0, 1, 1, 1)


def test_pick_first_takes_one_address_at_a_time() -> None:
    assert plan(PoolView((IDLE, IDLE), (CALL,), is_sequential=True), CONFIG).open == (0,)
    failed = AddressView(retry_in_s=0.1, failure=2)
    assert plan(PoolView((failed, IDLE), (CALL,), is_sequential=True), CONFIG).open == (1,)
    assert plan(PoolView((IDLE, UP), (CALL,), is_sequential=True), CONFIG).open == ()


def test_pick_first_does_not_wait_for_an_address_that_says_nothing() -> None:
    silent = AddressView(connecting=1, connecting_for_s=0.1)
    made = plan(PoolView((silent, IDLE), (CALL,), is_sequential=True), CONFIG)
    assert made.open == ()
    assert made.wake_in_s == pytest.approx(0.15)
    silent = AddressView(connecting=1, connecting_for_s=0.3)
    assert plan(PoolView((silent, IDLE), (CALL,), is_sequential=True), CONFIG).open == (1,)


def test_an_old_connection_stays_until_its_successor_is_there() -> None:
    old = ConnectionView(limit=4, age_left_s=-1)
    made = plan(PoolView((AddressView((old,)),)), CONFIG)
    assert (made.open, made.drain) == ((0,), ())
    made = plan(PoolView((AddressView((old, *UP.connections)),)), CONFIG)
    assert (made.open, made.drain) == ((), ((0, 0),))


def test_an_old_connection_goes_at_once_where_there_is_no_room_for_two_or_no_use() -> None:
    old = AddressView((ConnectionView(limit=4, age_left_s=-1),))
    made = plan(PoolView((old,)), PoolConfig(max_connections=1))
    assert (made.open, made.drain) == ((0,), ((0, 0),))
    made = plan(PoolView((old,), is_used=False), CONFIG)
    assert (made.open, made.drain) == ((), ((0, 0),))


def test_idle_connections_go_down_to_the_minimum_the_longest_idle_first() -> None:
    connections = tuple(ConnectionView(limit=4, age_left_s=50, idle_s=idle_s) for idle_s in (11, 30, 20, 5))
    config = PoolConfig(min_connections=2, max_idle_s=10)
    assert plan(PoolView((AddressView(connections),), is_used=False), config).drain == ((0, 1), (0, 2))


def test_a_call_fails_once_it_has_seen_every_address_fail() -> None:
    failed_before = AddressView(retry_in_s=0.2, failure=3)
    failed_since = AddressView(retry_in_s=0.2, failure=8)
    early, late = CallView(number=2), CallView(number=6)
    patient = CallView(number=1, is_patient=True)
    assert plan(PoolView((failed_since, failed_since), (early, late, patient)), CONFIG).fail == (0, 1)
    assert plan(PoolView((failed_before, failed_since), (early, late, patient)), CONFIG).fail == (0,)
    assert plan(PoolView((failed_since, AddressView(connecting=1)), (early,)), CONFIG).fail == ()
    assert plan(PoolView((failed_since, FULL), (early,)), CONFIG).fail == ()


def test_a_call_waits_for_an_attempt_that_is_due_soon_only() -> None:
    soon, late = AddressView(retry_in_s=0.4, failure=1), AddressView(retry_in_s=4, failure=1)
    assert plan(PoolView((soon,), (CallView(number=2),)), CONFIG).fail == ()
    assert plan(PoolView((late,), (CallView(number=2),)), CONFIG).fail == (0,)


def test_calls_without_addresses_wait_for_the_resolver() -> None:
    assert plan(PoolView((), (CALL,), is_resolving=True), CONFIG).fail == ()
    assert plan(PoolView((), (CALL,)), CONFIG).fail == (0,)


def test_where_every_address_is_ejected_none_is() -> None:
    ejected = AddressView(UP.connections, ejected_for_s=3)
    assert plan(PoolView((ejected, UP), (CALL,)), CONFIG).hand_out == ((1, 0),)
    assert plan(PoolView((ejected, ejected), (CALL,)), CONFIG).rotation == (0, 1)
