"""The health service on every wire: what is asked, what is answered, and what a drain does to those who watch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import (
    ConfigError,
    Context,
    HealthClient,
    NotFound,
    ResourceExhausted,
    Server,
    ServerConfig,
    Service,
    ServingStatus,
    Unavailable,
    Unimplemented,
)
from eventflux_runtime.health.message import HealthCheckRequest, HealthCheckResponse
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_SERVICE
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, serve

pytestmark = pytest.mark.usefixtures("anyio_backend")

SERVICE = "eventflux.transport.Transport"
SERVING, NOT_SERVING = ServingStatus.SERVING, ServingStatus.NOT_SERVING
LONG_S = 20


@asynccontextmanager
async def served(
    wire: str, tmp_path: Path, services: Sequence[Service] = (), config: ServerConfig | None = None
) -> AsyncIterator[tuple[Server, HealthClient]]:
    """A server on a wire and a health client of it."""
    config = config if config is not None else ServerConfig(drain_grace_s=0)
    with anyio.fail_after(LONG_S):
        async with (
            serve(services or [Probe()], address(wire, tmp_path), config=config) as server,
            connect(server.endpoints[0]) as channel,
        ):
            yield server, HealthClient(channel)


@pytest.mark.parametrize("wire", WIRES)
async def test_everything_serves_from_the_start(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (_, client):
        assert await client.check() is SERVING
        assert await client.check(SERVICE) is SERVING


@pytest.mark.parametrize("wire", WIRES)
async def test_a_service_and_the_server_do_not_follow_each_other(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client):
        server.health.set(SERVICE, NOT_SERVING)
        assert await client.check(SERVICE) is NOT_SERVING
        assert await client.check() is SERVING


@pytest.mark.parametrize("wire", WIRES)
async def test_all_statuses_are_listed(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client):
        server.health.set(SERVICE, NOT_SERVING)
        server.health.set("later", SERVING)
        assert await client.list() == {"": SERVING, SERVICE: NOT_SERVING, "later": SERVING}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_list_has_a_limit(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client):
        for number in range(98):  # besides the server and its one service
            server.health.set(str(number), SERVING)
        assert len(await client.list()) == 100
        server.health.set("98", SERVING)
        with pytest.raises(ResourceExhausted, match="101 names"):
            await client.list()


@pytest.mark.parametrize("wire", WIRES)
async def test_an_unknown_service_is_not_found(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client):
        with pytest.raises(NotFound, match="nobody.Here"):
            await client.check("nobody.Here")
        server.health.set("nobody.Here", SERVING)
        assert await client.check("nobody.Here") is SERVING


@pytest.mark.parametrize("wire", WIRES)
async def test_a_watch_of_an_unknown_service_goes_on(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client), aclosing(client.watch("later")) as statuses:
        assert await anext(statuses) is ServingStatus.SERVICE_UNKNOWN
        server.health.set("later", NOT_SERVING)
        assert await anext(statuses) is NOT_SERVING


@pytest.mark.parametrize("wire", WIRES)
async def test_a_watch_tells_changes_and_nothing_else(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client), aclosing(client.watch(SERVICE)) as statuses:
        assert await anext(statuses) is SERVING
        server.health.set(SERVICE, SERVING)
        server.health.set("", NOT_SERVING)
        server.health.set(SERVICE, NOT_SERVING)
        assert await anext(statuses) is NOT_SERVING
        with anyio.move_on_after(0.05) as scope:
            await anext(statuses)
        assert scope.cancelled_caught


@pytest.mark.parametrize("wire", WIRES)
async def test_a_drain_tells_watchers_and_does_not_wait_for_them(wire: str, tmp_path: Path) -> None:
    config = ServerConfig(drain_grace_s=LONG_S)
    async with served(wire, tmp_path, config=config) as (server, client):
        async with aclosing(client.watch()) as whole, aclosing(client.watch("unknown")) as unknown:
            assert await anext(whole) is SERVING
            await anext(unknown)
            with anyio.fail_after(LONG_S / 4):
                assert await server.drain()
            assert await anext(whole) is NOT_SERVING
            for statuses in (whole, unknown):
                with pytest.raises(Unavailable, match="shutting down"):
                    await anext(statuses)
        server.health.set("", SERVING)
        assert server.health.get() is NOT_SERVING


@pytest.mark.parametrize("wire", WIRES)
async def test_a_watcher_that_leaves_is_forgotten(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path) as (server, client):
        async with aclosing(client.watch()) as statuses:
            await anext(statuses)
            assert "1 watching" in repr(server.health)
        await server.health.wait_unwatched()


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
async def test_it_can_be_switched_off(wire: str, tmp_path: Path) -> None:
    config = ServerConfig(health=False, drain_grace_s=0)
    async with served(wire, tmp_path, config=config) as (_, client):
        with pytest.raises(Unimplemented):
            await client.check()
        with pytest.raises(Unimplemented):
            await client.list()
        with pytest.raises(Unimplemented):
            await anext(client.watch())


class OwnHealth(Service):
    """An application's own health service, with one of its methods."""

    def _bindings(self) -> tuple[AnyBinding, ...]:
        return (Binding.unary(HEALTH_CHECK, self.check),)

    async def check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        return HealthCheckResponse(ServingStatus.UNKNOWN)


@pytest.mark.parametrize("wire", WIRES)
async def test_the_applications_own_health_service_takes_its_place(wire: str, tmp_path: Path) -> None:
    async with served(wire, tmp_path, [Probe(), OwnHealth()]) as (_, client):
        assert await client.check(HEALTH_SERVICE) is ServingStatus.UNKNOWN
        with pytest.raises(Unimplemented):
            await anext(client.watch())


@pytest.mark.parametrize("status", [ServingStatus.UNKNOWN, ServingStatus.SERVICE_UNKNOWN, "SERVING"])
async def test_only_two_statuses_can_be_set(status: ServingStatus, tmp_path: Path) -> None:
    async with served("memory", tmp_path) as (server, _):
        with pytest.raises(ConfigError, match="SERVING or NOT_SERVING"):
            server.health.set("", status)
