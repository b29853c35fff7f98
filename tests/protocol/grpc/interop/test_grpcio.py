"""gRPC's interoperability cases between us and plain grpcio, each as client and as server."""

from __future__ import annotations

import asyncio

import pytest
from anyio import to_thread
from grpc import aio

from eventflux_runtime import Compression, ServerConfig, connect, serve
from tests.support.http2_tap import Tap
from tests.support.interop_cases import CASES, COMPRESSED_CASES
from tests.support.interop_grpcio import RAW_CASES, raw_interop_server
from tests.support.interop_service import Interop

FLAGS = {
    "client_compressed_unary": [([False], []), ([True], [True]), ([False], [True])],
    "server_compressed_unary": [([False], [True]), ([False], [False])],
    "server_compressed_streaming": [([False], [True, False])],
}
"""How requests and responses travel in each call of a case, where the server compresses all it may."""


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(name: str) -> None:
    with raw_interop_server() as url:
        async with connect(url) as channel:
            await CASES[name](channel)


@pytest.mark.parametrize("name", COMPRESSED_CASES)
async def test_our_client_and_their_server_compressing(name: str) -> None:
    tap = Tap()
    with raw_interop_server(tap.last_request_flags) as server:
        async with tap.before(server) as url, connect(url) as channel:
            await COMPRESSED_CASES[name](channel, tap)


@pytest.mark.parametrize("name", RAW_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    tap = Tap()
    service = Interop(tap.last_request_flags)
    config = ServerConfig(drain_grace_s=0, compression=Compression.GZIP)
    async with serve([service], "grpc://127.0.0.1:0", config=config) as server, tap.before(server.endpoints[0]) as url:
        await to_thread.run_sync(lambda: asyncio.run(_plain(url.removeprefix("grpc://"), name)))
    if name in FLAGS:
        assert [(call.request_flags, call.response_flags) for call in tap.calls] == FLAGS[name]


async def _plain(address: str, name: str) -> None:
    async with aio.insecure_channel(address) as channel:
        await RAW_CASES[name](channel)
