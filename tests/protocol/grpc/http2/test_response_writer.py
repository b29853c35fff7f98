from __future__ import annotations

from typing import Final

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.error import MetadataTooLarge
from eventflux_runtime.protocol.grpc.http2.head_reader import HeadReader
from eventflux_runtime.protocol.grpc.http2.response_writer import ResponseWriter
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode

DETAIL: Final = st.builds(ErrorDetail, st.text(max_size=10), st.binary(max_size=40))
ACCEPTED: Final = frozenset({3, 4})
STATUS: Final = st.builds(
    Status,
    st.sampled_from(StatusCode),
    st.text(max_size=20),
    st.lists(DETAIL, max_size=2).map(tuple),
    st.sampled_from([EMPTY_METADATA, Metadata([("a", "b"), ("c-bin", b"\1")])]),
)


def writer() -> ResponseWriter:
    return ResponseWriter("identity,gzip,zstd")


def decoded(block: bytes, decoder: hpack.Decoder | None = None) -> list[tuple[str, str]]:
    fields = (decoder or hpack.Decoder()).decode(block, raw=True)
    return [(name.decode("utf-8"), value.decode("utf-8")) for name, value in fields]


def list_bytes(block: bytes) -> int:
    return sum(len(name) + len(value) + 32 for name, value in hpack.Decoder().decode(block, raw=True))


def test_a_head_says_what_grpc_asks_for() -> None:
    block = writer().response(Metadata([("a", "b")]), 4)
    assert decoded(block) == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-accept-encoding", "identity,gzip,zstd"),
        ("grpc-encoding", "gzip"),
        ("a", "b"),
    ]


def test_trailers_say_what_grpc_asks_for() -> None:
    status = Status(StatusCode.NOT_FOUND, "ü %", (ErrorDetail("u", b"v"),), Metadata([("a", "b")]))
    assert decoded(writer().trailers(status)) == [
        ("grpc-status", "5"),
        ("grpc-message", "%C3%BC %25"),
        ("grpc-status-details-bin", "CAUSBMO8ICUaBgoBdRIBdg"),
        ("a", "b"),
    ]


def test_a_response_of_one_block_says_what_grpc_asks_for() -> None:
    assert decoded(writer().trailers_only(Status(StatusCode.UNIMPLEMENTED, "not here"))) == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-accept-encoding", "identity,gzip,zstd"),
        ("grpc-status", "12"),
        ("grpc-message", "not here"),
    ]


def test_a_client_that_does_not_speak_grpc_gets_an_http_status() -> None:
    fields = decoded(writer().trailers_only(Status(StatusCode.INVALID_ARGUMENT, "x"), 415))
    assert fields[0] == (":status", "415")
    assert ("allow", "POST") not in fields
    assert ("allow", "POST") in decoded(writer().trailers_only(Status(StatusCode.INTERNAL, "x"), 405))


def test_what_repeats_is_the_same_few_bytes() -> None:
    server = writer()
    for _ in range(2):
        server.response(EMPTY_METADATA)
        server.trailers(OK_STATUS)
    head, trailers = server.response(EMPTY_METADATA), server.trailers(OK_STATUS)
    assert server.response(EMPTY_METADATA) is head
    assert server.trailers(OK_STATUS) is trailers
    assert (len(head), len(trailers)) == (3, 1)
    assert server.trailers(Status()) is trailers
    assert server.trailers(Status(StatusCode.OK, "x")) is not trailers


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["response", "trailers", "trailers_only", "ok"]),
        STATUS,
        st.integers(0, 4),
        st.none() | st.sampled_from([0, 100, 4096]),
    ),
    max_size=30,
)


