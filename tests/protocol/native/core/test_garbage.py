"""Whatever a peer sends, it is understood or raises ProtocolError: no other error, and no memory out of proportion."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.native.core import Connection, Role, Settings
from eventflux_runtime.protocol.native.core.frame import HELLO, PREFACE
from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from tests.protocol.native.core.test_parse import TO_CLIENT, TO_SERVER
from tests.support.core_pair import METHODS, frame, hello, make_client, make_server, write

KINDS = st.one_of(st.integers(1, 12), st.integers(0, 255))
FLAGS = st.one_of(st.sampled_from([0, 1, 2, 3, 7, 8, 9, 16, 64, 66, 74]), st.integers(0, 255))
STREAMS = st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1))
PIECES = st.sampled_from(
    [
        b"\x00\x00",
        b"\x01\x00",
        b"\xff" * 8,
        bytes(8),
        b"\x02\x00\x00\x00\x00\x00",
        b"\x0a\x00\x00\x00\x01\x00\x01a\x02\x00\x00\x00bc",
        b"\x01",
        b"\x05\x00\x00\x00hello",
        b"\xff\xff\xff\xff",
        b"text",
        b"\xff\xfe",
    ]
)
PAYLOADS = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=6).map(b"".join))
FRAMES = st.lists(st.builds(frame, KINDS, FLAGS, STREAMS, PAYLOADS), max_size=12).map(b"".join)


def feed(connection: Connection, data: bytes, step: int) -> None:
    """Sends data in steps, then ends; anything but ProtocolError is let out."""
    with contextlib.suppress(ProtocolError):
        for start in range(0, len(data), step):
            connection.receive_data(data[start : start + step], 0.0)
        connection.receive_eof(0.0)
    assert connection.is_closed
    connection.data_to_send()
    assert not connection.has_output


def client_with_calls() -> Connection:
    """A client with calls in every state in which a frame may reach them."""
    client = make_client(Settings(compressions=(1, 3)))
    client.open(0, -1, EMPTY_METADATA, b"x", write)
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    client.open(1, -1, EMPTY_METADATA, bytes(3 * 2**20), write)
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    client.half_close(4)
    return client


@given(st.binary(max_size=200), st.sampled_from(list(Role)), st.integers(1, 50))
def test_random_bytes(data: bytes, role: Role, step: int) -> None:
    feed(Connection(role, Settings(), METHODS if role is Role.SERVER else (), now=0.0), data, step)


@given(st.binary(max_size=120), st.sampled_from(list(Role)))
def test_random_hello(payload: bytes, role: Role) -> None:
    connection = Connection(role, Settings(), METHODS if role is Role.SERVER else (), now=0.0)
    feed(connection, PREFACE + frame(HELLO, payload=payload), 1000)


@given(st.data(), st.sampled_from(list(Role)))
def test_mutated_hello(data: st.DataObject, role: Role) -> None:
    valid = hello({1: 20_000, 5: 20_000, 99: 2**64 - 1}, METHODS if role is Role.CLIENT else (), b"\x01\x04")
    connection = Connection(role, Settings(), METHODS if role is Role.SERVER else (), now=0.0)
    feed(connection, PREFACE + frame(HELLO, payload=mutated(data, valid)), 1000)


@given(FRAMES, st.integers(1, 100))
def test_random_frames_to_a_server(data: bytes, step: int) -> None:
    feed(make_server(Settings(compressions=(1, 3))), data, step)


@given(FRAMES, st.integers(1, 100))
def test_random_frames_to_a_client(data: bytes, step: int) -> None:
    feed(client_with_calls(), data, step)


@given(st.data())
def test_mutated_conversations(data: st.DataObject) -> None:
    server = Connection(Role.SERVER, Settings(compressions=(1,)), METHODS, now=0.0)
    feed(server, mutated(data, TO_SERVER), 5000)
    client = Connection(Role.CLIENT, Settings(compressions=(1,)), now=0.0)
    feed(client, mutated(data, TO_CLIENT), 5000)


def mutated(data: st.DataObject, valid: bytes) -> bytes:
    """Valid bytes with some of them changed, removed, doubled or cut off; most changes fall near the beginning."""
    changed = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.one_of(st.integers(0, min(400, len(changed))), st.integers(0, len(changed))))
        match data.draw(st.integers(0, 3)):
            case 0:
                changed[position : position + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case 1:
                del changed[position : position + data.draw(st.integers(1, 12))]
            case 2:
                changed[position:position] = changed[position : position + data.draw(st.integers(1, 12))]
            case _:
                del changed[position:]
    return bytes(changed)


@pytest.mark.parametrize("stray", [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x01\x00\x10\x00"])
def test_a_length_is_refused_at_the_header(stray: bytes) -> None:
    server = make_server()
    tracemalloc.start()
    with pytest.raises(ProtocolError, match=f"{int.from_bytes(stray, 'little')} bytes is over the limit of 65536"):
        server.receive_data(stray + b"\x04\x00\x01\x00\x00\x00", 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000, "what was announced is at least five times that"


def test_inner_lengths_allocate_nothing() -> None:
    lie = b"\xff\xff\xff\x7f"
    attacks = [
        (2, 0x04, b"\x01\x00" + bytes(8) + lie + b"\xff\xff"),
        (2, 0x04, b"\x01\x00" + bytes(8) + b"\x0b\x00\x00\x00\xff\x7f\x01a" + lie + b"b"),
    ]
    for kind, flags, payload in attacks:
        server = make_server()
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            server.receive_data(frame(kind, flags, 1, payload), 0.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200_000, "what was announced is at least five times that"
    statuses = [b"\x05" + lie + bytes(20), b"\x05" + bytes(4) + b"\xff\x7f" + b"\x00\x00" + lie + bytes(20)]
    for payload in statuses:
        client = client_with_calls()
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            client.receive_data(frame(6, 0x40, 1, payload), 0.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200_000, "what was announced is at least five times that"
