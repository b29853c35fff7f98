"""Counters and histograms of calls, and the snapshots made of them."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import CallStats, ConfigError, LatencyHistogram, StatusCode
from eventflux_runtime.rpc.call_tally import LATENCY_BOUNDS_S, MAX_METHODS, OTHERS, CallTally, TallyBook
from eventflux_runtime.rpc.stats import call_stats, stats_of


def histogram(*seconds: float) -> LatencyHistogram:
    tally = CallTally()
    for each in seconds:
        tally.begun_calls += 1
        tally.ended(0, each)
    return call_stats(tally).latency


def test_bounds_rise_from_ten_microseconds_to_a_hundred_seconds() -> None:
    bounds = LatencyHistogram.BOUNDS_S
    assert (bounds[0], bounds[-1]) == (1e-5, 100.0)
    assert all(1.3 < upper / lower < 1.7 for lower, upper in pairwise(bounds))
    assert {0.001, 0.01, 0.1, 0.5, 1.0, 10.0} <= set(bounds)


@given(st.floats(0, 1e4) | st.sampled_from(LATENCY_BOUNDS_S))
def test_a_time_is_in_the_bucket_of_the_first_bound_that_is_not_below_it(seconds: float) -> None:
    (index,) = (index for index, count in enumerate(histogram(seconds).counts) if count)
    right = bisect_left(LATENCY_BOUNDS_S, seconds)
    is_on_a_bound = any(math.isclose(seconds, bound, rel_tol=1e-9) for bound in LATENCY_BOUNDS_S)
    assert index == right or (is_on_a_bound and abs(index - right) == 1)


def test_a_time_below_zero_is_in_the_first_bucket() -> None:
    assert histogram(-1.0).counts[0] == 1


def test_percentiles_lie_where_a_sorted_list_has_them() -> None:
    draw = random.Random(7)
    times = sorted(math.exp(draw.gauss(-7, 1.5)) for _ in range(5000))
    made = histogram(*times)
    for share in (0.1, 0.5, 0.9, 0.99, 0.999):
        assert made.percentile(share) == pytest.approx(times[int(share * 5000)], rel=0.25)
    assert made.percentile(0) <= times[0]
    assert made.count == 5000
    assert made.sum_s == pytest.approx(sum(times))


def test_percentiles_at_the_ends() -> None:
    assert math.isnan(LatencyHistogram().percentile(0.5))
    assert histogram(1e9).percentile(0.99) == 100.0
    wrong: Any
    for wrong in (99, -0.1, math.nan, "half"):
        with pytest.raises(ConfigError, match="percentile takes a share from 0 to 1"):
            histogram(1.0).percentile(wrong)


def test_a_snapshot_says_what_was_counted_and_stands_still() -> None:
    tally = CallTally()
    for code in (StatusCode.OK, StatusCode.OK, StatusCode.UNAVAILABLE):
        tally.begun_calls += 1
        tally.ended(code, 0.01)
    tally.begun_calls += 1
    tally.sent(10)
    tally.received(20)
    stats = call_stats(tally)
    tally.begun_calls += 1
    assert (stats.started, stats.in_flight, stats.failed) == (4, 1, 1)
    assert stats.ended == {StatusCode.OK: 2, StatusCode.UNAVAILABLE: 1}
    assert (stats.sent_messages, stats.sent_bytes, stats.received_messages, stats.received_bytes) == (1, 10, 1, 20)
    both = stats + stats
    assert (both.started, both.in_flight, both.ended[StatusCode.OK], both.latency.count) == (8, 2, 4, 6)
    assert CallStats() + stats == stats


def test_a_book_holds_so_many_methods_and_loses_no_call() -> None:
    book = TallyBook()
    for number in range(MAX_METHODS + 500):
        book.of(f"/s/{number}").begun_calls += 1
    stats = stats_of(book)
    assert len(stats) == MAX_METHODS + 1
    assert stats[OTHERS].started == 500
    assert sum(each.started for each in stats.values()) == MAX_METHODS + 500


def test_what_one_book_takes_over_from_another_is_without_calls_in_flight() -> None:
    gone, kept = TallyBook(), TallyBook()
    gone.of("/s/m").begun_calls += 1
    gone.of("/s/m").begun_calls += 1
    gone.of("/s/m").ended(StatusCode.OK, 0.5)
    gone.of("/s/m").retries += 1
    kept.add(gone)
    (stats,) = stats_of(kept).values()
    assert (stats.started, stats.in_flight, stats.retries, stats.latency.sum_s) == (1, 0, 1, 0.5)
