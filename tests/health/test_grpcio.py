"""grpcio-health-checking on either side of our health service, with both packages' messages in one process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from eventflux_runtime import HealthClient, NotFound, Server, ServerConfig, ServingStatus, connect, serve
from tests.support.probe import Probe

SERVICE = "eventflux.transport.Transport"
LONG_S = 20


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """grpcio's side is asyncio's."""
    name: str = request.param
    return name


@asynccontextmanager
async def raw_client() -> AsyncIterator[tuple[Server, Any]]:
    """Our server and grpcio's own client of it."""
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "grpcio://127.0.0.1:0", config=ServerConfig(drain_grace_s=5)) as server,
            aio.insecure_channel(server.endpoints[0].removeprefix("grpcio://")) as channel,
        ):
            yield server, health_pb2_grpc.HealthStub(channel)


async def test_grpcios_client_checks_our_server() -> None:
    async with raw_client() as (server, stub):
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        server.health.set(SERVICE, ServingStatus.NOT_SERVING)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_grpcios_client_watches_our_server_until_it_drains() -> None:
    async with raw_client() as (server, stub):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="later"))
        seen = [(await watch.read()).status]
        server.health.set("later", ServingStatus.SERVING)
        seen.append((await watch.read()).status)
        assert await server.drain()
        seen.append((await watch.read()).status)
        names = [health_pb2.HealthCheckResponse.ServingStatus.Name(status) for status in seen]
        assert names == ["SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"]
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE


async def test_our_client_asks_grpcios_server() -> None:
    server = aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await servicer.set("a", health_pb2.HealthCheckResponse.SERVING)
    with anyio.fail_after(LONG_S):
        async with connect(f"grpcio://127.0.0.1:{port}") as channel:
            client = HealthClient(channel)
            assert await client.check() is ServingStatus.SERVING
            with pytest.raises(NotFound):
                await client.check("b")
            async with aclosing(client.watch("a")) as statuses:
                assert await anext(statuses) is ServingStatus.SERVING
                await servicer.set("a", health_pb2.HealthCheckResponse.NOT_SERVING)
                assert await anext(statuses) is ServingStatus.NOT_SERVING
        await server.stop(None)


IMPORTS = ("from eventflux_runtime.health import protobuf", "from grpc_health.v1 import health_pb2")


@pytest.mark.parametrize("order", [IMPORTS, IMPORTS[::-1]], ids=["ours first", "ours last"])
def test_both_packages_load_in_one_process(order: tuple[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "\n".join(order)], check=True)
