from __future__ import annotations

from typing import Final

import pytest

from eventflux_runtime.protocol.grpc.http2.field import Field
from eventflux_runtime.protocol.grpc.http2.head import ResponseHead, Trailers
from eventflux_runtime.protocol.grpc.http2.response_fields import response_head, response_trailers
from eventflux_runtime.protocol.grpc.http2.status_details import encode_details
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode

Pair = tuple[bytes, bytes]

GRPC: Final[Pair] = (b"content-type", b"application/grpc")


def head(*pairs: Pair) -> ResponseHead:
    return response_head([Field(name, value) for name, value in pairs], 0)


def trailers(*pairs: Pair) -> Trailers:
    return response_trailers([Field(name, value) for name, value in pairs], 0, is_whole_response=False)


def trailers_only(*pairs: Pair) -> Trailers:
    return response_trailers([Field(name, value) for name, value in pairs], 0, is_whole_response=True)


def test_the_least_head() -> None:
    read = head((b":status", b"200"), GRPC)
    assert (read.error, read.failure, read.is_informational, read.http_status) == ("", None, False, 200)
    assert (read.encoding, read.encoding_id, read.accepted) == ("identity", 0, None)
    assert read.metadata is EMPTY_METADATA


def test_all_that_a_head_says() -> None:
    read = head(
        (b":status", b"200"),
        (b"content-type", b"application/grpc+proto"),
        (b"grpc-encoding", b"zstd"),
        (b"grpc-accept-encoding", b"gzip,br"),
        (b"grpc-accept-encoding", b"lz4"),
        (b"server", b"x"),
        (b"a-bin", b"AQ"),
    )
    assert (read.error, read.failure) == ("", None)
    assert (read.encoding, read.encoding_id, read.accepted) == ("zstd", 3, frozenset({1, 4}))
    assert read.metadata == Metadata([("server", "x"), ("a-bin", b"\1")])


@pytest.mark.parametrize("status", [b"100", b"103", b"199"])
def test_an_informational_head_means_nothing_to_grpc(status: bytes) -> None:
    read = head((b":status", status), (b"link", b"x"))
    assert (read.error, read.failure, read.is_informational) == ("", None, True)


@pytest.mark.parametrize("status", [b"", b"20", b"2000", b"abc", b"099", b"-20", b"2 0"])
def test_a_status_that_is_none_is_malformed(status: bytes) -> None:
    assert head((b":status", status), GRPC).error == f"HTTP status {status.decode()!r} is not three digits"
    assert "is not three digits" in trailers_only((b":status", status)).error


def test_a_head_without_status_is_malformed() -> None:
    assert head(GRPC).error == "the pseudo-header field ':status' is missing"
    assert head((b":status", b"200"), (b":path", b"/")).error != ""


@pytest.mark.parametrize(
    ("http_status", "code"),
    [
        (400, StatusCode.INTERNAL),
        (401, StatusCode.UNAUTHENTICATED),
        (403, StatusCode.PERMISSION_DENIED),
        (404, StatusCode.UNIMPLEMENTED),
        (429, StatusCode.UNAVAILABLE),
        (431, StatusCode.INTERNAL),
        (500, StatusCode.UNKNOWN),
        (502, StatusCode.UNAVAILABLE),
        (503, StatusCode.UNAVAILABLE),
        (504, StatusCode.UNAVAILABLE),
        (200, StatusCode.UNKNOWN),
        (302, StatusCode.UNKNOWN),
        (599, StatusCode.UNKNOWN),
    ],
)
def test_a_response_that_is_not_grpc_fails_by_its_http_status(http_status: int, code: StatusCode) -> None:
    pairs = ((b":status", b"%d" % http_status), (b"content-type", b"text/html"))
    for failure in (head(*pairs).failure, trailers_only(*pairs).status):
        assert failure is not None
        assert failure.code is code
        assert f"HTTP {http_status}" in failure.message
        assert "content-type 'text/html'" in failure.message


def test_the_reason_of_a_response_that_is_not_grpc_reads_well() -> None:
    expected = "the response is not gRPC: HTTP 502 Bad Gateway, content-type none; is there a proxy, or another server?"
    failure = head((b":status", b"502")).failure
    assert failure is not None
    assert failure.message == expected
    assert head((b":status", b"599")).failure == Status(
        StatusCode.UNKNOWN,
        "the response is not gRPC: HTTP 599, content-type none; is there a proxy, or another server?",
    )


def test_grpc_of_another_http_status_fails_by_that() -> None:
    failure = head((b":status", b"503"), GRPC).failure
    assert failure is not None
    assert failure.code is StatusCode.UNAVAILABLE


