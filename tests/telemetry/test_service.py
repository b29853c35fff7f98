"""The stats service on every wire: what it tells, how long a watch lasts, and that it is off unless asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eventflux_runtime import (
    ConfigError,
    Context,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ReflectionClient,
    Server,
    ServerConfig,
    Service,
    StatsClient,
    StatusCode,
    Unavailable,
    Unimplemented,
)
from eventflux_runtime.stats import GetRequest, MethodSnapshot, Snapshot, SnapshotClient, SnapshotService, WatchRequest
from eventflux_runtime.testing import memory_endpoint
from eventflux_runtime.well_known import Duration
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, serve

pytestmark = pytest.mark.usefixtures("anyio_backend")

ON = ServerConfig(stats=True, drain_grace_s=0)
LONG_S = 20
SNAPSHOT = "eventflux.stats.v1.Snapshot"
PATH = "/eventflux.transport.Transport/SendMessage"


@asynccontextmanager
async def served(
    url: str, config: ServerConfig = ON, services: Sequence[Service] = ()
) -> AsyncIterator[tuple[Server, StatsClient, TransportClient]]:
    with anyio.fail_after(LONG_S):
        async with serve(services or [Probe()], url, config=config) as server, connect(server.endpoints[0]) as channel:
            yield server, StatsClient(channel), TransportClient(channel)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_client_sees_what_the_server_counts(wire: str, tmp_path: Path) -> None:
    async with served(address(wire, tmp_path)) as (server, stats, client):
        await client.send_message(Message.event(b"x" * 50))
        with pytest.raises(NotFound):
            await client.send_message(Message(headers={"do": "fail", "code": "NOT_FOUND"}))
        while server.stats().calls.in_flight:
            await anyio.lowlevel.checkpoint()
        told, counted = await stats.get(), server.stats()
        assert told.stats.methods[PATH] == counted.methods[PATH]
        assert told.stats.methods[PATH].ended == {StatusCode.OK: 1, StatusCode.NOT_FOUND: 1}
        assert told.stats.endpoints[0].endpoint == server.endpoints[0]
        assert told.uptime_s > 0
        async with aclosing(stats.watch(0.1)) as reports:
            first, second = await anext(reports), await anext(reports)
    assert first.instance == second.instance == told.instance
    assert second.uptime_s - first.uptime_s > 0.09
    assert second.stats.methods["/eventflux.stats.v1.Stats/Watch"].in_flight == 1


async def test_a_restarted_server_is_told_from_the_one_before() -> None:
    names = []
    for _ in range(2):
        async with served(memory_endpoint()) as (_, stats, _):
            names.append((await stats.get()).instance)
    assert names[0] != names[1]


async def test_nothing_is_told_unless_it_is_asked_for() -> None:
    async with served(memory_endpoint(), ServerConfig(drain_grace_s=0)) as (_, stats, _):
        with pytest.raises(Unimplemented):
            await stats.get()
        with pytest.raises(Unimplemented):
            await anext(stats.watch())


async def test_an_interceptor_guards_it() -> None:
    async def guard(context: Context, proceed: object) -> None:
        raise PermissionDenied("show a token")

    url = memory_endpoint()
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], url, config=ON, interceptors=[guard]), connect(url) as channel:
            with pytest.raises(PermissionDenied, match="token"):
                await StatsClient(channel).get()


@pytest.mark.parametrize("wire", WIRES)
async def test_a_drain_ends_watches_and_does_not_wait_for_them(wire: str, tmp_path: Path) -> None:
    config = ServerConfig(stats=True, drain_grace_s=LONG_S)
    async with served(address(wire, tmp_path), config) as (server, stats, _), aclosing(stats.watch(3600)) as reports:
        await anext(reports)
        with anyio.fail_after(LONG_S / 2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.drain)
                with pytest.raises(Unavailable, match="shutting down"):
                    await anext(reports)


@pytest.mark.parametrize("interval_s", [0.05, 3601, -1, float("nan"), "1"])
async def test_a_client_refuses_an_interval_before_it_asks(interval_s: float) -> None:
    async with served(memory_endpoint()) as (_, stats, _):
        with pytest.raises(ConfigError, match="interval_s"):
            await anext(stats.watch(interval_s))


@pytest.mark.parametrize(
    ("interval", "reason"),
    [
        (Duration(0, 1), "choose one from 0.1 to 3600 s"),
        (Duration(-1), "choose one"),
        (Duration(7200), "the interval is 7200 s"),
        (Duration(1, -1), "no span of time"),
    ],
)
async def test_a_server_refuses_an_interval(interval: Duration, reason: str) -> None:
    url = memory_endpoint()
    with anyio.fail_after(LONG_S):
        async with (
            serve([], url, config=ON),
            connect(url) as channel,
            SnapshotClient(channel).watch(WatchRequest(interval=interval)) as snapshots,
        ):
            with pytest.raises(InvalidArgument, match=reason):
                await anext(aiter(snapshots))


class Foreign(SnapshotService):
    """Another server's: with buckets, codes and names that are not ours."""

    async def get(self, request: GetRequest, context: Context) -> Snapshot:
        return Snapshot(
            latency_bounds=[0.0015, 0.004, 1e6],
            methods=[
                MethodSnapshot(method="/a.B/C", started=9, ended={0: 2, 99: 1, 2: 3}, latency_counts=[1, 2, 3, 4, 5])
            ],
        )

    async def watch(self, request: WatchRequest, context: Context) -> AsyncIterator[Snapshot]:
        yield Snapshot()


async def test_an_applications_own_service_takes_its_place_and_other_buckets_fit() -> None:
    async with served(memory_endpoint(), services=[Foreign()]) as (_, stats, _):
        calls = (await stats.get()).stats.methods["/a.B/C"]
        async with aclosing(stats.watch()) as reports:
            assert [report.stats.methods async for report in reports] == [{}]
    assert calls.ended == {StatusCode.OK: 2, StatusCode.UNKNOWN: 4}
    assert calls.in_flight == 3
    bounds = calls.latency.BOUNDS_S
    counts = {bound: count for bound, count in zip([*bounds, "more"], calls.latency.counts, strict=True) if count}
    assert counts == {0.0015: 1, 0.005: 2, "more": 12}


async def test_it_is_described_by_reflection() -> None:
    url = memory_endpoint()
    with anyio.fail_after(LONG_S):
        async with serve([], url, config=ON), connect(url) as channel:
            reflection = ReflectionClient(channel)
            assert "eventflux.stats.v1.Stats" in await reflection.services()
            files = [FileDescriptorProto.FromString(file) for file in await reflection.file_of_symbol(SNAPSHOT)]
    assert "eventflux/stats/v1/stats.proto" in {file.name for file in files}