@given(STEPS)
def test_every_response_arrives_as_it_was_meant(steps: list[tuple[str, Status, int, int | None]]) -> None:
    server, client, witness = writer(), HeadReader(1 << 30), hpack.Decoder()
    for kind, status, encoding_id, table_bytes in steps:
        if table_bytes is not None:
            server.limit_table(table_bytes)
            witness.max_allowed_table_size = table_bytes  # so it insists on the size updates that have to come
        if kind == "response":
            block = server.response(status.trailers, encoding_id)
            head = client.read_response(block)
            assert (head.error, head.failure) == ("", None)
            assert (head.metadata, head.encoding_id, head.accepted) == (status.trailers, encoding_id, ACCEPTED)
        elif kind == "trailers_only":
            block = server.trailers_only(status)
            trailers = client.read_trailers_only(block)
            assert (trailers.error, trailers.status, trailers.accepted) == ("", status, ACCEPTED)
        else:
            ending = OK_STATUS if kind == "ok" else status
            block = server.trailers(ending)
            trailers = client.read_trailers(block)
            assert (trailers.error, trailers.status) == ("", ending)
        assert witness.decode(block, raw=True)


@pytest.mark.parametrize("kind", ["response", "trailers"])
@pytest.mark.parametrize("limits", [[4000], [4000, 4096]])
def test_a_size_update_goes_ahead_of_a_block_that_repeats(kind: str, limits: list[int]) -> None:
    server, decoder = writer(), hpack.Decoder()

    def made() -> bytes:
        return server.response(EMPTY_METADATA) if kind == "response" else server.trailers(OK_STATUS)

    for _ in range(3):
        decoder.decode(made())
    repeated = made()
    for limit in limits:
        server.limit_table(limit)
        decoder.max_allowed_table_size = limit
    updated = made()
    assert updated != repeated
    assert updated.endswith(repeated)
    assert decoder.decode(updated)
    assert made() == repeated


@pytest.mark.parametrize("limit", [None, 4 * 1024, 8 * 1024, 16 * 1024, 64 * 1024])
def test_a_status_is_sent_as_far_as_it_fits(limit: int | None) -> None:
    status = Status(
        StatusCode.ABORTED,
        "ü" * 1000,
        (ErrorDetail("u", b"v" * 3000),),
        Metadata([("a", "x" * 3000), ("b-bin", b"y" * 3000)]),
    )
    server, other = writer(), writer()
    if limit is not None:
        server.limit_lists(limit)
        other.limit_lists(limit)
    sure = {4 * 1024: 4 * 1024, 64 * 1024: 64 * 1024 * 4 // 5}
    for block in (server.trailers(status), other.trailers_only(status)):
        assert list_bytes(block) <= sure.get(limit or 0, 8 * 1024)
        fields = dict(decoded(block))
        assert fields["grpc-status"] == "10"
        assert ("[cut: " in fields["grpc-message"]) == (limit != 64 * 1024)


@pytest.mark.parametrize(("size", "fits"), [(15_900, True), (16_400, False)])
def test_a_status_leaves_room_for_the_limit_that_grpcio_does_not_announce(size: int, fits: bool) -> None:
    server = writer()
    server.limit_lists(20 * 1024)
    block = server.trailers(Status(StatusCode.ABORTED, "", (), Metadata([("a", "x" * size)])))
    assert list_bytes(block) <= 16 * 1024
    assert (("a", "x" * size) in decoded(block)) == fits


@pytest.mark.parametrize("limit", [0, 60, 100])
def test_a_status_is_sent_even_where_nothing_fits(limit: int) -> None:
    server = writer()
    server.limit_lists(limit)
    fields = dict(decoded(server.trailers(Status(StatusCode.ABORTED, "x" * 5000))))
    assert fields["grpc-status"] == "10"
    assert len(fields["grpc-message"]) < 40


@given(STATUS, st.integers(100, 600))
def test_a_fitted_status_is_within_any_sane_limit(status: Status, limit: int) -> None:
    server = writer()
    server.limit_lists(limit)
    block = server.trailers(status)
    smallest = writer()
    smallest.limit_lists(0)
    assert list_bytes(block) <= max(limit, list_bytes(smallest.trailers(status)))


def test_metadata_over_the_clients_limit_is_refused_before_it_touches_the_table() -> None:
    metadata = Metadata([("a", "x" * 100), ("b-bin", b"y" * 100)])
    server = writer()
    size = list_bytes(writer().response(metadata, 2))
    server.limit_lists(size - 1)
    with pytest.raises(MetadataTooLarge) as caught:
        server.response(metadata, 2)
    assert caught.value.limit == size - 1
    server.limit_lists(size + 64)
    assert list_bytes(server.response(metadata, 2)) == size
