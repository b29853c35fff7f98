"""How many turns of the event loop an answer takes, which is what decides when it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import Context, connect, serve
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe


class _TurnCounter:
    """Counts the turns of the running loop from `start` to `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_counting = False
        self.count = 0

    def start(self) -> None:
        self._is_counting = True
        self._turn()

    def stop(self) -> None:
        self._is_counting = False

    def _turn(self) -> None:
        if self._is_counting:
            self.count += 1
            self._loop.call_soon(self._turn)


class _Gate:
    """An interceptor that holds calls with the metadata ``gate`` before their handler runs."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.opened = anyio.Event()

    async def __call__(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        if "gate" in context.metadata:
            self.reached.set()
            await self.opened.wait()
        await proceed()


async def _turns_to_answer(service: Probe, client: TransportClient) -> int:
    """From the event that a handler waits for to the answer at its client."""
    service.started, service.release = anyio.Event(), anyio.Event()
    turns = _TurnCounter()

    async def call() -> None:
        await client.send_message(Message(headers={"do": "linger"}))
        turns.stop()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await service.started.wait()
        service.release.set()
        turns.start()
    return turns.count


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # whose turns can be counted
@pytest.mark.usefixtures("anyio_backend")
async def test_a_call_that_waits_before_its_first_request_delays_no_other_answer(tmp_path: Path) -> None:
    service, gate = Probe(), _Gate()
    async with (
        serve([service], f"unix://{tmp_path}/probe.sock", interceptors=[gate]) as server,
        connect(server.endpoints[0]) as channel,
        anyio.create_task_group() as tasks,
    ):
        client = TransportClient(channel)
        alone = await _turns_to_answer(service, client)

        async def wait_at_the_gate() -> None:
            await client.send_message(Message(id="held"), metadata={"gate": "1"})

        tasks.start_soon(wait_at_the_gate)
        await gate.reached.wait()
        beside_it = await _turns_to_answer(service, client)
        gate.opened.set()
    assert beside_it == alone
