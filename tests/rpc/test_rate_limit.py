"""Buckets of tokens on a manual clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.rpc.rate_limit import RateLimit


def test_burst_then_rate() -> None:
    limit = RateLimit(3.0, 2.0, 10.0)
    assert [limit.allows(10.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.allows(10.5) for _ in range(2)] == [True, False]
    assert [limit.allows(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    limit = RateLimit(1.0, 1000.0, 10.0)
    assert limit.allows(10.0)
    assert not limit.allows(10.0)
    assert not limit.allows(5.0)


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_never_more_than_burst_and_rate_together(pauses: list[float]) -> None:
    limit = RateLimit(5.0, 2.0, 0.0)
    now = 0.0
    allowed = 0
    for pause in pauses:
        now += pause
        allowed += limit.allows(now)
    assert allowed <= 5.0 + 2.0 * now + 1e-6
