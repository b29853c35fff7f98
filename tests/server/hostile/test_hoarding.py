"""Clients that make a gRPC server hold on to as much as they can, within the rules: it holds what its limits say.

See `tests.support.siege.besieged` for what is checked behind each. The bounds follow from the limits that each test
sets; where Python's objects are larger than what is on the wire, the factor is named.
"""

from __future__ import annotations

import gzip
import itertools
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import pytest
import zstandard
from anyio.to_thread import run_sync

from eventflux_transport import Message
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE
from tests.support.hostile_calls import BEAT, EVENTS, LINGER, MESSAGES, Chunks, batches, call, events, opened, streams
from tests.support.hostile_client import HostileClient, Outcome
from tests.support.http2_frame import (
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    END_STREAM,
    HEADERS,
    INDEXED,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_FRAME_BYTES,
    NEWEST,
    PING,
    credit,
    frame,
    literal,
    message,
    request_block,
)
from tests.support.siege import BASE_GROWTH, MIB, Besiege

LOOPS: Final = ["asyncio", "uvloop", "trio"]
KIB: Final = 1024
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR = 1, 3, 6
REFUSED: Final = 7
IMPATIENT: Final = {"keepalive": [0.3, 0.5], "handshake_timeout_s": 0.5}
CALLS: Final = 100


def attacked(
    url: str,
    chunks: Chunks,
    *parameters: tuple[int, int],
    most_s: float = 2.0,
    until: Callable[[Outcome], bool] | None = None,
) -> Outcome:
    """What becomes of an attack on a connection that is left open for a moment behind it.

    Args:
        url: of the server.
        chunks: what is sent.
        parameters: of the client's SETTINGS.
        most_s: how long it may take to send them.
        until: when the server has done all that is asked of its handlers, which a busy machine does later.
    """
    with HostileClient(url, *parameters) as client:
        client.attack(chunks, most_s=most_s)
        client.settle()
        if until is not None:
            client.listen(10.0, until)
        return client.listen(0.2)


# -- answers that are not taken


def calls_for_events(count: int, size: int) -> bytes:
    """Calls that are answered by messages of a size."""
    return b"".join(call(stream_id, EVENTS, events(size)) for stream_id in streams(count))


@pytest.mark.parametrize("loop", LOOPS)
async def test_windows_that_stay_closed(loop: str, besiege: Besiege) -> None:
    # Each call holds one message that waits, as the handler made it and as it is to be sent.
    growth = BASE_GROWTH + 2 * CALLS * 128 * KIB
    async with besiege(loop, growth=growth, max_calls_per_connection=CALLS) as siege:
        chunks = iter([calls_for_events(2 * CALLS, 128 * KIB)])
        outcome = await run_sync(lambda: attacked(siege.url, chunks, (INITIAL_WINDOW_SIZE, 0)))
    assert not outcome.is_closed
    assert outcome.data_bytes == 0
    assert outcome.resets == [REFUSED] * CALLS


async def test_windows_that_open_a_byte_at_a_time(besiege: Besiege) -> None:
    def opening() -> Chunks:
        yield calls_for_events(CALLS, 128 * KIB)
        for _ in range(100):
            yield b"".join(credit(stream_id, 1) for stream_id in streams(CALLS))

    growth = BASE_GROWTH + 2 * CALLS * 128 * KIB
    async with besiege(growth=growth, max_calls_per_connection=CALLS) as siege:
        outcome = await run_sync(
            lambda: attacked(
                siege.url,
                opening(),
                (INITIAL_WINDOW_SIZE, 0),
                until=lambda outcome: outcome.data_bytes >= 100 * CALLS,
            )
        )
    assert not outcome.is_closed
    assert outcome.data_bytes == 100 * CALLS


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_client_that_takes_nothing_from_its_socket(loop: str, besiege: Besiege) -> None:
    # What waits for a client is bounded by when its pipe is congested, and a message of each call beyond that: as the
    # handler made it, as it was encoded, and as it is to be sent, in buffers that are larger than it.
    growth = BASE_GROWTH + 5 * CALLS * 64 * KIB
    async with besiege(loop, growth=growth, **IMPATIENT) as siege:
        files = siege.files()
        chunks = iter([credit(0, LARGEST_WINDOW - DEFAULT_WINDOW) + calls_for_events(CALLS, 64 * KIB)])
        with await run_sync(lambda: HostileClient(siege.url, (INITIAL_WINDOW_SIZE, LARGEST_WINDOW))) as client:
            await run_sync(lambda: client.attack(chunks, reads=False))
            await siege.has_files(files)


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
async def test_small_answers_that_nobody_reads(loop: str, besiege: Besiege) -> None:
    # Flow control does not count them: the server stops reading once 1 MiB of them waits.
    unknown = LINGER.replace(b"SendMessage", b"SendNothing")  # and each is answered by a hundred bytes
    async with besiege(loop, growth=BASE_GROWTH) as siege:
        with await run_sync(HostileClient, siege.url) as client:
            chunks = batches(lambda stream_id: call(stream_id, unknown))
            outcome = await run_sync(lambda: client.attack(chunks, reads=False, most_s=10.0))
            assert not outcome.is_closed
    assert outcome.sent < 32 * MIB  # which is not all that there was: it stopped to read


