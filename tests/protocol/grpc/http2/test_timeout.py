from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.timeout import LONGEST_US, coarse_timeout, decode_timeout, encode_timeout


@pytest.mark.parametrize(
    ("value", "timeout_us"),
    [
        (b"1H", 3_600_000_000),
        (b"1M", 60_000_000),
        (b"1S", 1_000_000),
        (b"1m", 1_000),
        (b"1u", 1),
        (b"1000n", 1),
        (b"1001n", 2),
        (b"1n", 1),
        (b"0n", 0),
        (b"0S", 0),
        (b"00000001S", 1_000_000),
        (b"99999999H", LONGEST_US),
    ],
)
def test_each_unit_is_read(value: bytes, timeout_us: int) -> None:
    assert decode_timeout(value) == timeout_us


@pytest.mark.parametrize(
    "value",
    ["", "S", "1", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1S ", "1.5S", "123456789u", "1_0S", "\u0663S"],
)
def test_nonsense_is_no_timeout(value: str) -> None:
    assert decode_timeout(value.encode()) == -1


@pytest.mark.parametrize(
    ("timeout_us", "value"),
    [
        (-5, b"1u"),
        (0, b"1u"),
        (1, b"1u"),
        (99_999_999, b"99999999u"),
        (100_000_000, b"100000m"),
        (100_000_001, b"100001m"),
        (99_999_999_000, b"99999999m"),
        (99_999_999_001, b"100000S"),
        (99_999_999_000_001, b"1666667M"),
        (LONGEST_US, b"99999999H"),
        (LONGEST_US * 10, b"99999999H"),
    ],
)
def test_the_finest_unit_with_room_is_written(timeout_us: int, value: bytes) -> None:
    assert encode_timeout(timeout_us) == value


@given(st.integers(1, LONGEST_US))
def test_a_timeout_is_never_shorter_than_meant_nor_much_longer(timeout_us: int) -> None:
    value = encode_timeout(timeout_us)
    assert len(value) <= 9
    read = decode_timeout(value)
    assert timeout_us <= read
    assert read - timeout_us <= timeout_us / 99_999_999 * 3600 + 1


@given(st.integers(1, 10**12))
def test_a_coarse_timeout_is_longer_by_less_than_a_thousandth(timeout_us: int) -> None:
    assert timeout_us <= coarse_timeout(timeout_us) < timeout_us * 1.001 + 1
    assert coarse_timeout(coarse_timeout(timeout_us)) == coarse_timeout(timeout_us)


@pytest.mark.parametrize("timeout_us", [100_000, 1_000_000, 5_000_000, 30_000_000])
def test_what_is_left_of_a_usual_timeout_repeats(timeout_us: int) -> None:
    assert {coarse_timeout(timeout_us - gone) for gone in (0, 1, 7)} == {timeout_us}
    assert coarse_timeout(0) == 0
