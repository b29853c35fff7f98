from __future__ import annotations

from typing import Final

import pytest

from eventflux_runtime.protocol.grpc.http2.field import Field
from eventflux_runtime.protocol.grpc.http2.head import RequestHead
from eventflux_runtime.protocol.grpc.http2.request_fields import request_head
from eventflux_runtime.rpc.config import COMPRESSION_IDS, Compression
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import StatusCode

Pairs = list[tuple[bytes, bytes]]

LEAST: Final[Pairs] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b"content-type", b"application/grpc"),
]


def read(*more: tuple[bytes, bytes], without: bytes = b"", pairs: Pairs = LEAST) -> RequestHead:
    """The head of the least request, with fields added, and replaced where they are pseudo-header fields."""
    ahead = [pair for pair in more if pair[0].startswith(b":")]
    replaced = {without, *(name for name, _ in ahead)}
    kept = [pair for pair in pairs if pair[0] not in replaced]
    behind = [pair for pair in more if not pair[0].startswith(b":")]
    return request_head([Field(name, value) for name, value in [*ahead, *kept, *behind]], 0)


def test_the_least_request() -> None:
    head = read()
    assert (head.error, head.refusal, head.http_status) == ("", None, 200)
    assert (head.path, head.authority, head.timeout_us) == ("/a.B/C", "", -1)
    assert (head.encoding, head.encoding_id, head.accepted) == ("identity", 0, frozenset())
    assert head.metadata is EMPTY_METADATA
    assert head.found is None


def test_all_that_a_request_says() -> None:
    head = read(
        (b":authority", b"host:1"),
        (b"te", b"trailers"),
        (b"user-agent", b"grpc-go/1"),
        (b"grpc-timeout", b"250m"),
        (b"grpc-encoding", b"gzip"),
        (b"grpc-accept-encoding", b"identity, deflate,gzip ,zstd"),
        (b"b", b"1"),
        (b"a", b"2"),
        (b"b", b"3"),
    )
    assert (head.error, head.refusal) == ("", None)
    assert (head.authority, head.timeout_us, head.encoding, head.encoding_id) == ("host:1", 250_000, "gzip", 4)
    assert head.accepted == {COMPRESSION_IDS[Compression.GZIP], COMPRESSION_IDS[Compression.ZSTD]}
    assert head.metadata == Metadata([("b", "1"), ("a", "2"), ("b", "3")])


def test_accepted_encodings_may_come_in_several_fields() -> None:
    head = read((b"grpc-accept-encoding", b"gzip"), (b"grpc-accept-encoding", b"lz4"))
    assert head.accepted == {COMPRESSION_IDS[Compression.GZIP], COMPRESSION_IDS[Compression.LZ4]}


@pytest.mark.parametrize(
    ("name", "encoding_id"),
    [("identity", 0), ("lz4", 1), ("snappy", 2), ("zstd", 3), ("gzip", 4), ("deflate", -1), ("GZIP", -1)],
)
def test_an_encoding_has_its_number_and_keeps_its_name(name: str, encoding_id: int) -> None:
    head = read((b"grpc-encoding", name.encode()))
    assert (head.encoding, head.encoding_id, head.refusal) == (name, encoding_id, None)


def test_only_the_application_metadata_is_shown() -> None:
    head = read(
        (b"user-agent", b"x"),
        (b"accept-encoding", b"x"),
        (b"content-length", b"5"),
        (b"host", b"x"),
        (b"te", b"trailers"),
        (b"grpc-message-type", b"x"),
        (b"grpc-tags-bin", b"AQ"),
        (b"grpc-status", b"0"),
        (b"grpc-whatever", b"x"),
        (b"x!y", b"not a key of gRPC"),
        (b"grpc-previous-rpc-attempts", b"1"),
        (b"grpc-retry-pushback-ms", b"2"),
        (b"grpc-trace-bin", b"AQ"),
        (b"date", b"today"),
    )
    assert head.metadata == Metadata.from_trusted(
        (
            ("grpc-previous-rpc-attempts", "1"),
            ("grpc-retry-pushback-ms", "2"),
            ("grpc-trace-bin", b"\x01"),
            ("date", "today"),
        )
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"", ""), (b" \t x y\t ", "x y"), ("ü€".encode(), "ü€"), (b"\xfc", "ü"), (b"a\x01b", "a\x01b")],
)
def test_text_is_read_whatever_it_is(value: bytes, text: str) -> None:
    head = read((b"key", value))
    assert (head.error, head.refusal) == ("", None)
    assert head.metadata.get("key") == text


