"""``grpc-timeout``: at most eight digits and a unit ("Timeout" in PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import Final

__all__ = ["coarse_timeout", "decode_timeout", "encode_timeout"]

NONSENSE: Final = -1
MAX_DIGITS: Final = 8
NANOSECOND: Final = b"n"
UNIT_US: Final[dict[bytes, int]] = {
    b"u": 1,
    b"m": 1_000,
    b"S": 1_000_000,
    b"M": 60_000_000,
    b"H": 3_600_000_000,
}
"""Microseconds of the units, the finest first; nanoseconds are finer."""
LONGEST_US: Final = 99_999_999 * 3_600_000_000


def decode_timeout(value: bytes) -> int:
    """The microseconds of a timeout, rounded up; -1 if it is none."""
    digits, unit = value[:-1], value[-1:]
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        return NONSENSE
    if unit == NANOSECOND:
        return (int(digits) + 999) // 1000
    unit_us = UNIT_US.get(unit, 0)
    return int(digits) * unit_us if unit_us else NONSENSE


def encode_timeout(timeout_us: int) -> bytes:
    """A timeout in the finest unit that has room for it, from one microsecond up to 11,415 years."""
    for unit, unit_us in UNIT_US.items():
        count = -(-timeout_us // unit_us)
        if count < 10**MAX_DIGITS:
            return b"%d%s" % (max(1, count), unit)
    return b"%dH" % (10**MAX_DIGITS - 1)


def coarse_timeout(timeout_us: int) -> int:
    """A timeout rounded up by less than a thousandth of it, so that calls with the same one repeat the same bytes.

    What is left of a deadline differs by microseconds from call to call.
    """
    step = 1
    while step * 10_000 <= timeout_us:
        step *= 10
    return -(-timeout_us // step) * step
