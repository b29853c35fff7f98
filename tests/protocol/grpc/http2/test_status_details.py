from __future__ import annotations

from typing import Final

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.grpcio.status import status_of, trailing_pairs
from eventflux_runtime.protocol.grpc.http2.binary_value import encode_binary
from eventflux_runtime.protocol.grpc.http2.status_details import decode_details, encode_details
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode

KEY: Final = "grpc-status-details-bin"
DETAIL: Final = st.builds(ErrorDetail, st.text(max_size=20), st.binary(max_size=200))
STATUS: Final = st.builds(
    Status, st.sampled_from(StatusCode), st.text(max_size=20), st.lists(DETAIL, min_size=1, max_size=3).map(tuple)
)


def theirs(data: bytes) -> tuple[ErrorDetail, ...]:
    """What protobuf makes of a google.rpc.Status."""
    return status_of(grpc.StatusCode.INTERNAL, "", [(KEY, data)]).details


@given(STATUS)
def test_the_bytes_are_protobufs(status: Status) -> None:
    ((_, expected),) = trailing_pairs(status)
    assert isinstance(expected, bytes)
    assert encode_details(status) == encode_binary(expected)
    assert decode_details(encode_details(status)) == status.details


@pytest.mark.parametrize("length", [256, 257])
def test_a_long_text_does_not_stand_twice(length: int) -> None:
    status = Status(StatusCode.INTERNAL, "x" * length, (ErrorDetail("a", b"b"),))
    ((_, expected),) = trailing_pairs(status)
    assert isinstance(expected, bytes)
    assert encode_details(status) == encode_binary(expected)
    assert (len(encode_details(status)) > 256) == (length == 256)


CHUNKS: Final = st.sampled_from(
    [
        b"\x08\x05",  # code
        b"\x12\x01a",  # message
        b"\x12\x01\xff",  # a message that is not UTF-8
        b"\x1a\x00",  # an empty detail
        b"\x1a\x06\x0a\x01u\x12\x01v",
        b"\x1a\x09\x0a\x01u\x12\x01v\x12\x01w",
        b"\x1a\x03\x0a\x01\xff",
        b"\x1a\x02\x08\x01",  # a detail whose field 1 is a number
        b"\x18\x01",  # a number in place of details
        b"\x20\x01",
        b"\x29" + b"\x00" * 8,
        b"\x2d" + b"\x00" * 4,
        b"\x33\x08\x01\x34",  # a group
        b"\x33\x3b\x3c\x34",
        b"\x33\x3c",
        b"\x34",
        b"\x00",
        b"\x07",
        b"\xff\xff\xff\xff\x0f\x00",
        b"\xff\xff\xff\xff\x7f\x00",
        b"\x88\x80\x80\x80\x10\x00",  # a number of 33 bits, of which the lower ones are field 1's
        b"\x9a\x00\x00",  # a tag that is longer than it has to be
        b"\x08" + b"\xff" * 9 + b"\x01",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\x1a\x7f",
        b"\x1a",
    ]
)


@given(st.lists(CHUNKS | st.binary(max_size=3), max_size=6).map(b"".join))
def test_any_bytes_are_read_as_protobuf_does(data: bytes) -> None:
    assert decode_details(encode_binary(data)) == theirs(data)


def test_a_field_whose_number_is_too_large_makes_a_status_unreadable() -> None:
    for data in (b"\x1a\x00\x88\x80\x80\x80\x10\x00", b"\x1a\x00\x9a\x80\x80\x80\x10\x00"):
        assert decode_details(encode_binary(data)) == theirs(data) == ()


def test_deep_groups_end_somewhere() -> None:
    assert decode_details(encode_binary(b"\x33" * 5000 + b"\x34" * 5000)) == ()
    assert decode_details(encode_binary(b"\x33" * 99 + b"\x34" * 99 + b"\x1a\x00")) == (ErrorDetail("", b""),)


@pytest.mark.parametrize("value", [b"", b"!", b"AA"])
def test_a_value_that_cannot_be_read_has_no_details(value: bytes) -> None:
    assert decode_details(value) == ()


def test_code_and_text_within_do_not_count() -> None:
    inner = Status(StatusCode.ABORTED, "inner", (ErrorDetail("a", b"b"),))
    assert decode_details(encode_details(inner)) == inner.details
