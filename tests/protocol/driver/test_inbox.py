"""What arrives ahead of the application: in its order, once each, and no larger than it was on the wire."""

from __future__ import annotations

import tracemalloc
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.protocol.core.event import MessageReceived
from eventflux_runtime.protocol.driver.decoding import PackedMessage
from eventflux_runtime.protocol.driver.inbox import Inbox
from eventflux_runtime.protocol.driver.reserve import Reserve
from eventflux_runtime.rpc.errors import CodecError

LIMIT = 1 << 20
ROOM = 16 * 1024


def decode(data: bytes, start: int, end: int) -> bytes:
    """Refuses what begins with an exclamation mark."""
    if data[start : start + 1] == b"!":
        raise CodecError("as asked")
    return data[start:end]


def arrival(message: bytes, compression_id: int = 0) -> MessageReceived:
    """A message within a chunk that holds more."""
    return MessageReceived(1, b"<" + message + b">", 1, 1 + len(message), compression_id, False)


def text(message: Any) -> Any:
    """What can be compared."""
    return type(message) if isinstance(message, (CodecError, PackedMessage)) else message


def expected(message: bytes, compression_id: int) -> Any:
    if compression_id:
        return PackedMessage
    return CodecError if message[:1] == b"!" else message


MESSAGES = st.tuples(st.sampled_from([b"", b"x", b"!", b"y" * 300, b"z" * 9000]), st.sampled_from([0, 0, 3]))


@given(st.lists(st.one_of(MESSAGES, st.integers(1, 40)), max_size=200))
def test_a_reserve_gives_back_what_it_was_given(steps: list[tuple[bytes, int] | int]) -> None:
    reserve, kept = Reserve(decode, LIMIT), list[tuple[bytes, int]]()
    for step in steps:
        if isinstance(step, tuple):
            reserve.put(arrival(*step))
            kept.append(step)
            continue
        for _ in range(min(step, len(kept))):
            message, size = reserve.take()
            first = kept.pop(0)
            assert (text(message), size) == (expected(*first), len(first[0]))
        assert reserve.is_empty == (not kept)


@pytest.mark.parametrize("size", [0, 10, 1000, 50_000])
async def test_messages_keep_their_order_however_many_are_ahead(size: int) -> None:
    async with open_reactor() as reactor:
        inbox = Inbox(reactor)
        inbox.put(b"first", 5)
        sent = [b"%06d" % number + bytes(size) for number in range(300)]
        got: list[Any] = []
        for number, message in enumerate(sent):
            inbox.arrived(arrival(message), decode, LIMIT, ROOM)
            if number % 3 == 0:
                got.append(await inbox.get())
        inbox.put(b"last", 4)
        inbox.end(None)
        with pytest.raises(anyio.EndOfStream):
            while True:
                got.append(await inbox.get())
    assert got == [(b"first", ~5), *((message, len(message)) for message in sent), (b"last", ~4)]


async def test_who_waits_gets_the_first() -> None:
    async with open_reactor() as reactor, anyio.create_task_group() as tasks:
        inbox = Inbox(reactor)
        got: list[Any] = []

        async def take() -> None:
            for _ in range(200):
                got.append(await inbox.get())

        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        for number in range(200):
            inbox.arrived(arrival(b"%d" % number), decode, LIMIT, ROOM)
    assert [message for message, _ in got] == [b"%d" % number for number in range(200)]


@pytest.mark.slow
async def test_small_messages_take_what_they_took_on_the_wire() -> None:
    async with open_reactor() as reactor:
        inbox = Inbox(reactor)
        event = arrival(b"")

        def many() -> None:
            for _ in range(100_000):
                inbox.arrived(event, lambda *_: {"a": "large object"}, LIMIT, ROOM)

        tracemalloc.start()
        try:
            many()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 100_000 * 6 + 50_000
        assert inbox.clear()
        assert not inbox.clear()


async def test_what_is_decoded_ahead_is_bounded_by_its_bytes_too() -> None:
    async with open_reactor() as reactor:
        inbox = Inbox(reactor)
        decoded: list[int] = []
        for _ in range(100):
            inbox.arrived(arrival(bytes(5000)), lambda *_: decoded.append(1), LIMIT, ROOM)
        assert len(decoded) == 3
        for taken in range(10):
            await inbox.get()
            assert len(decoded) == max(3, taken + 1)
        inbox.clear()
        inbox.arrived(arrival(b""), lambda *_: decoded.append(1), LIMIT, ROOM)
        assert len(decoded) == 11
