"""Latencies in a fixed amount of memory, each exact to less than one percent."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["Histogram"]

_BITS: Final = 7
_SUB: Final = 1 << _BITS
"""Buckets for each doubling of the value."""
_LONGEST_BITS: Final = 63
"""No time that a clock tells has more."""
_SIZE: Final = (_LONGEST_BITS - _BITS) * _SUB + _SUB


class Histogram:
    """Counts of nanoseconds in buckets that grow with the value, as HdrHistogram has them.

    Up to 2 * 128 ns a bucket is one nanosecond wide; for each doubling behind that there are 128 of equal width. So a
    value is known to 1/128 of itself, whatever its size, and 60 KiB hold any number of them.
    """

    __slots__ = ("_counts", "_sum", "count", "maximum", "minimum")

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _SIZE))
        self._sum = 0
        self.count = 0
        self.minimum = 0
        """The shortest, exactly; 0 without any."""
        self.maximum = 0
        """The longest, exactly."""

    def record_all(self, values: Sequence[int]) -> None:
        """Counts nanoseconds, none of them negative; many at a time, because one by one costs as much as a call."""
        if not values:
            return
        counts = self._counts
        for value in values:
            shift = value.bit_length() - _BITS - 1
            counts[value if shift <= 0 else (shift << _BITS) + (value >> shift)] += 1
        shortest = min(values)
        self.minimum = min(self.minimum, shortest) if self.count else shortest
        longest = max(values)
        self.maximum = max(self.maximum, longest)
        self._sum += sum(values)
        self.count += len(values)

    @property
    def mean(self) -> float:
        """The mean in nanoseconds, exactly; 0 without values."""
        return self._sum / self.count if self.count else 0.0

    def percentile(self, part: float) -> int:
        """The least number of nanoseconds that so large a part of the values does not exceed; 0 without values.

        Args:
            part: from 0 to 1, as 0.99.
        """
        wanted = part * self.count
        seen = 0
        for upper, count in self.buckets():
            seen += count
            if seen >= wanted:
                return min(max(upper, self.minimum), self.maximum)
        return self.maximum

    def buckets(self) -> Iterator[tuple[int, int]]:
        """The highest value of each bucket that holds any, and how many, in order."""
        for index, count in enumerate(self._counts):
            if count:
                yield _upper(index), count

    def merged(self, count: int) -> list[tuple[int, int]]:
        """At most so many rows, on a logarithmic scale from the shortest to the longest: upper value, and how many."""
        if not self.count:
            return []
        low, high = max(self.minimum, 1), max(self.maximum, 1)
        step = (high / low) ** (1 / count)
        if step <= 1.0:
            return [(high, self.count)]
        uppers = [*(int(low * step ** (number + 1)) for number in range(count - 1)), high]
        rows = [0] * count
        row = 0
        for upper, found in self.buckets():
            while row < count - 1 and upper > uppers[row]:
                row += 1
            rows[row] += found
        return list(zip(uppers, rows, strict=True))


def _upper(index: int) -> int:
    """The highest value that counts in a bucket."""
    if index < 2 * _SUB:
        return index
    shift = (index >> _BITS) - 1
    return ((index - (shift << _BITS) + 1) << shift) - 1
