"""Whatever a peer sends, it is understood or raises ProtocolError: no other error, and no bytes for ever."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.event import Event, MessageReceived
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from tests.support.http2_pair import (
    OK_TRAILERS,
    PREFACE,
    REQUEST,
    RESPONSE,
    block,
    frame,
    make_client,
    make_server,
    new_client,
    open_call,
    prefixed,
    settings,
    write,
)

Machine = ClientMachine | ServerMachine

LIMITS = Settings(compressions=(4, 3), max_message_bytes=50_000)
KINDS = st.one_of(st.integers(0, 10), st.integers(0, 255))
FLAGS = st.one_of(st.sampled_from([0, 1, 4, 5, 8, 9, 0x20, 0x25, 0x2D]), st.integers(0, 255))
STREAMS = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
PIECES = st.sampled_from(
    [
        block(REQUEST),
        block([*REQUEST, ("grpc-encoding", "gzip"), ("grpc-timeout", "1S")]),
        block(RESPONSE),
        block(OK_TRAILERS),
        block([*RESPONSE, *OK_TRAILERS]),
        block([(":status", "103")]),
        prefixed(b"message"),
        prefixed(b"packed", 1),
        prefixed(b"x" * 60_000)[:40],
        b"\0\0",
        b"\0\0\0\4",
        b"\0\0\0\5hello",
        bytes(5),
        bytes(8),
        b"\0\4\0\0\0\1",
        b"\0\4\x7f\xff\xff\xff",
        b"\0\3\0\0\0\0",
        b"\0\1\0\0\0\0",
        b"\xff\xff\xff\xff",
    ]
)
PAYLOADS = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=4).map(b"".join))
FRAMES = st.lists(st.builds(frame, KINDS, FLAGS, STREAMS, PAYLOADS), max_size=14).map(b"".join)


def respond(machine: Machine, events: list[Event]) -> None:
    """What a program does with what came: takes messages, answers calls."""
    for event in events:
        if isinstance(event, MessageReceived):
            machine.consumed(event.stream_id, event.end - event.start)
        elif isinstance(event, RequestOpened) and isinstance(machine, ServerMachine):
            if event.stream_id % 3 == 0:
                machine.send_status(event.stream_id, OK_STATUS, b"answer" * 5000, write)
            elif event.stream_id % 3 == 1:
                machine.send_message(event.stream_id, b"x" * 50_000 if event.end_stream else b"x", write)


def feed(machine: Machine, data: bytes, step: int, at_most: int) -> None:
    """Sends data in steps, then ends; anything but ProtocolError is let out."""
    with contextlib.suppress(ProtocolError):
        for start in range(0, len(data), step):
            events = machine.receive_data(data[start : start + step], 0.0, at_most)
            respond(machine, events)
            while machine.has_unread:
                respond(machine, machine.receive_data(b"", 0.0, at_most))
        machine.receive_eof(0.0)
    assert machine.is_closed
    assert len(machine.data_to_send()) < 2_000_000
    assert not machine.has_output


def client_with_calls() -> ClientMachine:
    """A client with calls in every state in which a frame may reach them."""
    client = make_client(LIMITS)
    open_call(client, b"x", end=True)
    open_call(client)
    open_call(client, bytes(40_000))
    open_call(client, bytes(49_000))
    client.reset(open_call(client), StatusCode.CANCELLED)
    client.half_close(3)
    return client


def conversation() -> tuple[bytes, bytes]:
    """What a client and a server said to each other: calls of several kinds, drained in the end."""
    client, server = new_client(LIMITS), ServerMachine(LIMITS, now=0.0)
    to_server = to_client = b""

    def settle() -> None:
        nonlocal to_server, to_client
        while client.has_output or server.has_output:
            sent = client.data_to_send()
            to_server += sent
            respond(server, server.receive_data(sent, 0.0))
            sent = server.data_to_send()
            to_client += sent
            respond(client, client.receive_data(sent, 0.0))

    settle()
    for size in (10, 40_000, 0):
        open_call(client, bytes(size), end=True, metadata=Metadata([("k", "v"), ("raw-bin", b"\0\xff")]))
        settle()
    stream_id = open_call(client)
    client.send_message(stream_id, b"more", write, True)
    settle()
    server.send_status(stream_id, Status(StatusCode.ABORTED, "why not", (), Metadata([("t", "1")])))
    server.drain("bye")
    settle()
    return to_server, to_client


TO_SERVER, TO_CLIENT = conversation()
STEPS = st.sampled_from([1, 2, 7, 100, 100_000])
AT_MOST = st.sampled_from([1, 2, 1 << 30])


@given(st.binary(max_size=200), STEPS)
def test_random_bytes(data: bytes, step: int) -> None:
    feed(ServerMachine(LIMITS, now=0.0), data, step, 100)
    feed(ServerMachine(LIMITS, now=0.0), PREFACE + data, step, 100)
    feed(new_client(LIMITS), data, step, 100)
    feed(make_server(LIMITS), data, step, 100)


@given(FRAMES, STEPS, AT_MOST)
def test_random_frames_to_a_server(data: bytes, step: int, at_most: int) -> None:
    feed(make_server(LIMITS), data, step, at_most)


@given(FRAMES, STEPS, AT_MOST)
def test_random_frames_to_a_client(data: bytes, step: int, at_most: int) -> None:
    feed(client_with_calls(), data, step, at_most)


@given(st.data(), STEPS, AT_MOST)
def test_mutated_conversations(data: st.DataObject, step: int, at_most: int) -> None:
    feed(ServerMachine(LIMITS, now=0.0), mutated(data, TO_SERVER), max(step, 7), at_most)
    feed(client_with_calls(), mutated(data, settings() + TO_CLIENT), max(step, 7), at_most)


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
