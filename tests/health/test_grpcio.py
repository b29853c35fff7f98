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
SCHEMES = ("grpc", "grpcio")
LONG_S = 20
LIST_PB: Any = health_pb2
"""The stubs of this module's types do not know the messages of ``List``."""


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """grpcio's side is asyncio's."""
    name: str = request.param
    return name


@asynccontextmanager
async def raw_client(scheme: str = "grpcio") -> AsyncIterator[tuple[Server, Any]]:
    """Our server and grpcio's own client of it."""
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], f"{scheme}://127.0.0.1:0", config=ServerConfig(drain_grace_s=5)) as server,
            aio.insecure_channel(server.endpoints[0].removeprefix(f"{scheme}://")) as channel,
        ):
            yield server, health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_grpcios_client_checks_our_server(scheme: str) -> None:
    async with raw_client(scheme) as (server, stub):
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        server.health.set(SERVICE, ServingStatus.NOT_SERVING)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_grpcios_client_lists_what_our_server_serves(scheme: str) -> None:
    async with raw_client(scheme) as (server, stub):
        server.health.set(SERVICE, ServingStatus.NOT_SERVING)
        answer = await stub.List(LIST_PB.HealthListRequest())
        assert {name: one.status for name, one in answer.statuses.items()} == {
            "": health_pb2.HealthCheckResponse.SERVING,
            SERVICE: health_pb2.HealthCheckResponse.NOT_SERVING,
        }


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_grpcios_client_watches_our_server_until_it_drains(scheme: str) -> None:
    async with raw_client(scheme) as (server, stub):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="later"))
        seen = [(await watch.read()).status]
        server.health.set("later", ServingStatus.SERVING)
        seen.append((await watch.read()).status)
        assert await server.drain()
        seen.append((await watch.read()).status)
        names = [health_pb2.HealthCheckResponse.ServingStatus.Name(status) for status in seen]
        assert names == ["SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"]
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE


class Listing(health.aio.HealthServicer):
    """That of grpcio-health-checking, which lists nothing by itself, with a list."""

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name in the IDL
        response = LIST_PB.HealthListResponse()
        response.statuses["a"].status = health_pb2.HealthCheckResponse.SERVING
        response.statuses["b"].status = health_pb2.HealthCheckResponse.NOT_SERVING
        return response


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_our_client_asks_grpcios_server(scheme: str) -> None:
    server = aio.server()
    servicer = Listing()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await servicer.set("a", health_pb2.HealthCheckResponse.SERVING)
    with anyio.fail_after(LONG_S):
        async with connect(f"{scheme}://127.0.0.1:{port}") as channel:
            client = HealthClient(channel)
            assert await client.check() is ServingStatus.SERVING
            with pytest.raises(NotFound):
                await client.check("b")
            assert await client.list() == {"a": ServingStatus.SERVING, "b": ServingStatus.NOT_SERVING}
            async with aclosing(client.watch("a")) as statuses:
                assert await anext(statuses) is ServingStatus.SERVING
                await servicer.set("a", health_pb2.HealthCheckResponse.NOT_SERVING)
                assert await anext(statuses) is ServingStatus.NOT_SERVING
        await server.stop(None)


IMPORTS = ("from eventflux_runtime.health import protobuf", "from grpc_health.v1 import health_pb2")


@pytest.mark.parametrize("order", [IMPORTS, IMPORTS[::-1]], ids=["ours first", "ours last"])
def test_both_packages_load_in_one_process(order: tuple[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "\n".join(order)], check=True)