def test_binary_values_are_decoded_and_split() -> None:
    head = read((b"a-bin", b"AQI="), (b"b-bin", b"AQ,AgM"), (b"c-bin", b""))
    assert head.metadata == Metadata([("a-bin", b"\1\2"), ("b-bin", b"\1"), ("b-bin", b"\2\3"), ("c-bin", b"")])


def test_a_binary_value_that_is_none_refuses_the_call() -> None:
    head = read((b"a-bin", b"!"), (b"b-bin", b"AQ"))
    assert head.refusal is not None
    assert (head.refusal.code, head.http_status) == (StatusCode.INTERNAL, 200)
    assert head.refusal.message == "the value of metadata key 'a-bin' is not Base64"


@pytest.mark.parametrize("value", [b"", b"soon", b"123456789m"])
def test_a_timeout_that_is_none_refuses_the_call(value: bytes) -> None:
    head = read((b"grpc-timeout", value))
    assert head.error == ""
    assert head.refusal is not None
    assert head.refusal.code is StatusCode.INTERNAL
    assert f"grpc-timeout {value.decode()!r}" in head.refusal.message


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/grpc",
        b"application/grpc+proto",
        b"application/grpc;charset=utf-8",
        b"application/grpc+proto ; x=y",
        b"Application/GRPC",
    ],
)
def test_content_types_of_grpc(content_type: bytes) -> None:
    assert read((b"content-type", content_type), without=b"content-type").refusal is None


@pytest.mark.parametrize(
    "content_type",
    [b"", b"application/json", b"application/grpc+json", b"application/grpc-web", b"application/grpcx", b"x" * 5000],
)
def test_other_content_types_are_not_supported(content_type: bytes) -> None:
    head = read((b"content-type", content_type), without=b"content-type")
    assert (head.error, head.http_status) == ("", 415)
    assert head.refusal is not None
    assert head.refusal.code is StatusCode.INVALID_ARGUMENT
    assert repr(content_type[:64].decode()) in head.refusal.message
    assert len(head.refusal.message) < 200


def test_a_request_without_content_type_is_not_supported() -> None:
    assert read(without=b"content-type").http_status == 415


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"post"])
def test_other_methods_are_not_allowed(method: bytes) -> None:
    head = read((b":method", method))
    assert (head.error, head.http_status) == ("", 405)
    assert head.refusal is not None
    assert head.refusal.code is StatusCode.INTERNAL
    assert repr(method.decode()) in head.refusal.message


def test_connect_has_neither_scheme_nor_path() -> None:
    head = request_head([Field(b":method", b"CONNECT"), Field(b":authority", b"x")], 0)
    assert (head.error, head.http_status) == ("", 405)
    assert "':path' is missing" in request_head([Field(b":method", b"CONNECT"), Field(b":scheme", b"http")], 0).error


@pytest.mark.parametrize("name", [b":method", b":scheme", b":path"])
def test_a_request_that_lacks_a_pseudo_field_is_malformed(name: bytes) -> None:
    assert repr(name.decode()) in read(without=name).error


def test_an_empty_path_is_malformed() -> None:
    assert read((b":path", b"")).error == "the pseudo-header field ':path' is empty"


def test_a_pseudo_field_of_responses_is_malformed() -> None:
    assert "':status'" in read((b":status", b"200")).error


@pytest.mark.parametrize(
    ("more", "authority"),
    [
        ([(b":authority", b"a"), (b"host", b"b")], "a"),
        ([(b"host", b"b")], "b"),
        ([(b":authority", b""), (b"host", b"b")], "b"),
    ],
)
def test_host_stands_in_for_authority(more: Pairs, authority: str) -> None:
    assert read(*more).authority == authority


def test_a_list_over_the_limit_is_refused_whatever_it_says() -> None:
    head = request_head([Field(b"Upper", b"")], 7)
    assert head.error == ""
    assert head.refusal is not None
    assert (head.refusal.code, head.http_status) == (StatusCode.RESOURCE_EXHAUSTED, 200)
    assert "7 bytes over" in head.refusal.message
