from __future__ import annotations

import pickle

import pytest
from h2.errors import ErrorCodes

from eventflux_runtime.protocol.grpc.http2 import error as module
from eventflux_runtime.protocol.grpc.http2.error import (
    CANCEL,
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    REFUSED_STREAM,
    HpackError,
    Http2Error,
    error_code_of,
    error_name,
    status_code_of,
)
from eventflux_runtime.rpc.status import StatusCode


@pytest.mark.parametrize("code", ErrorCodes)
def test_names_and_numbers_are_the_rfcs(code: ErrorCodes) -> None:
    assert getattr(module, code.name) == int(code)
    assert error_name(int(code)) == code.name


def test_a_number_nobody_knows_is_shown_and_means_internal() -> None:
    assert error_name(0x77) == "error code 119"
    assert status_code_of(0x77) is StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("error_code", "expected"),
    [
        ("NO_ERROR", StatusCode.INTERNAL),
        ("PROTOCOL_ERROR", StatusCode.INTERNAL),
        ("INTERNAL_ERROR", StatusCode.INTERNAL),
        ("FLOW_CONTROL_ERROR", StatusCode.INTERNAL),
        ("SETTINGS_TIMEOUT", StatusCode.INTERNAL),
        ("FRAME_SIZE_ERROR", StatusCode.INTERNAL),
        ("REFUSED_STREAM", StatusCode.UNAVAILABLE),
        ("CANCEL", StatusCode.CANCELLED),
        ("COMPRESSION_ERROR", StatusCode.INTERNAL),
        ("CONNECT_ERROR", StatusCode.INTERNAL),
        ("ENHANCE_YOUR_CALM", StatusCode.RESOURCE_EXHAUSTED),
        ("INADEQUATE_SECURITY", StatusCode.PERMISSION_DENIED),
    ],
)
def test_a_reset_means_what_grpc_says(error_code: str, expected: StatusCode) -> None:
    assert status_code_of(getattr(module, error_code)) is expected


def test_statuses_that_a_reset_can_tell() -> None:
    assert error_code_of(StatusCode.CANCELLED) == CANCEL
    assert error_code_of(StatusCode.DEADLINE_EXCEEDED) == CANCEL
    assert error_code_of(StatusCode.RESOURCE_EXHAUSTED) == ENHANCE_YOUR_CALM
    assert error_code_of(StatusCode.UNKNOWN) == INTERNAL_ERROR


def test_only_a_call_that_never_ran_is_refused() -> None:
    assert error_code_of(StatusCode.UNAVAILABLE) == INTERNAL_ERROR
    assert error_code_of(StatusCode.UNAVAILABLE, is_unprocessed=True) == REFUSED_STREAM


@pytest.mark.parametrize("error", [HpackError("a"), Http2Error("a", 3)])
def test_errors_survive_pickling(error: Http2Error) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.error_code, copy.code) == (type(error), "a", error.error_code, error.code)


def test_a_broken_block_costs_the_connection() -> None:
    assert HpackError("a").error_code == COMPRESSION_ERROR
    assert HpackError("a").code is StatusCode.INTERNAL
