"""gRPC's interoperability cases between us and grpclib, each as client and as server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio import to_thread

from eventflux_runtime import ServerConfig, connect, serve
from tests.support.interop_cases import CASES
from tests.support.interop_service import Interop

pytest.importorskip("grpclib", reason="grpclib is a requirement of the interop session: run nox -s interop")

from grpclib.client import Channel

from tests.interop.grpclib_peer import GRPCLIB_CASES, grpclib_server


@contextmanager
def their_server() -> Iterator[str]:
    """Their server on a thread of its own; its URL."""
    started = threading.Event()
    addresses: list[str] = []
    stops: list[asyncio.Event] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        async with grpclib_server() as address:
            addresses.append(address)
            stops.append(asyncio.Event())
            loops.append(asyncio.get_running_loop())
            started.set()
            await stops[0].wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait()
    try:
        yield f"grpc://{addresses[0]}"
    finally:
        loops[0].call_soon_threadsafe(stops[0].set)
        thread.join()


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(name: str) -> None:
    with their_server() as url:
        async with connect(url) as channel:
            await CASES[name](channel)


@pytest.mark.parametrize("name", GRPCLIB_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        host, _, port = server.endpoints[0].removeprefix("grpc://").rpartition(":")
        await to_thread.run_sync(lambda: asyncio.run(_plain(host, int(port), name)))


async def _plain(host: str, port: int, name: str) -> None:
    async with Channel(host, port) as channel:
        await GRPCLIB_CASES[name](channel)
