"""What SIGTERM does to a serving process, a second one, and the end of the grace time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from eventflux_runtime import (
    Channel,
    ClientConfig,
    HealthClient,
    RpcError,
    ServingStatus,
    Unavailable,
    connect,
    serve_forever,
)
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.wires import at

ROOT = Path(__file__).resolve().parents[2]
WIRES = ("tcp", "unix", "grpc", "rdma", "grpcio")
LONG_S = 30


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loops with a code of their own, for the server's process too."""
    return request.param, {}


class Process:
    """A process of `tests.support.stoppable`; what it printed is read line by line."""

    def __init__(self, backend: str, wire: str, grace_s: float, tmp_path: Path) -> None:
        url = f"unix://{tmp_path}/stoppable.sock" if wire == "unix" else at(wire)
        command = [sys.executable, "-m", "tests.support.stoppable", backend, str(grace_s), url]
        self.popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    async def line(self) -> str:
        """The next line of its output; empty at its end."""
        assert self.popen.stdout is not None
        return (await run_sync(self.popen.stdout.readline)).strip()

    def signal(self) -> None:
        """As an orchestrator does."""
        self.popen.send_signal(signal.SIGTERM)

    async def lines_left(self) -> list[str]:
        """The rest of its output, and its exit code 0."""
        assert self.popen.stdout is not None
        rest = await run_sync(self.popen.stdout.read)
        assert await run_sync(self.popen.wait) == 0
        return rest.split()


@asynccontextmanager
async def stoppable(backend: str, wire: str, grace_s: float, tmp_path: Path) -> AsyncIterator[tuple[Process, Channel]]:
    process = Process(backend, wire, grace_s, tmp_path)
    try:
        with anyio.fail_after(LONG_S):
            async with connect(await process.line(), config=ClientConfig(retry=None, timeout_s=LONG_S)) as channel:
                yield process, channel
    finally:
        process.popen.kill()
        process.popen.wait()
        assert process.popen.stdout is not None
        process.popen.stdout.close()


async def take(channel: Channel, seconds: float, outcomes: list[Message | RpcError]) -> None:
    """A call that takes so long."""
    try:
        outcomes.append(await TransportClient(channel).send_message(Message(headers={"seconds": str(seconds)})))
    except RpcError as error:
        outcomes.append(error)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_calls_in_flight_finish(wire: str, tmp_path: Path, anyio_backend_name: str) -> None:
    outcomes: list[Message | RpcError] = []
    async with stoppable(anyio_backend_name, wire, LONG_S, tmp_path) as (process, channel):
        statuses = HealthClient(channel).watch()
        assert await anext(statuses) is ServingStatus.SERVING
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, channel, 1.0, outcomes)
            assert await process.line() == "begun"
            process.signal()
            assert await anext(statuses) is ServingStatus.NOT_SERVING
        assert await process.lines_left() == ["draining", "stopped"]
        assert outcomes == [Message(headers={"seconds": "1.0"})]
        with pytest.raises(Unavailable):
            await anext(statuses)
        with pytest.raises(Unavailable):
            await TransportClient(channel).heartbeat(HeartbeatRequest())


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_what_takes_longer_than_the_grace_time_is_cancelled(
    wire: str, tmp_path: Path, anyio_backend_name: str
) -> None:
    outcomes: list[Message | RpcError] = []
    async with stoppable(anyio_backend_name, wire, 0.3, tmp_path) as (process, channel):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, channel, LONG_S, outcomes)
            assert await process.line() == "begun"
            process.signal()
        assert await process.lines_left() == ["draining", "cancelled", "stopped"]
        (outcome,) = outcomes
        assert isinstance(outcome, Unavailable)
        assert not outcome.unprocessed


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_a_second_signal_stops_at_once(wire: str, tmp_path: Path, anyio_backend_name: str) -> None:
    outcomes: list[Message | RpcError] = []
    async with stoppable(anyio_backend_name, wire, LONG_S, tmp_path) as (process, channel):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, channel, LONG_S, outcomes)
            assert await process.line() == "begun"
            process.signal()
            assert await process.line() == "draining"
            with anyio.fail_after(LONG_S / 6):
                process.signal()
                assert await process.lines_left() == ["cancelled", "stopped"]
        (outcome,) = outcomes
        assert isinstance(outcome, Unavailable)


@pytest.mark.parametrize("wire", ["tcp", "unix"])
async def test_nobody_connects_to_a_server_that_drains(wire: str, tmp_path: Path, anyio_backend_name: str) -> None:
    outcomes: list[Message | RpcError] = []
    async with stoppable(anyio_backend_name, wire, LONG_S, tmp_path) as (process, channel):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, channel, 2.0, outcomes)
            assert await process.line() == "begun"
            process.signal()
            assert await process.line() == "draining"
            with anyio.fail_after(1.5), pytest.raises(Unavailable):
                while True:
                    await TransportClient(channel).heartbeat(HeartbeatRequest())
        assert outcomes == [Message(headers={"seconds": "2.0"})]


@pytest.mark.parametrize("anyio_backend", [("asyncio", {}), ("asyncio", {"use_uvloop": True}), ("trio", {})])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_go_back_to_whoever_had_them(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.signal(number, signal.SIG_IGN)  # as in the background of a shell without job control
    try:
        with anyio.fail_after(LONG_S):
            await serve_forever(
                [], f"unix://{tmp_path}/served.sock", on_started=lambda _: os.kill(os.getpid(), signal.SIGTERM)
            )
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