def test_a_grpc_status_counts_more_than_the_http_status() -> None:
    pairs = ((b":status", b"503"), (b"grpc-status", b"7"), (b"grpc-message", b"no"))
    assert head(*pairs).failure == Status(StatusCode.PERMISSION_DENIED, "no")
    assert trailers_only(*pairs).status == Status(StatusCode.PERMISSION_DENIED, "no")


def test_the_usual_end_is_the_status_that_everybody_shares() -> None:
    read = trailers((b"grpc-status", b"0"))
    assert read.status is OK_STATUS
    assert read is trailers((b"grpc-status", b"0"))
    assert trailers((b"grpc-status", b"0"), (b"grpc-message", b"")).status is OK_STATUS


def test_all_that_trailers_say() -> None:
    details = (ErrorDetail("type.googleapis.com/a.B", b"\x00\xff"),)
    status = Status(StatusCode.ABORTED, "ü %", details, Metadata([("a", "b"), ("c-bin", b"\1")]))
    read = trailers(
        (b"a", b"b"),
        (b"grpc-status", b"10"),
        (b"grpc-status-details-bin", encode_details(status)),
        (b"grpc-message", b"%C3%BC %25"),
        (b"c-bin", b"AQ=="),
    )
    assert read.error == ""
    assert read.status == status


def test_an_ok_may_have_trailers_and_a_text() -> None:
    read = trailers((b"grpc-status", b"0"), (b"grpc-message", b"fine"), (b"a", b"b"))
    assert read.status == Status(StatusCode.OK, "fine", (), Metadata([("a", "b")]))


@pytest.mark.parametrize(("value", "code"), [(b"16", 16), (b"17", 2), (b"99", 2), (b"007", 7), (b"123456789", 2)])
def test_a_number_nobody_knows_is_unknown(value: bytes, code: int) -> None:
    assert trailers((b"grpc-status", value), (b"grpc-message", b"text")).status == Status(StatusCode(code), "text")


@pytest.mark.parametrize("value", [b"OK", b"-1", b"1.0", b"1 ", b"1234567890", b"1" * 5000])
def test_a_status_that_is_no_number_is_unknown(value: bytes) -> None:
    status = trailers((b"grpc-status", value), (b"grpc-message", b"text")).status
    assert status.code is StatusCode.UNKNOWN
    assert status.message == f"the server sent grpc-status {value[:64].decode()!r}, which is no number: text"
    assert trailers((b"grpc-status", value)).status.message.endswith("is no number")


@pytest.mark.parametrize("pairs", [(), ((b"a", b"b"),), ((b"grpc-status", b""),)])
def test_an_end_without_status_is_unknown(pairs: tuple[Pair, ...]) -> None:
    expected = Status(StatusCode.UNKNOWN, "the server ended the call without a grpc-status")
    assert trailers(*pairs).status == expected
    assert trailers_only((b":status", b"200"), GRPC, *pairs).status == expected


def test_details_that_cannot_be_read_cost_nothing_else() -> None:
    read = trailers((b"grpc-status", b"5"), (b"grpc-message", b"text"), (b"grpc-status-details-bin", b"!"))
    assert read.status == Status(StatusCode.NOT_FOUND, "text")


def test_a_binary_value_that_is_none_costs_nothing_else() -> None:
    read = trailers((b"grpc-status", b"0"), (b"a-bin", b"!"), (b"b-bin", b"AQ"))
    assert read.status == Status(StatusCode.OK, "", (), Metadata([("b-bin", b"\1")]))
    assert head((b":status", b"200"), GRPC, (b"a-bin", b"!")).failure is None


@pytest.mark.parametrize("pair", [(b":status", b"200"), (b":path", b"/"), (b"connection", b"close"), (b"A", b"")])
def test_trailers_may_be_malformed(pair: Pair) -> None:
    assert trailers((b"grpc-status", b"0"), pair).error != ""
    assert trailers(pair).error != ""


def test_a_response_of_one_block() -> None:
    read = trailers_only(
        (b":status", b"200"),
        GRPC,
        (b"grpc-accept-encoding", b"gzip"),
        (b"grpc-status", b"12"),
        (b"grpc-message", b"not here"),
        (b"a", b"b"),
    )
    assert read.error == ""
    assert read.status == Status(StatusCode.UNIMPLEMENTED, "not here", (), Metadata([("a", "b")]))
    assert read.accepted == frozenset({4})


def test_an_informational_head_cannot_end_a_response() -> None:
    assert trailers_only((b":status", b"103")).error == "HTTP status 103 cannot end a response"


def test_a_list_over_the_limit_fails_the_call() -> None:
    fields = [Field(b":status", b"200")]
    failure = response_head(fields, 9).failure
    assert failure is not None
    assert failure.code is StatusCode.RESOURCE_EXHAUSTED
    assert "9 bytes over our limit" in failure.message
    for is_whole in (False, True):
        assert response_trailers(fields, 9, is_whole_response=is_whole).status == failure