# -- requests that do not end


@pytest.mark.parametrize("loop", LOOPS)
async def test_bodies_that_come_byte_by_byte(loop: str, besiege: Besiege) -> None:
    def trickle() -> Chunks:
        yield b"".join(opened(stream_id) for stream_id in streams(CALLS))
        for byte in b"\0\x03\xff\xff\xff" + b"x" * 10:  # the beginning of a message of 64 MiB
            yield b"".join(frame(DATA, 0, stream_id, bytes([byte])) for stream_id in streams(CALLS))
            time.sleep(0.03)

    async with besiege(loop, growth=BASE_GROWTH) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, trickle()))
    assert not outcome.is_closed
    assert outcome.resets == []


async def test_more_than_the_window_ends_the_connection(besiege: Besiege) -> None:
    # A message that nobody takes lies ahead of it, so nothing is lent to the one that does not end.
    def overrun() -> Chunks:
        yield opened(1, 0, MESSAGES) + message(1, b"") + message(1, bytes(2)) + frame(DATA, 0, 1, b"\0\0\x0f\xff\xff")
        while True:
            yield frame(DATA, 0, 1, bytes(MAX_FRAME_BYTES))

    async with besiege(growth=BASE_GROWTH) as siege:
        with await run_sync(HostileClient, siege.url, (INITIAL_WINDOW_SIZE, 0)) as client:
            await run_sync(client.attack, overrun())
            outcome = await run_sync(client.listen, 10.0)
    assert outcome.is_closed
    assert [code for code, _ in outcome.goaways] == [FLOW_CONTROL_ERROR]


async def test_messages_that_stay_in_parts_fill_the_window_and_no_more(besiege: Besiege) -> None:
    # The first window of each stream, whose bytes stand in a buffer that has room to grow.
    growth = BASE_GROWTH + 2 * CALLS * DEFAULT_WINDOW

    def begin() -> Chunks:
        for stream_id in streams(CALLS):
            parts = [frame(DATA, 0, stream_id, bytes(size)) for size in (MAX_FRAME_BYTES,) * 3 + (MAX_FRAME_BYTES - 6,)]
            yield opened(stream_id) + frame(DATA, 0, stream_id, b"\0\x03\xff\xff\xff") + b"".join(parts)

    async with besiege(growth=growth, max_calls_per_connection=CALLS) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, begin()))
    assert not outcome.is_closed


async def test_a_long_message_in_parts_goes_with_its_connection(besiege: Besiege) -> None:
    # One message of the greatest length, twice while its buffer grows.
    most = 16 * MIB

    def begin_and_break() -> Chunks:
        yield opened(1) + frame(DATA, 0, 1, b"\0" + struct.pack(">I", most))
        for _ in range(most // MAX_FRAME_BYTES - 1):
            yield frame(DATA, 0, 1, bytes(MAX_FRAME_BYTES))
        yield frame(PING, 0, 0, b"short")

    def attack(url: str) -> Outcome:
        with HostileClient(url) as client:
            client.attack(begin_and_break())
            return client.listen(10.0)

    async with besiege(growth=BASE_GROWTH + 2 * most, max_message_bytes=most) as siege:
        for _ in range(6):
            outcome = await run_sync(attack, siege.url)
            assert outcome.is_closed
            assert [code for code, _ in outcome.goaways] == [FRAME_SIZE_ERROR]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
async def test_small_messages_that_nobody_takes(loop: str, besiege: Besiege) -> None:
    # An empty message takes five bytes of a window, and hundreds as an object: only a few may be objects at a time.
    calls = 150
    part = bytes(MAX_FRAME_BYTES // 5 * 5)

    def pile() -> Chunks:
        for stream_id in streams(calls):
            yield opened(stream_id, 0, MESSAGES) + frame(DATA, 0, stream_id, part)

    growth = BASE_GROWTH + 4 * calls * MAX_FRAME_BYTES
    async with besiege(loop, growth=growth) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, pile(), (INITIAL_WINDOW_SIZE, 0)))
    assert not outcome.is_closed


async def test_a_header_block_that_comes_byte_by_byte(besiege: Besiege) -> None:
    def trickle() -> Chunks:
        yield frame(HEADERS, 0, 1, LINGER) + frame(CONTINUATION, 0, 1, bytes(1000))[:9]
        while True:
            yield b"x"
            time.sleep(0.02)

    async with besiege(growth=BASE_GROWTH, **IMPATIENT) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, trickle(), most_s=5.0))
    assert outcome.is_closed
    assert [code for code, _ in outcome.goaways] == [PROTOCOL_ERROR]


