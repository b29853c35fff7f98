"""The timer wheel: nothing expires early, nothing is lost, and memory follows the items."""

from __future__ import annotations

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
    st.lists(st.tuples(st.floats(0, 5000), st.booleans()), min_size=1, max_size=30),
    st.lists(st.floats(0.001, 700), min_size=1, max_size=20),
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
