"""Declared errors as exceptions, and what of a status makes one."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from cluster_sdk import JobRefused, NeverRaised, NodeFull
from cluster_sdk.methods import CLUSTER_PLACE
from eventflux_runtime import (
    DeclaredError,
    ErrorDetail,
    FailedPrecondition,
    ResourceExhausted,
    RpcError,
    Status,
    StatusCode,
)
from eventflux_runtime.error_details import Duration, ErrorInfo, Help, RetryInfo
from eventflux_runtime.rpc.error_info import NamedCause, retry_delay_s

URL = "type.googleapis.com/google.rpc.ErrorInfo"
DOMAIN = "acme.cluster.v1"


def status_with(*values: bytes, url: str = URL) -> Status:
    return Status(StatusCode.RESOURCE_EXHAUSTED, "full", tuple(ErrorDetail(url, value) for value in values))


def test_the_class_says_what_it_is() -> None:
    error = NodeFull(retry_in_s=2.0)
    assert isinstance(error, ResourceExhausted)
    assert isinstance(error, DeclaredError)
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert str(error) == "RESOURCE_EXHAUSTED: The node has no room for the job. Wait, or ask for less."
    assert NodeFull("").message == ""
    assert NeverRaised().message == "UNUSED"


def test_the_detail_is_google_s() -> None:
    (detail,) = NodeFull(retry_in_s=2.0, node="n").details
    assert detail.type_url == URL
    theirs = error_details_pb2.ErrorInfo.FromString(detail.value)
    assert (theirs.reason, theirs.domain) == ("NODE_FULL", DOMAIN)
    assert dict(theirs.metadata) == {"retry_in_s": "2.0", "node": "n"}


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=4))
def test_google_reads_what_we_write_and_we_what_google_writes(reason: str, domain: str, metadata: Any) -> None:
    ours = NamedCause(reason, domain, metadata)
    theirs = error_details_pb2.ErrorInfo.FromString(ours.detail.value)
    assert (theirs.reason, theirs.domain, dict(theirs.metadata)) == ours
    assert NamedCause.of(ErrorDetail(URL, theirs.SerializeToString())) == ours


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_google_reads_them_or_not_at_all(data: bytes) -> None:
    found = NamedCause.of(ErrorDetail(URL, data))
    try:
        theirs = error_details_pb2.ErrorInfo.FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError, whichever of its implementations runs
        return
    if found is not None:
        assert found == (theirs.reason, theirs.domain, dict(theirs.metadata))


@pytest.mark.parametrize(
    "value",
    [b"", b"\x0a", b"\x0a\x05NODE", b"\x0a\x01\xff", b"\x1a\x02\x0a\x05", b"\x80" * 11, b"\x03\x0b", b"\x00\x00"],
)
def test_a_detail_that_cannot_be_read_is_passed_over(value: bytes) -> None:
    good = NodeFull(node="n").details[0].value
    error = CLUSTER_PLACE.error_of(status_with(value, good))
    assert isinstance(error, NodeFull)
    assert (error.node, len(error.details)) == ("n", 2)
    plain = CLUSTER_PLACE.error_of(status_with(value))
    assert (type(plain), plain.message) == (ResourceExhausted, "full")


def test_an_error_whose_fields_cannot_be_read_is_passed_over() -> None:
    bad = NamedCause("NODE_FULL", DOMAIN, {"retry_in_s": "soon"}).detail.value
    good = NodeFull(node="n").details[0].value
    error = CLUSTER_PLACE.error_of(status_with(bad, good))
    assert isinstance(error, NodeFull)
    assert error.node == "n"
    assert type(CLUSTER_PLACE.error_of(status_with(bad))) is ResourceExhausted


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_fields_that_are_nested_without_end_are_passed_over(text: str) -> None:
    refused = {name: NamedCause("JOB_REFUSED", DOMAIN, {name: text}).detail for name in ("codes", "others", "job")}
    for detail in refused.values():
        status = Status(StatusCode.FAILED_PRECONDITION, "no", (detail,))
        assert type(CLUSTER_PLACE.error_of(status)) is FailedPrecondition


@pytest.mark.parametrize(
    ("seconds", "nanos", "delay_s"), [(0, 0, 0.0), (1, 500_000_000, 1.5), (-1, 0, 0.0), (0, -1, 0.0), (2**40, 0, 0.0)]
)
def test_the_delay_of_a_retry_info(seconds: int, nanos: int, delay_s: float) -> None:
    advice = RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))
    assert retry_delay_s([ErrorDetail.of(Help()), ErrorDetail.of(advice)]) == delay_s


def test_records_that_google_may_add_are_passed_over() -> None:
    newer = NodeFull(node="n").details[0].value + b"\x20\x05\x2a\x01x\x35\x00\x00\x00\x00\x39" + bytes(8) + b"\x43\x44"
    error = CLUSTER_PLACE.error_of(status_with(newer))
    assert isinstance(error, NodeFull)
    assert error.node == "n"


def test_a_detail_of_another_type_is_none() -> None:
    value = NodeFull().details[0].value
    assert type(CLUSTER_PLACE.error_of(status_with(value, url="x/google.rpc.Help"))) is ResourceExhausted
    assert type(CLUSTER_PLACE.error_of(status_with(value, url="example.com/google.rpc.ErrorInfo"))) is NodeFull


def test_a_status_without_text_makes_an_error_without_text() -> None:
    status = Status(StatusCode.RESOURCE_EXHAUSTED, "", NodeFull().details)
    assert CLUSTER_PLACE.error_of(status).message == ""


def test_unprocessed_is_kept() -> None:
    assert CLUSTER_PLACE.error_of(status_with(NodeFull().details[0].value), unprocessed=True).unprocessed
    assert CLUSTER_PLACE.error_of(status_with(), unprocessed=True).unprocessed


def test_a_field_that_is_gone_is_sent_without_fields(caplog: pytest.LogCaptureFixture) -> None:
    error = NodeFull("full", node="n", details=[Help()])
    del error.node
    assert error.status.details == (ErrorDetail.of(Help()),)
    assert "NODE_FULL is sent without its fields: node: " in caplog.text


def test_a_text_that_utf_8_cannot_encode_is_sent_without_fields(caplog: pytest.LogCaptureFixture) -> None:
    assert NodeFull("full", node="\ud800").status.details == ()
    assert "NODE_FULL is sent without its fields: " in caplog.text


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_the_fields(again: Any) -> None:
    error = NodeFull("full", node="n", free_cpus=3, details=[Help()], metadata={"k": "v"})
    made = again(error)
    assert type(made) is NodeFull
    assert (made.message, made.node, made.free_cpus, made.status) == ("full", "n", 3, error.status)


def test_a_child_of_a_declared_error_is_sent_as_it() -> None:
    class Own(NodeFull):
        pass

    info = Own(node="n").find(ErrorInfo)
    assert info is not None
    assert info.reason == "NODE_FULL"


def test_what_is_changed_is_sent_once() -> None:
    error = JobRefused(codes=[1])
    error.codes.append(2)
    assert [info.metadata["codes"] for info in (ErrorInfo.from_protobuf(d.value) for d in error.status.details)] == [
        '["1","2"]'
    ]
    error.details = (*error.details, ErrorDetail.of(Help()))
    assert len(error.status.details) == 2
    assert RpcError.from_status(error.status).find(Help) == Help()