async def test_hundreds_of_connections_with_a_begun_header_block(besiege: Besiege) -> None:
    # Each: what it sent, twice while it is put together, and its objects.
    connections = 300
    growth = BASE_GROWTH + connections * (2 * MAX_FRAME_BYTES + 64 * KIB)
    block = LINGER + literal(b"a", b"x" * 15_000)

    def open_all(stack: ExitStack, url: str) -> list[HostileClient]:
        clients = [stack.enter_context(HostileClient(url)) for _ in range(connections)]
        for client in clients:
            client.attack(iter([frame(HEADERS, 0, 1, block)]), reads=False)
        return clients

    # Long enough that a busy machine opens them all before the first is given up.
    async with besiege(growth=growth, keepalive=[1.5, 0.5], handshake_timeout_s=2.0) as siege:
        files = siege.files()
        with ExitStack() as stack:
            await run_sync(open_all, stack, siege.url)
            assert siege.files() > files + connections // 2
            await siege.has_files(files)  # they answer no ping


# -- what is small on the wire


async def test_large_lists_of_fields_that_a_few_bytes_stand_for(besiege: Besiege) -> None:
    # 1,000 calls with 16 KiB of fields each, as HTTP/2 counts them: as Python's strings they are five times as large.
    fields = 300
    growth = BASE_GROWTH + 5 * 1000 * 16 * KIB

    def calls() -> Chunks:
        first = LINGER + literal(b"some-key", b"value", INDEXED)
        for number, stream_id in enumerate(streams(1000)):
            other = literal(b"number", b"%d" % number)  # makes each block one that was not seen before
            block = (first if not number else LINGER) + NEWEST * fields + other
            yield opened(stream_id, 0, block) + message(stream_id, b"", flags=END_STREAM)

    async with besiege(growth=growth) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, calls(), most_s=5.0))
    assert not outcome.is_closed
    assert outcome.statuses == []


async def test_a_table_that_changes_with_each_call(besiege: Besiege) -> None:
    calls = 2000

    def thrash() -> Chunks:
        for number, stream_id in enumerate(streams(calls)):
            entry = literal(b"key-%d" % number, b"x" * 1000, INDEXED)
            yield opened(stream_id, 0, BEAT + entry) + message(stream_id, b"", flags=END_STREAM)

    async with besiege(growth=BASE_GROWTH) as siege:
        outcome = await run_sync(
            lambda: attacked(siege.url, thrash(), most_s=10.0, until=lambda outcome: len(outcome.statuses) >= calls)
        )
    assert not outcome.is_closed
    assert outcome.statuses == ["0"] * calls


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zstandardized(data: bytes) -> bytes:
    return zstandard.compress(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pack"), [(b"gzip", zipped), pytest.param(b"zstd", zstandardized, marks=pytest.mark.long)]
)
async def test_messages_that_expand(name: bytes, pack: Callable[[bytes], bytes], besiege: Besiege) -> None:
    # Four messages of 1.75 MiB are what one connection may hold expanded, and decoding copies each once more.
    held, per_message = 8 * MIB, 2 * MIB
    options = {"max_decompressed_bytes_per_connection": held, "max_message_bytes": per_message}
    to_protobuf = TRANSPORT_SEND_MESSAGE.request.to_protobuf
    fits, beyond = (pack(to_protobuf(Message(payload=bytes(size)))) for size in (7 * MIB // 4, 12 * MIB))
    block = request_block(TRANSPORT_SEND_MESSAGE, (b"grpc-encoding", name))

    def bombs() -> Chunks:
        for stream_id, data in zip(streams(20), itertools.cycle([fits, beyond]), strict=False):
            yield from in_frames(stream_id, b"\x01" + struct.pack(">I", len(data)) + data)

    def in_frames(stream_id: int, data: bytes) -> Chunks:
        yield opened(stream_id, 0, block)
        for position in range(0, len(data), MAX_FRAME_BYTES):
            is_last = position + MAX_FRAME_BYTES >= len(data)
            part = data[position : position + MAX_FRAME_BYTES]
            yield frame(DATA, END_STREAM if is_last else 0, stream_id, part)

    async with besiege(growth=BASE_GROWTH + 2 * held + 2 * per_message, **options) as siege:
        outcome = await run_sync(
            lambda: attacked(siege.url, bombs(), most_s=10.0, until=lambda outcome: len(outcome.statuses) >= 16)
        )
    assert not outcome.is_closed
    assert set(outcome.statuses) == {"8"}
    assert len(outcome.statuses) == 16
