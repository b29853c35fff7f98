"""The state behind the health service: what watchers see of it, and the order of a drain."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest

from eventflux_runtime import ClientConfig, Server, ServerConfig, ServingStatus
from eventflux_runtime.health.board import Health
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher
from eventflux_runtime.rpc.endpoint import Endpoint, parse_endpoint
from eventflux_runtime.rpc.stats import EndpointStats
from eventflux_runtime.server.dispatch import ServiceDispatcher

pytestmark = pytest.mark.usefixtures("anyio_backend")

SERVING, NOT_SERVING = ServingStatus.SERVING, ServingStatus.NOT_SERVING


async def test_a_slow_watcher_sees_the_latest_and_no_more() -> None:
    health = Health(["a"])
    async with aclosing(health.watch("a")) as statuses:
        assert await anext(statuses) is SERVING
        for _ in range(1000):
            health.set("a", NOT_SERVING)
            health.set("a", SERVING)
        health.set("a", NOT_SERVING)
        assert await anext(statuses) is NOT_SERVING
        health.close()
        with pytest.raises(StopAsyncIteration):
            await anext(statuses)


async def test_a_watcher_that_comes_after_the_end_is_told_so() -> None:
    health = Health(["a"])
    health.close()
    assert [status async for status in health.watch("a")] == [NOT_SERVING]
    assert [status async for status in health.watch("b")] == [ServingStatus.SERVICE_UNKNOWN]


async def test_every_watcher_hears_of_a_change() -> None:
    health = Health([])
    heard: list[ServingStatus] = []

    async def listen() -> None:
        async with aclosing(health.watch("")) as statuses:
            async for status in statuses:
                heard.append(status)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        health.close()
    assert sorted(heard) == [SERVING] * 3 + [NOT_SERVING] * 3


class ListenerThatNotes:
    """A `Listener` without a socket that notes how the server's health was when it was drained."""

    endpoint: Endpoint = parse_endpoint("memory://noted")
    active_calls = 0

    def __init__(self, health: Health) -> None:
        self._health = health
        self.noted: list[str] = []

    def stats(self) -> EndpointStats:
        return EndpointStats(endpoint=str(self.endpoint))

    def drain(self) -> None:
        self.noted.append(repr(self._health))

    async def aclose(self) -> None:
        pass


class WireThatNotes:
    """A `Wire` with such a listener."""

    def __init__(self, listener: ListenerThatNotes) -> None:
        self._listener = listener

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        raise NotImplementedError

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> ListenerThatNotes:
        return self._listener


async def test_watchers_have_heard_before_clients_are_sent_away() -> None:
    health = Health([])
    listener = ListenerThatNotes(health)
    wire = WireThatNotes(listener)
    server = Server(ServiceDispatcher([]), [listener.endpoint], ServerConfig(), health, lambda endpoint: wire)

    async def listen() -> None:
        async with aclosing(health.watch("")) as statuses:
            async for _ in statuses:
                await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        async with server:
            await anyio.wait_all_tasks_blocked()
            assert await server.drain()
            noted = list(listener.noted)
    assert noted == ["<Health server NOT_SERVING; 0 watching>"]
