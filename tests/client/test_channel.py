"""The life of a channel: import time, several event loops, fork, misuse, and what a handler's calls inherit."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import (
    ConfigError,
    Context,
    DeadlineExceeded,
    Unavailable,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportClient
from tests.support.probe import Probe
from tests.support.wires import SHORT_S, WIRES, connect, linked, serve

CHANNEL = connect("memory://import-time")
CLIENT = TransportClient(CHANNEL)


async def test_made_at_import_time_used_on_one_loop_after_another() -> None:
    for _ in range(2):
        async with serve([Probe()], "memory://import-time"), CHANNEL:
            assert (await CLIENT.send_message(Message(id="a"))).id == "a"


async def test_misuse_is_told_apart() -> None:
    with pytest.raises(ConfigError, match="async with connect"):
        await CLIENT.send_message(Message())
    async with CHANNEL:
        with pytest.raises(ConfigError, match="entered already"):
            await CHANNEL.__aenter__()
    with pytest.raises(ConfigError, match=r"serve\(\[service\]"):
        async with serve(Probe(), memory_endpoint()):  # type: ignore[arg-type]  # the mistake under test
            pass
    with pytest.raises(ConfigError, match="no endpoint"):
        async with serve([Probe()]):
            pass
    with pytest.raises(ConfigError, match="two services serve"):
        async with serve([Probe(), Probe()], memory_endpoint()):
            pass


async def test_an_error_of_the_body_leaves_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with serve([Probe()], memory_endpoint()) as server, connect(server.endpoints[0]) as channel:
            await TransportClient(channel).send_message(Message())
            raise ZeroDivisionError


async def test_repr_tells_the_state() -> None:
    async with serve([Probe()], memory_endpoint()) as server:
        channel = connect(server.endpoints[0])
        assert "not entered" in repr(channel)
        async with channel:
            assert "idle" in repr(channel)
            await TransportClient(channel).send_message(Message())
            assert "ready, 0 active" in repr(channel)
        assert "serving" in repr(server)


async def test_leaving_a_channel_ends_its_streams(tmp_path: Path) -> None:
    async with linked("tcp", tmp_path) as link:
        channel = connect(link.url)
        stream = TransportClient(channel).stream_events(EventRequest(node_id="linger"))
        async with channel:
            await stream.__aenter__()
            await stream.receive()
        with pytest.raises(Unavailable):
            await stream.receive()
        await link.service.cancelled.wait()


class Relay(Probe):
    """Calls another service from its handler."""

    def __init__(self, client: TransportClient) -> None:
        super().__init__()
        self.client = client

    async def send_message(self, request: Message, context: Context) -> Message:
        if request.headers.get("do") == "detached":
            return await self.client.send_message(Message(), inherit=False)
        return await self.client.send_message(request, timeout_s=100)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        async with self.client.stream_events(request) as events:
            async for event in events:
                yield event

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return await self.client.heartbeat(request)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_handlers_calls_inherit_deadline_and_trace(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with (
            linked(wire, tmp_path) as inner,
            serve([Relay(inner.client)], "memory://relay") as server,
            connect(server.endpoints[0]) as channel,
        ):
            client = TransportClient(channel)
            trace = {"traceparent": "00-1-2-03", "private": "stays"}
            await client.send_message(Message(headers={"do": "echo"}), timeout_s=50, metadata=trace)
            await client.send_message(Message(headers={"do": "detached"}), timeout_s=50, metadata=trace)
        attached, detached = inner.service.contexts
        assert attached.metadata.get("traceparent") == "00-1-2-03"
        assert attached.metadata.get("private") is None
        assert detached.metadata.get("traceparent") is None
        first, second = inner.service.remaining_s
        assert first is not None
        assert 40 < first <= 50
        assert second is None


@pytest.mark.parametrize("wire", WIRES)
async def test_an_inherited_deadline_stops_the_whole_chain(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with (
            linked(wire, tmp_path) as inner,
            serve([Relay(inner.client)], "memory://chain") as server,
            connect(server.endpoints[0]) as channel,
        ):
            for timeout_s in SHORT_S:
                with pytest.raises(DeadlineExceeded):
                    await TransportClient(channel).send_message(Message(headers={"do": "linger"}), timeout_s=timeout_s)
                if inner.service.started.is_set():
                    break
            await inner.service.cancelled.wait()


def test_a_forked_child_starts_anew(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/fork.sock"
    channel = connect(url)
    client = TransportClient(channel)

    async def parent() -> int:
        async with serve([Probe()], url), channel:
            assert (await client.send_message(Message(id="parent"))).id == "parent"
            read_end, write_end = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read_end)
                os.write(write_end, _child(channel, client))
                os._exit(0)
            os.close(write_end)
            said = await anyio.to_thread.run_sync(_said_by_child, read_end, child)
            assert said == b"child"
            return len((await client.send_message(Message(id="again"))).id)

    assert anyio.run(parent) == 5


def _said_by_child(read_end: int, child: int) -> bytes:
    with open(read_end, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def _child(channel: object, client: TransportClient) -> bytes:
    import asyncio
    import threading

    result: list[bytes] = []

    async def use() -> None:
        async with client._channel:
            result.append((await client.send_message(Message(id="child"))).id.encode())

    def run() -> None:
        # A thread of its own: the child of a fork inside a running loop still has that loop as the thread's.
        try:
            asyncio.run(use())
        except BaseException as error:  # noqa: BLE001 - whatever it was, the parent's assertion shows it
            result.append(repr(error).encode())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[-1]
