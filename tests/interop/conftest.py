"""The peers in other languages: where the interop session built them, and how they are run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0


class Program:
    """A program in another language that is a node."""

    def __init__(self, command: Sequence[str], arguments: Sequence[str] = ()) -> None:
        self.command = tuple(command)
        self.arguments = tuple(arguments)

    def line(self, mode: str, *arguments: str) -> list[str]:
        """The command line of one of its modes."""
        return [*self.command, mode, *self.arguments, *arguments]

    async def run(self, mode: str, *arguments: str) -> str:
        """Runs it to its end and returns what it printed; one that fails fails the test."""
        with anyio.fail_after(PATIENCE_S):
            done = await anyio.run_process(self.line(mode, *arguments), check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Runs its server; the address it prints."""
        async with await anyio.open_process(self.line("serve"), stdin=subprocess.DEVNULL, stderr=None) as process:
            assert process.stdout is not None
            with anyio.fail_after(PATIENCE_S):
                address = await TextReceiveStream(process.stdout).receive()
            try:
                yield address.strip()
            finally:
                process.kill()


def required(variable: str, what: str, session: str = "interop") -> str:
    """What a session of nox says in a variable; without it, a test or a module that is being imported is skipped."""
    path = os.environ.get(variable, "")
    if not path:
        pytest.skip(f"{what} is built by a session of nox: run nox -s {session}", allow_module_level=True)
    return path


@pytest.fixture
def rust_peer() -> Program:
    """The Rust node, in EventFlux's TCP frames."""
    return Program([required("EVENTFLUX_RUST_PEER", "the Rust node")])


@pytest.fixture
def buf() -> str:
    """The path of buf."""
    return required("EVENTFLUX_BUF", "buf")


@pytest.fixture
def grpcurl() -> str:
    """The path of grpcurl."""
    return required("EVENTFLUX_GRPCURL", "grpcurl", "interop-go")


@pytest.fixture
def node_peer() -> Program:
    """The Node.js node, over gRPC."""
    script = required("EVENTFLUX_NODE_PEER", "the Node.js node")
    return Program(["node", script], [str(ROOT / "idl/transport.proto")])
