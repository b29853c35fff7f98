"""The messages of ``google.rpc`` without protobuf, beside Google's own classes on the same bytes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import error_details_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflux_runtime import CodecError, ErrorDetail, InvalidArgument, NotFound, RpcError, Status, StatusCode
from eventflux_runtime.error_details import (
    BadRequest,
    BadRequestFieldViolation,
    DebugInfo,
    Duration,
    ErrorInfo,
    Help,
    HelpLink,
    LocalizedMessage,
    PreconditionFailure,
    PreconditionFailureViolation,
    QuotaFailure,
    QuotaFailureViolation,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)

EXAMPLES: list[Any] = [
    BadRequest(
        field_violations=[
            BadRequestFieldViolation(
                field="emails[1].address",
                description="no @ in it",
                reason="BAD_ADDRESS",
                localized_message=LocalizedMessage(locale="de-CH", message="ungültig"),
            ),
            BadRequestFieldViolation(field="name"),
        ]
    ),
    DebugInfo(stack_entries=["a", "b"], detail="c"),
    ErrorInfo(reason="NODE_FULL", domain="acme.example", metadata={"limit": "5", "node": "n-1"}),
    Help(links=[HelpLink(description="the page", url="https://example.com")]),
    LocalizedMessage(locale="en", message="no"),
    PreconditionFailure(violations=[PreconditionFailureViolation(type_="TOS", subject="s", description="accept them")]),
    QuotaFailure(
        violations=[
            QuotaFailureViolation(
                subject="project:5",
                description="used up",
                api_service="calls.example.com",
                quota_metric="calls",
                quota_id="calls-per-day",
                quota_dimensions={"region": "eu"},
                quota_value=2**40,
                future_quota_value=0,
            )
        ]
    ),
    RequestInfo(request_id="r-1", serving_data="d"),
    ResourceInfo(resource_type="sql table", resource_name="t", owner="o", description="gone"),
    RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
]


def google_class(message: Any) -> Any:
    return getattr(error_details_pb2, type(message).__name__)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_bytes_are_google_s(message: Any) -> None:
    theirs = google_class(message).FromString(message.to_protobuf())
    assert theirs.SerializeToString(deterministic=True) == message.to_protobuf()
    assert len(UnknownFieldSet(theirs)) == 0
    assert type(message).from_protobuf(theirs.SerializeToString()) == message
    assert message.to_proto() == theirs, "protobuf's class for it is Google's own, which others load too"


def test_every_message_of_google_s_file_is_there() -> None:
    assert set(error_details_pb2.DESCRIPTOR.message_types_by_name) == {type(message).__name__ for message in EXAMPLES}


def test_every_field_of_google_s_is_there() -> None:
    for message in EXAMPLES:
        names = {field.name for field in google_class(message).DESCRIPTOR.fields}
        assert names == {field.rstrip("_") for field in type(message).__struct_fields__}


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_among_the_details_is_packed_and_found(message: Any) -> None:
    other = ErrorDetail("type.googleapis.com/acme.Other", b"\xff")
    error = InvalidArgument("no", details=[other, message])
    name = google_class(message).DESCRIPTOR.full_name
    assert error.details == (other, ErrorDetail(f"type.googleapis.com/{name}", message.to_protobuf()))
    assert error.find(type(message)) == message
    again = RpcError.from_status(error.status)
    assert again.find(type(message)) == message


def test_what_is_not_there_is_not_found() -> None:
    assert NotFound("x").find(BadRequest) is None
    assert NotFound("x", details=[Help()]).find(BadRequest) is None


@pytest.mark.parametrize("prefix", ["type.googleapis.com/", "example.com/types/", "/", ""])
def test_a_type_is_what_stands_behind_the_last_slash(prefix: str) -> None:
    detail = ErrorDetail(f"{prefix}google.rpc.RequestInfo", RequestInfo(request_id="5").to_protobuf())
    assert detail.unpack(RequestInfo) == RequestInfo(request_id="5")
    assert detail.unpack(ErrorInfo) is None


def test_bytes_that_are_no_such_message_are_passed_over() -> None:
    broken = ErrorDetail("type.googleapis.com/google.rpc.RequestInfo", b"\x0a\x05r")
    good = ErrorDetail.of(RequestInfo(request_id="5"))
    assert broken.unpack(RequestInfo) is None
    error = RpcError.from_status(Status(StatusCode.ABORTED, "lost", (broken, good)))
    assert error.find(RequestInfo) == RequestInfo(request_id="5")
    assert (error.code, error.message, error.details) == (StatusCode.ABORTED, "lost", (broken, good))


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_passed_over(data: bytes) -> None:
    for message in EXAMPLES:
        detail = ErrorDetail(f"x/{google_class(message).DESCRIPTOR.full_name}", data)
        RpcError("x", details=[detail]).find(type(message))


def test_a_message_that_cannot_be_encoded_is_left_out_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    wrong = RequestInfo(request_id=5)  # type: ignore[arg-type]  # what is tested
    error = NotFound("x", details=[wrong, Help()])
    assert error.details == (ErrorDetail.of(Help()),)
    assert "left out 1 of 2 details of an error" in caplog.text
    with pytest.raises(CodecError, match="request_id"):
        ErrorDetail.of(wrong)


def test_details_set_later_are_packed_when_the_error_is_sent() -> None:
    error = NotFound("x")
    error.details = (Help(),)  # type: ignore[assignment]  # what is tested
    assert error.find(Help) == Help()
    assert error.status.details == (ErrorDetail.of(Help()),)


def test_neither_protobuf_nor_grpc_is_loaded_for_it() -> None:
    program = (
        "import sys\n"
        "from eventflux_runtime import InvalidArgument\n"
        "from eventflux_runtime.error_details import BadRequest, BadRequestFieldViolation\n"
        "error = InvalidArgument('no', details=[BadRequest(field_violations=[BadRequestFieldViolation(field='a')])])\n"
        "print(error.find(BadRequest).field_violations[0].field)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'google', 'grpc'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "a\n[]\n"
