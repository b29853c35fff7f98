"""Hostile gRPC servers: each call ends in time with an error that says why, and the channel serves at another address.

What the client holds of them is bounded: the test measures its own process, in which the server does next to nothing.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable
from typing import Final

import anyio
import psutil
import pytest
from anyio.abc import SocketStream

from eventflux_runtime import RpcError, StatusCode, connect, serve
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.hostile_calls import Chunks
from tests.support.http2_frame import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INDEXED,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_BYTES,
    NEWEST,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    credit,
    frame,
    literal,
    message,
    reset,
    setting,
    settings,
)
from tests.support.http2_peer import Peer, answering, misbehaving
from tests.support.siege import MIB
from tests.support.target import Target

DEADLINE_S: Final = 1.0
SLACK_S: Final = 3.0
"""What a busy machine may add."""
GROWTH: Final = 24 * MIB
"""What a server may cost a client, loosely: 256 KiB are read at a time, answers wait up to as much (`max_reply_bytes`),
and a list of fields is read up to 16 KiB; the rest is Python's allocator."""
BATCH: Final = 100
HEAD: Final = literal(b":status", b"200") + literal(b"content-type", b"application/grpc")
OK: Final = literal(b"grpc-status", b"0")
BOMB: Final = literal(b"a", b"y" * 3900, INDEXED) + NEWEST * 12_000


def head(stream_id: int, more: bytes = b"") -> bytes:
    """The head of a response."""
    return frame(HEADERS, END_HEADERS, stream_id, HEAD + more)


