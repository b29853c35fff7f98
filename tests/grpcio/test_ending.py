"""Statuses, details and metadata in grpcio's terms, without a network."""

from __future__ import annotations

import grpc
import pytest
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.grpcio.status import (
    error_of,
    fitted_ending,
    grpc_code,
    is_connection_failure,
    metadata_of,
    status_of,
    trailing_pairs,
)
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.rpc_error import Aborted, NotFound, RpcError, Unavailable
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode

DETAILS = st.lists(st.builds(ErrorDetail, st.text(), st.binary()), max_size=4).map(tuple)


@given(st.sampled_from(list(StatusCode)), st.text(), DETAILS)
def test_a_status_comes_back_from_its_own_trailers(
    code: StatusCode, message: str, details: tuple[ErrorDetail, ...]
) -> None:
    status = Status(code, message, details, Metadata([("a", "b"), ("c-bin", b"\x00")]))
    assert status_of(grpc_code(code), message, trailing_pairs(status)) == status


@given(st.binary())
def test_details_that_nobody_can_read_cost_nothing_but_themselves(data: bytes) -> None:
    status = status_of(grpc.StatusCode.NOT_FOUND, "gone", [("grpc-status-details-bin", data)])
    assert (status.code, status.message) == (StatusCode.NOT_FOUND, "gone")
    assert status.trailers == EMPTY_METADATA


def test_every_code_has_its_counterpart() -> None:
    for code in StatusCode:
        assert grpc_code(code).value[0] == code
        assert status_of(grpc_code(code), None, None) == Status(code)


def test_lone_surrogates_do_not_reach_the_wire() -> None:
    status = Aborted("a\ud800b", details=[ErrorDetail("t\ud800", b"")]).status
    assert status.message == "a\\ud800b"
    assert status_of(grpc.StatusCode.ABORTED, "", trailing_pairs(status)).details == (ErrorDetail("t\\ud800", b""),)


def test_a_client_of_ours_gets_details_that_others_cannot_take() -> None:
    status = Status(StatusCode.ABORTED, "x", (ErrorDetail("t", bytes(10_000)),))
    assert fitted_ending(status, is_to_ours=True) is status
    assert fitted_ending(status, is_to_ours=False) == Status(StatusCode.ABORTED, "x... [cut: 10001 bytes of details]")


def test_a_long_text_takes_no_room_from_details() -> None:
    status = Status(StatusCode.ABORTED, "x" * 4_000, (ErrorDetail("t", bytes(2_000)),))
    assert fitted_ending(status, is_to_ours=False) is status


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


def failed(code: grpc.StatusCode, text: str) -> aio.AioRpcError:
    """What grpcio raises."""
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(("k", "v")), details=text, debug_error_string=text)


def test_an_error_keeps_code_text_and_trailers() -> None:
    error = error_of(failed(grpc.StatusCode.NOT_FOUND, "gone"))
    assert type(error) is NotFound
    assert error.message == "gone"
    assert error.metadata == Metadata([("k", "v")])
    assert not error.unprocessed


@pytest.mark.parametrize(
    ("code", "text", "is_unprocessed", "is_failure"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN: refused", True, False),
        ("UNAVAILABLE", "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))", True, False),
        ("UNAVAILABLE", "Stream removed (GOAWAY received; Error code: 0; Debug Text: )", True, True),
        ("UNAVAILABLE", "Stream removed (Socket closed (GOAWAY received; Error code: 11))", False, True),
        ("UNAVAILABLE", "Stream removed (recvmsg:Connection reset by peer (104))", False, True),
        ("INTERNAL", "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))", False, False),
        ("INTERNAL", "Stream removed (Failed to parse a header)", False, False),
        ("UNAVAILABLE", "overloaded: GOAWAY received", False, False),
        ("ABORTED", "failed to connect to all addresses", False, False),
    ],
)
def test_what_grpcios_own_account_proves(code: str, text: str, is_unprocessed: bool, is_failure: bool) -> None:
    raised = failed(grpc.StatusCode[code], text)
    error = error_of(raised)
    assert error.unprocessed is is_unprocessed
    assert is_connection_failure(raised) is is_failure
    # Passed on by a handler, the error proves nothing of the call that the handler serves.
    passed_on = failed(grpc.StatusCode[code], error.message)
    assert not error_of(passed_on).unprocessed
    assert not is_connection_failure(passed_on)


@pytest.mark.parametrize("text", ["CANCELLED", "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"])
def test_a_call_broken_off_without_a_status_is_not_cancelled_by_anybody(text: str) -> None:
    error = error_of(failed(grpc.StatusCode.CANCELLED, text))
    assert type(error) is Unavailable
    assert not error.unprocessed


def test_a_call_that_the_handler_cancelled_is_cancelled() -> None:
    error: RpcError = error_of(failed(grpc.StatusCode.CANCELLED, "enough"))
    assert error.code is StatusCode.CANCELLED
