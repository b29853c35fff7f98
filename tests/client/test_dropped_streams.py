"""A stream that is dropped without being left is cancelled on the server, at once, and warned of."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ServerConfig
from eventflux_transport import EventRequest, HeartbeatRequest, Message
from tests.support.wires import WIRES, Link, linked

FOREVER = EventRequest(node_id="forever")
CONFIG = ServerConfig(drain_grace_s=0)


@contextmanager
def warned(method: str) -> Iterator[None]:
    """The collector is off: nothing but a count of references that falls to zero may end the stream."""
    gc.collect()
    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match=f"a stream of /eventflux.transport.Transport/{method} was dropped"):
            yield
    finally:
        gc.enable()


async def half_read(link: Link) -> None:
    async for _ in link.client.stream_events(FOREVER):
        break


async def forgotten(link: Link) -> None:
    stream = await link.client.stream_events(FOREVER).__aenter__()
    await stream.receive()


async def forgotten_bidi(link: Link) -> None:
    stream = await link.client.stream_messages().__aenter__()
    await stream.send(Message())
    await stream.receive()


async def in_a_loop_that_fails(link: Link) -> None:
    with pytest.raises(ZeroDivisionError):
        async for _ in link.client.stream_events(FOREVER):
            raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("use", [half_read, forgotten, forgotten_bidi, in_a_loop_that_fails])
async def test_a_dropped_stream_is_cancelled_and_warned_of(wire: str, use: Any, tmp_path: Path) -> None:
    method = "StreamMessages" if use is forgotten_bidi else "StreamEvents"
    async with linked(wire, tmp_path, server_config=CONFIG) as link:
        with anyio.fail_after(20):
            with warned(method):
                await use(link)
            await link.service.cancelled.wait()
            assert (await link.client.heartbeat(HeartbeatRequest(timestamp=7))).server_timestamp == 7


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_that_another_thread_collects_is_cancelled(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, server_config=CONFIG) as link:
        with anyio.fail_after(20):
            held = [await link.client.stream_events(FOREVER).__aenter__()]
            await held[0].receive()
            with warned("StreamEvents"):
                thread = threading.Thread(target=held.clear)
                thread.start()
                thread.join()
            await link.service.cancelled.wait()


async def to_its_end(link: Link) -> None:
    messages = [message.id async for message in link.client.stream_events(EventRequest(batch_size=3))]
    assert messages == ["0", "1", "2"]


async def to_its_end_entered(link: Link) -> None:
    async with link.client.stream_events(EventRequest(batch_size=3)) as stream:
        assert len([message async for message in stream]) == 3


async def left_early(link: Link) -> None:
    async with link.client.stream_events(FOREVER) as stream:
        async for _ in stream:
            break


async def closed(link: Link) -> None:
    async with aclosing(link.client.stream_events(FOREVER)) as stream:
        async for _ in stream:
            break


async def cancelled(link: Link) -> None:
    stream = await link.client.stream_events(FOREVER).__aenter__()
    stream.cancel()


async def never_started(link: Link) -> None:
    link.client.stream_events(FOREVER)


async def cancelled_in_the_loop(link: Link) -> None:
    with anyio.move_on_after(0.05):
        async for message in link.client.stream_events(EventRequest(node_id="linger")):
            assert message.id == "first"


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "use", [to_its_end, to_its_end_entered, left_early, closed, cancelled, never_started, cancelled_in_the_loop]
)
async def test_a_stream_that_is_left_is_not_warned_of(wire: str, use: Any, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, server_config=CONFIG) as link:
        with anyio.fail_after(20), warnings.catch_warnings():
            warnings.simplefilter("error")
            await use(link)
            gc.collect()


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_is_in_no_cycle(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, server_config=CONFIG) as link:
        with anyio.fail_after(20):
            async with link.client.stream_events(FOREVER) as stream:
                await stream.receive()
            gc.disable()
            try:
                seen = weakref.ref(stream)
                del stream
                assert seen() is None
            finally:
                gc.enable()


async def consumed(messages: AsyncIterator[Message]) -> int:
    return len([message async for message in messages])


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_is_an_iterator_for_whoever_takes_one(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, server_config=CONFIG) as link:
        with anyio.fail_after(20):
            assert await consumed(aiter(link.client.stream_events(EventRequest(batch_size=4)))) == 4