def trailers(stream_id: int, more: bytes = b"") -> bytes:
    """The end of a response that went well."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream_id, OK + more)


def answer(stream_id: int) -> bytes:
    """The whole answer to a heartbeat."""
    return head(stream_id) + message(stream_id, b"") + trailers(stream_id)


# -- what servers do to a call


def settings_flood(stream_id: int) -> Chunks:
    """Each has to be acknowledged."""
    return itertools.repeat(settings() * BATCH)


def ping_flood(stream_id: int) -> Chunks:
    """Each has to be answered."""
    return itertools.repeat(frame(PING, 0, 0, bytes(8)) * BATCH)


def pong_flood(stream_id: int) -> Chunks:
    """Answers to no question."""
    return itertools.repeat(frame(PING, ACK, 0, bytes(8)) * BATCH)


def priority_flood(stream_id: int) -> Chunks:
    """What means nothing."""
    return itertools.repeat(frame(PRIORITY, 0, stream_id, bytes(5)) * BATCH)


def empty_data_flood(stream_id: int) -> Chunks:
    """A response that goes on without a byte."""
    yield head(stream_id)
    while True:
        yield frame(DATA, 0, stream_id) * BATCH


def endless_informational_heads(stream_id: int) -> Chunks:
    """A response that never begins."""
    return itertools.repeat(frame(HEADERS, END_HEADERS, stream_id, literal(b":status", b"103")) * BATCH)


def push(stream_id: int) -> Chunks:
    """What was not asked for."""
    yield frame(PUSH_PROMISE, END_HEADERS, stream_id, struct.pack(">I", 2) + HEAD)


def bomb_in_the_head(stream_id: int) -> Chunks:
    """A header of 4 KB that one byte stands for, thousands of times."""
    yield head(stream_id, BOMB)


def bomb_in_the_trailers(stream_id: int) -> Chunks:
    """The same at the end."""
    yield head(stream_id) + message(stream_id, b"") + trailers(stream_id, BOMB)


def trailers_over_the_limit(stream_id: int) -> Chunks:
    """More metadata than a client takes, and too little for a bomb."""
    yield head(stream_id) + message(stream_id, b"") + trailers(stream_id, literal(b"a", b"x" * 16_350))


def endless_header_block(stream_id: int) -> Chunks:
    """A head that never ends."""
    yield frame(HEADERS, 0, stream_id, HEAD)
    while True:
        yield frame(CONTINUATION, 0, stream_id, literal(b"a", b"x" * 8000))


def go_away(stream_id: int) -> Chunks:
    """It never runs the call."""
    yield frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))


def go_away_in_anger(stream_id: int) -> Chunks:
    """It says that we do too much."""
    yield frame(GOAWAY, 0, 0, struct.pack(">II", LARGEST_WINDOW, 11) + b"calm down")


def go_away_again_and_again(stream_id: int) -> Chunks:
    """It leaves, and does not."""
    return itertools.repeat(frame(GOAWAY, 0, 0, struct.pack(">II", LARGEST_WINDOW, 0)) * BATCH)


def reset_refused(stream_id: int) -> Chunks:
    """It does not want the call."""
    yield reset(stream_id, 7)


def reset_with_a_code_of_nobody(stream_id: int) -> Chunks:
    """It does not say why."""
    yield reset(stream_id, 0xDEADBEEF)


def resets_without_end(stream_id: int) -> Chunks:
    """It says so again and again."""
    return itertools.repeat(reset(stream_id) * BATCH)


def data_ahead_of_the_head(stream_id: int) -> Chunks:
    """A message before the response has begun."""
    yield message(stream_id, b"")


def a_message_over_the_limit(stream_id: int) -> Chunks:
    """It says that more follows than may."""
    yield head(stream_id) + frame(DATA, 0, stream_id, b"\0\x7f\xff\xff\xff")


def too_much_credit(stream_id: int) -> Chunks:
    """A window that is larger than can be."""
    yield credit(0, LARGEST_WINDOW)


def garbage(stream_id: int) -> Chunks:
    """Nothing that means anything."""
    return itertools.repeat(b"\xff" * 10_000)


def nothing(stream_id: int) -> Chunks:
    """No answer."""
    yield from ()


def half_an_answer(stream_id: int) -> Chunks:
    """The end is missing."""
    yield head(stream_id) + message(stream_id, b"")


CODES: Final[dict[Callable[[int], Chunks], StatusCode]] = {
    settings_flood: StatusCode.UNAVAILABLE,
    ping_flood: StatusCode.UNAVAILABLE,
    pong_flood: StatusCode.UNAVAILABLE,
    priority_flood: StatusCode.UNAVAILABLE,
    empty_data_flood: StatusCode.UNAVAILABLE,
    endless_informational_heads: StatusCode.UNAVAILABLE,
    push: StatusCode.UNAVAILABLE,
    bomb_in_the_head: StatusCode.UNAVAILABLE,
    bomb_in_the_trailers: StatusCode.UNAVAILABLE,
    trailers_over_the_limit: StatusCode.RESOURCE_EXHAUSTED,
    endless_header_block: StatusCode.UNAVAILABLE,
    go_away: StatusCode.UNAVAILABLE,
    go_away_in_anger: StatusCode.DEADLINE_EXCEEDED,
    go_away_again_and_again: StatusCode.UNAVAILABLE,
    reset_refused: StatusCode.UNAVAILABLE,
    reset_with_a_code_of_nobody: StatusCode.INTERNAL,
    resets_without_end: StatusCode.CANCELLED,
    data_ahead_of_the_head: StatusCode.INTERNAL,
    a_message_over_the_limit: StatusCode.RESOURCE_EXHAUSTED,
    too_much_credit: StatusCode.UNAVAILABLE,
    garbage: StatusCode.UNAVAILABLE,
    nothing: StatusCode.DEADLINE_EXCEEDED,
    half_an_answer: StatusCode.DEADLINE_EXCEEDED,
}


async def send_all(peer: Peer, chunks: Chunks) -> None:
    """Until the client closes, or 64 MiB were sent."""
    sent = 0
    for chunk in chunks:
        await peer.stream.send(chunk)
        sent += len(chunk)
        if sent > 64 * MIB:
            return


def private_bytes() -> int:
    """This process's memory without the pages of files."""
    memory = psutil.Process(os.getpid()).memory_info()
    return int(memory.rss - memory.shared)


@pytest.mark.parametrize("act", list(CODES), ids=lambda act: act.__name__)
async def test_a_call_ends_in_time_and_the_channel_goes_on(act: Callable[[int], Chunks]) -> None:
    async def on_call(peer: Peer, stream_id: int) -> None:
        await send_all(peer, act(stream_id))

    before = private_bytes()
    with anyio.fail_after(30):
        async with misbehaving(on_call, "grpc") as bad, serve([Target()], "grpc://127.0.0.1:0") as good:
            async with connect(bad) as channel:
                began = anyio.current_time()
                with pytest.raises(RpcError) as caught:
                    await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=DEADLINE_S)
                took_s = anyio.current_time() - began
            answers, failures = 0, 0
            async with connect([bad, good.endpoints[0]]) as channel:
                while not answers or not failures:
                    try:
                        await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=0.3)
                    except RpcError:
                        failures += 1
                    else:
                        answers += 1
                    if answers > 20:
                        break  # the hostile address is left out by now
    print(f"{act.__name__}: {caught.value.code.name}: {caught.value}; {took_s:.2f} s, {private_bytes() - before}")
    assert caught.value.code is CODES[act]
    assert caught.value.message
    assert took_s < DEADLINE_S + SLACK_S
    assert answers
    assert private_bytes() - before < GROWTH


