"""A call that has come in when a drain begins is in flight, though its handler has not begun."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ServerConfig, connect, serve
from eventflux_runtime.net.asyncio_reactor import AsyncioReactor
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.net.trio_reactor import TrioReactor
from eventflux_runtime.protocol.native.driver.server import NativeServerConnection
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe
from tests.support.wires import address

LONG_S = 10

Function = Callable[..., Coroutine[Any, Any, None]]


class _LateHandlers:
    """Makes the handlers of native calls begin when `begin` is set, as if that turn of the loop were long in coming."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived = anyio.Event()
        self.begin = anyio.Event()
        for reactor in (AsyncioReactor, TrioReactor):
            monkeypatch.setattr(reactor, "spawn", self._late(reactor.spawn))

    def _late(self, spawn: Callable[..., Any]) -> Callable[..., Any]:
        def spawn_late(reactor: Reactor, function: Function, *args: Any) -> Any:
            if not isinstance(getattr(function, "__self__", None), NativeServerConnection):
                return spawn(reactor, function, *args)
            self.arrived.set()
            return spawn(reactor, self._later, function, *args)

        return spawn_late

    async def _later(self, function: Function, *args: Any) -> None:
        await self.begin.wait()
        await function(*args)


@pytest.mark.parametrize("wire", ["tcp", "unix", "memory"])
async def test_a_call_whose_handler_has_not_begun_is_served(
    wire: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _LateHandlers(monkeypatch)
    answers: list[str] = []

    async def call(url: str) -> None:
        async with connect(url) as channel:
            answers.append((await TransportClient(channel).send_message(Message(id="a"))).id)

    async def begin() -> None:
        await late.arrived.wait()
        await anyio.wait_all_tasks_blocked()
        late.begin.set()

    with anyio.fail_after(LONG_S):
        async with anyio.create_task_group() as tasks:
            config = ServerConfig(drain_grace_s=LONG_S)
            async with serve([Probe()], address(wire, tmp_path), config=config) as server:
                tasks.start_soon(call, server.endpoints[0])
                tasks.start_soon(begin)
                await late.arrived.wait()
    assert answers == ["a"]
