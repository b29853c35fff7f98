"""A node in a process of its own, from its start to its orderly end."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from eventflux_runtime import Unavailable

__all__ = ["NodeProcess", "start_node"]

_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 20.0
_ANNOUNCEMENT: Final = "listening on "


@dataclass(slots=True)
class NodeProcess:
    """A running node. `exit_code` is None until it has stopped."""

    pid: int
    endpoints: tuple[str, ...]
    """The URLs really bound, in the order asked for."""
    exit_code: int | None = None


@asynccontextmanager
async def start_node(endpoints: Sequence[str], loop: str) -> AsyncGenerator[NodeProcess]:
    """Runs ``eventflux node`` while the context is open, and stops it by SIGTERM when it is left.

    Raises:
        Unavailable: the node did not start; its own message is on standard error.
    """
    arguments = [argument for endpoint in endpoints for argument in ("--listen", endpoint)]
    command = [sys.executable, "-m", "eventflux_node", "node", "--node-id", "demo-node", "--loop", loop, *arguments]
    async with await anyio.open_process(command, stderr=None) as process:
        node = NodeProcess(process.pid, ())
        try:
            node.endpoints = await _announced(process, len(endpoints))
            yield node
        finally:
            with anyio.CancelScope(shield=True):
                node.exit_code = await _stop(process)


async def _announced(process: Process, count: int) -> tuple[str, ...]:
    assert process.stdout is not None  # a pipe, as open_process makes it by default
    lines = BufferedByteReceiveStream(process.stdout)
    bound: list[str] = []
    with anyio.move_on_after(_START_LIMIT_S) as scope:
        while len(bound) < count:
            try:
                line = (await lines.receive_until(b"\n", 4096)).decode().strip()
            except (anyio.EndOfStream, anyio.IncompleteRead):
                raise Unavailable("the node ended before it listened: its own message is above") from None
            if line.startswith(_ANNOUNCEMENT):
                bound.append(line.removeprefix(_ANNOUNCEMENT))
    if scope.cancelled_caught:
        raise Unavailable(f"the node did not listen within {_START_LIMIT_S:.0f} s")
    return tuple(bound)


async def _stop(process: Process) -> int:
    if process.returncode is None:
        process.terminate()
    with anyio.move_on_after(_STOP_LIMIT_S) as scope:
        await process.wait()
    if scope.cancelled_caught:
        process.kill()
    return await process.wait()