# -- what is allowed, and not nice


async def answer_at_once(peer: Peer, stream_id: int) -> None:
    """As a good server."""
    await peer.stream.send(answer(stream_id))


async def test_a_server_that_first_allows_no_call_and_then_some() -> None:
    peers: list[Peer] = []

    async def closed(stream: SocketStream) -> None:
        peers.append(Peer(stream, answer_at_once))
        await peers[-1].serve(setting(MAX_CONCURRENT_STREAMS, 0))

    with anyio.fail_after(20):
        async with answering(closed) as port, connect(f"grpc://127.0.0.1:{port}") as channel:
            async with anyio.create_task_group() as tasks:
                client = TransportClient(channel)
                answered = 0

                async def call() -> None:
                    nonlocal answered
                    await client.heartbeat(HeartbeatRequest(), timeout_s=15)
                    answered += 1

                for _ in range(10):
                    tasks.start_soon(call)
                await anyio.sleep(0.3)  # nothing is to happen meanwhile
                assert answered == 0
                for peer in peers:
                    await peer.stream.send(settings((MAX_CONCURRENT_STREAMS, 100)))
            assert answered == 10


async def test_who_waits_for_a_server_that_allows_no_call_is_told_in_time() -> None:
    async def closed(stream: SocketStream) -> None:
        await Peer(stream, answer_at_once).serve(setting(MAX_CONCURRENT_STREAMS, 0))

    with anyio.fail_after(20):
        async with answering(closed) as port, connect(f"grpc://127.0.0.1:{port}") as channel:
            with pytest.raises(RpcError) as caught:
                await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=0.5)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


async def test_a_window_that_shrinks_below_nothing_and_opens_again() -> None:
    size = 200_000

    async def shrink(stream: SocketStream) -> None:
        peer = Peer(stream, answer_at_once)
        await peer.greet()
        received, is_ended, has_shrunk, stream_id = 0, False, False, 0
        while not is_ended:
            kind, flags, stream_id, payload = await peer.receive()
            if kind == DATA:
                received += len(payload)
                is_ended = flags & END_STREAM != 0
            if received == DEFAULT_WINDOW and not has_shrunk:
                has_shrunk = True
                await stream.send(settings((INITIAL_WINDOW_SIZE, 10)) + credit(0, size))
                for _ in range(10):
                    await stream.send(credit(stream_id, size // 10))
                await stream.send(settings((INITIAL_WINDOW_SIZE, 0)) + credit(stream_id, DEFAULT_WINDOW))
        await stream.send(answer(stream_id))
        await stream.receive()

    with anyio.fail_after(20):
        async with answering(shrink) as port, connect(f"grpc://127.0.0.1:{port}") as channel:
            reply = await TransportClient(channel).send_message(Message(payload=bytes(size)), timeout_s=10)
    assert reply == Message()


async def test_more_than_the_window_ends_the_connection() -> None:
    async def on_call(peer: Peer, stream_id: int) -> None:
        await peer.stream.send(head(stream_id) + message(stream_id, b""))
        while True:
            await peer.stream.send(message(stream_id, bytes(MAX_FRAME_BYTES - 5)))

    with anyio.fail_after(20):
        async with (
            misbehaving(on_call, "grpc") as url,
            connect(url) as channel,
            TransportClient(channel).stream_messages() as stream,
        ):
            assert await stream.receive() == Message()
            await anyio.sleep(0.1)  # nobody takes the rest
            with pytest.raises(RpcError, match="overran its window") as caught:
                while True:
                    await stream.receive()
    assert caught.value.code is StatusCode.UNAVAILABLE


async def test_small_messages_that_nobody_takes_stay_small() -> None:
    # A message takes five bytes of a window, and hundreds as an object: a client keeps it as it came.
    count = 60_000
    part = bytes(MAX_FRAME_BYTES // 5 * 5)
    sent = anyio.Event()

    async def on_call(peer: Peer, stream_id: int) -> None:
        await peer.stream.send(head(stream_id))
        for _ in range(count * 5 // len(part)):
            await peer.stream.send(frame(DATA, 0, stream_id, part))
            await anyio.sleep(0.01)  # until the client has given credit
        sent.set()

    with anyio.fail_after(30):
        async with (
            misbehaving(on_call, "grpc") as url,
            connect(url) as channel,
            TransportClient(channel).stream_messages() as stream,
        ):
            before = private_bytes()
            await sent.wait()
            await anyio.sleep(0.2)
            grown = private_bytes() - before
            assert await stream.receive() == Message()
    assert grown < 8 * MIB
