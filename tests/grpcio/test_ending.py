"""Statuses, details and metadata in grpcio's terms, without a network."""

from __future__ import annotations

import grpc
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.grpcio.status import GRPC_CODES, fitted_ending, metadata_of, status_of, trailing_pairs
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.rpc_error import Aborted
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode

DETAILS = st.lists(st.builds(ErrorDetail, st.text(), st.binary()), max_size=4).map(tuple)


@given(st.sampled_from(list(StatusCode)), st.text(), DETAILS)
def test_a_status_comes_back_from_its_own_trailers(
    code: StatusCode, message: str, details: tuple[ErrorDetail, ...]
) -> None:
    status = Status(code, message, details, Metadata([("a", "b"), ("c-bin", b"\x00")]))
    assert status_of(GRPC_CODES[code], message, trailing_pairs(status)) == status


@given(st.binary())
def test_details_that_nobody_can_read_cost_nothing_but_themselves(data: bytes) -> None:
    status = status_of(grpc.StatusCode.NOT_FOUND, "gone", [("grpc-status-details-bin", data)])
    assert (status.code, status.message) == (StatusCode.NOT_FOUND, "gone")
    assert status.trailers == EMPTY_METADATA


def test_every_code_has_its_counterpart() -> None:
    for code in StatusCode:
        assert GRPC_CODES[code].value[0] == code
        assert status_of(GRPC_CODES[code], None, None) == Status(code)


def test_lone_surrogates_do_not_reach_the_wire() -> None:
    status = Aborted("a\ud800b", details=[ErrorDetail("t\ud800", b"")]).status
    assert status.message == "a\\ud800b"
    assert status_of(grpc.StatusCode.ABORTED, "", trailing_pairs(status)).details == (ErrorDetail("t\\ud800", b""),)


def test_details_that_no_client_is_bound_to_take_are_cut() -> None:
    status = Status(StatusCode.ABORTED, "x", (ErrorDetail("t", bytes(10_000)),))
    assert fitted_ending(status) == Status(StatusCode.ABORTED, "x... [cut: 10001 bytes of details]")


def test_a_long_text_takes_no_room_from_details() -> None:
    status = Status(StatusCode.ABORTED, "x" * 4_000, (ErrorDetail("t", bytes(2_000)),))
    assert fitted_ending(status) is status


def test_only_the_applications_metadata_is_shown() -> None:
    raw = [
        ("user-agent", "grpc-python"),
        ("a", "1"),
        ("grpc-accept-encoding", "gzip"),
        ("b-bin", b"\xff"),
        ("a", "2"),
        ("grpc-trace-bin", b"\x01"),
        ("odd", b"\xe9"),
    ]
    assert metadata_of(raw).pairs == (
        ("a", "1"),
        ("b-bin", b"\xff"),
        ("a", "2"),
        ("grpc-trace-bin", b"\x01"),
        ("odd", "é"),
    )
    assert metadata_of(None) is EMPTY_METADATA
