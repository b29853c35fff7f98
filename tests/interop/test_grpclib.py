"""gRPC's interoperability cases between us and grpclib, each as client and as server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from anyio import to_thread

from eventflux_runtime import ServerConfig, connect, serve
from tests.support.interop_cases import CASES
from tests.support.interop_service import Interop

pytest.importorskip("grpclib", reason="grpclib is a requirement of the interop session: run nox -s interop")

from grpclib.client import Channel

from tests.interop.conftest import ROOT
from tests.interop.grpclib_peer import GRPCLIB_CASES

pytestmark = pytest.mark.slow  # what differs by loop is below what a peer sees: one a case


@pytest.fixture(scope="module")
def their_server() -> Iterator[str]:
    """Their server in a process of its own, whose open connections are nobody's business when it ends; its URL."""
    command = [sys.executable, "-m", "tests.interop.grpclib_peer"]
    search = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=ROOT, env=search, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"grpc://{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(their_server: str, name: str) -> None:
    async with connect(their_server) as channel:
        await CASES[name](channel)


@pytest.mark.parametrize("name", GRPCLIB_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        host, _, port = server.endpoints[0].removeprefix("grpc://").rpartition(":")
        await to_thread.run_sync(lambda: asyncio.run(_plain(host, int(port), name)))


async def _plain(host: str, port: int, name: str) -> None:
    async with Channel(host, port) as channel:
        await GRPCLIB_CASES[name](channel)
