"""gRPC's interoperability cases by connectrpc's client against our server; its own server needs an ASGI host."""

from __future__ import annotations

import asyncio

import pytest
from anyio import to_thread

from eventflux_runtime import Compression, ServerConfig, serve
from tests.support.http2_tap import Tap
from tests.support.interop_service import Interop

pytest.importorskip("connectrpc", reason="connectrpc is a requirement of the interop session: run nox -s interop")

from tests.interop.connectrpc_peer import CONNECT_CASES, connect_client

pytestmark = pytest.mark.slow  # what differs by loop is below what a peer sees: one a case


@pytest.mark.parametrize("name", CONNECT_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        url = server.endpoints[0].replace("grpc://", "http://")
        await to_thread.run_sync(lambda: asyncio.run(_plain(url, name)))


async def test_their_client_takes_compressed_responses() -> None:
    tap, config = Tap(), ServerConfig(drain_grace_s=0, compression=Compression.GZIP)
    async with (
        serve([Interop()], "grpc://127.0.0.1:0", config=config) as server,
        tap.before(server.endpoints[0]) as way,
    ):
        await to_thread.run_sync(lambda: asyncio.run(_plain(way.replace("grpc://", "http://"), "large_unary")))
    assert [(call.response_encoding, call.response_flags) for call in tap.calls] == [("gzip", [True])]


async def _plain(url: str, name: str) -> None:
    async with connect_client(url) as client:
        await CONNECT_CASES[name](client)
