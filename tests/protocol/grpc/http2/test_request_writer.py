from __future__ import annotations

from typing import Final

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.error import MetadataTooLarge
from eventflux_runtime.protocol.grpc.http2.head_reader import HeadReader
from eventflux_runtime.protocol.grpc.http2.head_writer import MAX_KEYS
from eventflux_runtime.protocol.grpc.http2.request_writer import MAX_ROUTES, MAX_TIMEOUTS, RequestWriter
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

PATH: Final = "/eventflux.transport.Transport/SendMessage"


def writer() -> RequestWriter:
    return RequestWriter("http", "localhost:7070", "eventflux-transport/1", "identity,gzip,zstd")


def decoded(block: bytes, decoder: hpack.Decoder | None = None) -> list[tuple[str, str]]:
    fields = (decoder or hpack.Decoder()).decode(block, raw=True)
    return [(name.decode("utf-8"), value.decode("utf-8")) for name, value in fields]


def list_bytes(block: bytes, decoder: hpack.Decoder) -> int:
    return sum(len(name) + len(value) + 32 for name, value in decoder.decode(block, raw=True))


def test_a_request_says_what_grpc_asks_for() -> None:
    client = writer()
    metadata = Metadata([("a", "b"), ("c-bin", b"\xff\xfe")])
    block = client.request(client.route(PATH), 250_000, metadata, 3)
    assert decoded(block) == [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost:7070"),
        (":path", PATH),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "eventflux-transport/1"),
        ("grpc-accept-encoding", "identity,gzip,zstd"),
        ("grpc-encoding", "zstd"),
        ("grpc-timeout", "250000u"),
        ("a", "b"),
        ("c-bin", "//4"),
    ]


def test_a_call_that_repeats_is_the_same_few_bytes() -> None:
    client = writer()
    route = client.route(PATH)
    first, second, third = (client.request(route, -1, EMPTY_METADATA) for _ in range(3))
    assert len(first) > 80
    assert len(second) == 8
    assert third is second
    timed = client.request(route, 5_000_000, EMPTY_METADATA)
    assert timed == client.request(route, 4_999_991, EMPTY_METADATA)
    assert len(timed) == 8 + 23


def test_a_size_update_goes_ahead_of_a_block_that_repeats() -> None:
    client, decoder = writer(), hpack.Decoder()
    for _ in range(2):
        decoder.decode(client.request(client.route(PATH), -1, EMPTY_METADATA))
    repeated = client.request(client.route(PATH), -1, EMPTY_METADATA)
    client.limit_table(4000)
    decoder.max_allowed_table_size = 4000
    updated = client.request(client.route(PATH), -1, EMPTY_METADATA)
    assert updated == b"\x3f\x81\x1f" + repeated
    assert decoder.decode(updated)
    assert client.request(client.route(PATH), -1, EMPTY_METADATA) == repeated


def test_the_same_path_is_the_same_route() -> None:
    client = writer()
    assert client.route(PATH) is client.route(PATH)
    kept = client.route(PATH)
    for number in range(MAX_ROUTES):
        client.route(f"/{number}")
    assert client.route(PATH) is not kept
    decoder = hpack.Decoder()
    for route in (kept, client.route(PATH), kept):
        assert (":path", PATH) in decoded(client.request(route, -1, EMPTY_METADATA), decoder)


PAIRS: Final = st.tuples(st.sampled_from(["a", "b-bin", "authorization"]), st.sampled_from(["", "1", "2" * 300]))
CALLS: Final = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from([-1, 0, 250_000, 5_000_000]),
        st.lists(PAIRS, max_size=3),
        st.integers(0, 4),
        st.none() | st.sampled_from([0, 100, 1000, 4096]),
    ),
    max_size=60,
)


@given(CALLS)
def test_every_call_arrives_as_it_was_meant(
    calls: list[tuple[int, int, list[tuple[str, str]], int, int | None]],
) -> None:
    client, server, witness = writer(), HeadReader(1 << 30), hpack.Decoder()
    for number, timeout_us, pairs, encoding_id, table_bytes in calls:
        if table_bytes is not None:
            client.limit_table(table_bytes)
            witness.max_allowed_table_size = table_bytes  # so it insists on the size updates that have to come
        metadata = Metadata([(key, value.encode() if key.endswith("-bin") else value) for key, value in pairs])
        path = f"{PATH}{number}"
        block = client.request(client.route(path), timeout_us, metadata, encoding_id)
        head = server.read_request(block)
        assert (head.error, head.refusal) == ("", None)
        assert (head.path, head.metadata, head.encoding_id) == (path, metadata, encoding_id)
        assert head.timeout_us == (max(1, timeout_us) if timeout_us >= 0 else -1)
        assert head.authority == "localhost:7070"
        assert head.accepted == {3, 4}
        assert (":path", path) in decoded(block, witness)


