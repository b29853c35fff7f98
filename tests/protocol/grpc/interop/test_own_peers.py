"""gRPC's interoperability cases between our client and our server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import Channel, ClientConfig, Compression, ServerConfig, connect, serve
from eventflux_runtime.testing import memory_endpoint
from tests.support.authority import Authority
from tests.support.http2_tap import Tap
from tests.support.interop_cases import CASES, COMPRESSED_CASES
from tests.support.interop_service import Interop

SCHEMES = ("grpc", "grpcs", "grpc+unix", "grpc+memory")


def address(scheme: str, folder: Path) -> str:
    if scheme == "grpc+unix":
        return f"grpc+unix://{folder}/interop.sock"
    return f"grpc+{memory_endpoint()}" if scheme == "grpc+memory" else f"{scheme}://127.0.0.1:0"


@asynccontextmanager
async def linked(scheme: str, folder: Path, service: Interop) -> AsyncIterator[Channel]:
    authority = Authority(folder) if scheme == "grpcs" else None
    client = ClientConfig(tls=authority.trusting()) if authority else None
    server = ServerConfig(drain_grace_s=0, tls=authority.trusting(**authority.server().files) if authority else None)
    async with (
        serve([service], address(scheme, folder), config=server) as served,
        connect(served.endpoints[0], config=client) as channel,
    ):
        yield channel


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("wire", SCHEMES)
async def test_case(name: str, wire: str, tmp_path: Path) -> None:
    service = Interop()
    async with linked(wire, tmp_path, service) as channel:
        await CASES[name](channel)
        if name == "cancel_after_first_response":
            with anyio.fail_after(10):
                await service.cancelled.wait()


async def test_one_channel_takes_all_cases(tmp_path: Path) -> None:
    async with linked("grpc", tmp_path, Interop()) as channel, anyio.create_task_group() as tasks:
        for case in CASES.values():
            tasks.start_soon(case, channel)


@pytest.mark.parametrize("name", COMPRESSED_CASES)
async def test_compressed_case(name: str) -> None:
    tap = Tap()
    service = Interop(tap.last_request_flags)
    config = ServerConfig(drain_grace_s=0, compression=Compression.GZIP)
    async with (
        serve([service], "grpc://127.0.0.1:0", config=config) as server,
        tap.before(server.endpoints[0]) as url,
        connect(url) as channel,
    ):
        await COMPRESSED_CASES[name](channel, tap)
