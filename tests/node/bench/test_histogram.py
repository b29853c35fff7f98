"""Latencies in fixed memory: each percentile is that of the sorted values, to less than one percent."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_node.bench.histogram import Histogram

VALUES = st.lists(st.integers(0, 2**62), min_size=1, max_size=60)


def histogram_of(values: list[int]) -> Histogram:
    made = Histogram()
    made.record_all(values)
    return made


@given(VALUES, st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_percentiles_are_those_of_the_values(values: list[int], part: float) -> None:
    exact = sorted(values)[max(math.ceil(part * len(values)) - 1, 0)]
    found = histogram_of(values).percentile(part)
    assert exact <= found <= exact * (1 + 1 / 128)


@given(VALUES)
def test_the_ends_the_mean_and_the_count_are_exact(values: list[int]) -> None:
    made = histogram_of(values)
    assert (made.minimum, made.maximum, made.count) == (min(values), max(values), len(values))
    assert made.mean == pytest.approx(sum(values) / len(values))


@given(VALUES, st.integers(1, 20))
def test_merged_rows_have_every_value(values: list[int], rows: int) -> None:
    merged = histogram_of(values).merged(rows)
    assert len(merged) <= rows
    assert sum(count for _, count in merged) == len(values)
    assert merged[-1][0] == max(*values, 1)


def test_nothing_is_no_error() -> None:
    empty = Histogram()
    empty.record_all([])
    assert (empty.count, empty.mean, empty.percentile(0.5), empty.merged(3)) == (0, 0.0, 0, [])


def test_any_number_of_values_takes_the_same_room() -> None:
    made = Histogram()
    room = sys.getsizeof(made._counts)
    made.record_all(range(0, 10**9, 10_007))
    assert sys.getsizeof(made._counts) == room < 65_000