def test_metadata_that_repeats_is_indexed_and_metadata_that_changes_is_not() -> None:
    client, decoder = writer(), hpack.Decoder()
    route = client.route(PATH)
    for number in range(100):
        decoder.decode(client.request(route, -1, Metadata([("same", "x" * 20), ("changes", f"{number}")])))
    entries = [name for name, _ in decoder.header_table.dynamic_entries]
    assert entries.count(b"same") == 1
    assert b"changes" not in entries
    block = client.request(route, -1, Metadata([("same", "x" * 20)]))
    assert len(block) == 9


def test_no_secret_and_no_long_value_is_remembered() -> None:
    client = writer()
    metadata = Metadata([("authorization", "secret"), ("long", "x" * 5000), ("short", "x")])
    client.request(client.route(PATH), -1, metadata)
    assert {key: known.last for key, known in client._keys.items()} == {
        "authorization": None,
        "long": None,
        "short": "x",
    }


def test_few_keys_and_timeouts_are_remembered() -> None:
    client = writer()
    for number in range(MAX_KEYS + MAX_TIMEOUTS):
        client.request(client.route(PATH), number * 1_000_000, Metadata([(f"key{number}", "x")]))
        assert len(client._keys) <= MAX_KEYS
        assert len(client._timeouts) <= MAX_TIMEOUTS


def test_metadata_leaves_room_in_the_table_for_methods() -> None:
    client, decoder = writer(), hpack.Decoder()
    for number in range(200):
        for _ in range(2):
            decoder.decode(client.request(client.route(PATH), -1, Metadata([(f"key{number}", "x" * 20)])))
    decoder.decode(client.request(client.route("/other"), -1, EMPTY_METADATA))
    assert len(client.request(client.route("/other"), -1, EMPTY_METADATA)) == 8


def test_a_client_with_very_many_methods_keeps_its_blocks() -> None:
    client, decoder = writer(), hpack.Decoder()
    routes = [client.route(f"{PATH}{number}") for number in range(200)]
    for route in routes:
        decoder.decode(client.request(route, -1, EMPTY_METADATA))
    blocks = [client.request(route, -1, EMPTY_METADATA) for route in routes]
    assert [client.request(route, -1, EMPTY_METADATA) for route in routes] == blocks
    assert all(a is client.request(route, -1, EMPTY_METADATA) for a, route in zip(blocks, routes, strict=True))


@pytest.mark.parametrize(
    "key",
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token", "session-token-bin"],
)
def test_a_secret_is_never_indexed(key: str) -> None:
    client, decoder = writer(), hpack.Decoder()
    metadata = Metadata([(key, b"1" if key.endswith("-bin") else "1")])
    for _ in range(3):
        *_, field = decoder.decode(client.request(client.route(PATH), -1, metadata), raw=True)
        assert field[0] == key.encode()
        assert not field.indexable


@pytest.mark.parametrize(
    "key",
    [
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ],
)
def test_what_http2_says_itself_is_not_sent_as_metadata(key: str) -> None:
    client = writer()
    fields = decoded(client.request(client.route(PATH), -1, Metadata([(key, "x"), ("a", "b")])))
    assert (key, "x") not in fields
    assert fields[-1] == ("a", "b")


def test_text_that_came_from_a_lenient_peer_can_be_sent_on() -> None:
    client, server = writer(), HeadReader(65536)
    metadata = Metadata.from_trusted((("a", "ü€"),))
    assert server.read_request(client.request(client.route(PATH), -1, metadata)).metadata == metadata


@given(st.lists(st.tuples(st.sampled_from(["a", "b-bin"]), st.integers(0, 100)), max_size=5), st.integers(0, 4))
def test_a_list_over_the_servers_limit_is_refused_before_it_touches_the_table(
    pairs: list[tuple[str, int]], encoding_id: int
) -> None:
    metadata = Metadata([(key, b"x" * size if key.endswith("-bin") else "x" * size) for key, size in pairs])
    size = list_bytes(writer().request(writer().route(PATH), 5_000_000, metadata, encoding_id), hpack.Decoder())
    client, decoder = writer(), hpack.Decoder()
    client.limit_lists(size - 1)
    with pytest.raises(MetadataTooLarge) as caught:
        client.request(client.route(PATH), 5_000_000, metadata, encoding_id)
    assert (caught.value.limit, caught.value.size >= size) == (size - 1, True)
    client.limit_lists(size + 64)  # the most that a timeout and an encoding may take is always counted
    assert list_bytes(client.request(client.route(PATH), 5_000_000, metadata, encoding_id), decoder) == size
