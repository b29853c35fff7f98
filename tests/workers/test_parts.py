"""What workers are made of, without processes: jobs, orders, addresses, pauses, and what is refused."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    Page,
    RetryPolicy,
    ServerConfig,
    Service,
    SocketConfig,
    TlsConfig,
    WebConfig,
    connect,
    serve,
    serve_forever,
)
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.server.service_source import made_services
from eventflux_runtime.workers.job import unpack
from eventflux_runtime.workers.order import Order, Orders
from eventflux_runtime.workers.reservation import Reservation
from eventflux_runtime.workers.restart import LONGEST_PAUSE_S, STEADY_S, Restarts
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.server_process import Node

URL = "tcp://127.0.0.1:0"


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Nothing here depends on the event loop."""
    return request.param, {}


async def held(*urls: str) -> Reservation:
    return await Reservation.of([parse_endpoint(url) for url in urls], SocketConfig())


async def test_a_held_port_is_served_by_those_who_share_it_and_by_nobody_else() -> None:
    reservation = await held(URL, "grpc://localhost:0")
    first, second = reservation.urls
    shared = ServerConfig(reuse_port=True)
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", parse_endpoint(first).port))
        async with serve([Node("a")], first, second, config=shared), serve([Node("b")], first, config=shared):
            async with connect(first) as channel:
                reply = await TransportClient(channel).heartbeat(HeartbeatRequest())
                assert reply.server_node_id in "ab"
            with pytest.raises(ConfigError, match="the address is in use"):
                await held(first)
            with pytest.raises(ConfigError, match="the address is in use"):
                await serve([], first).open()
        with pytest.raises(ConfigError, match="the address is in use"):
            async with serve([], first), serve([], first, config=shared):
                pass
    finally:
        reservation.close()


async def test_grpcio_shares_a_port_too() -> None:
    reservation = await held("grpcio://127.0.0.1:0")
    (url,) = reservation.urls
    shared = ServerConfig(reuse_port=True)
    try:
        async with serve([Node("a")], url, config=shared), serve([Node("b")], url, config=shared):
            pass
    finally:
        reservation.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://node", "it is known within one process only; give them a port or a Unix socket"),
        ("grpc+dns:///localhost:1", "it is only to connect to"),
        ("tcp://192.0.2.1:0", "this machine does not have that address"),
    ],
)
async def test_what_workers_cannot_share_is_refused(url: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        await serve_forever([], f"unix://{tmp_path}/held.sock", url, workers=2)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "at least 1"), (True, "a whole number"), (1025, "at most 1024"), ("2", "not .2.")]
)
async def test_the_number_of_workers_is_checked(count: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"workers must be .*{reason}"):
        await serve_forever([], URL, workers=count)


async def test_workers_do_not_show_one_page_of_metrics_in_turn() -> None:
    with pytest.raises(ConfigError, match="WebConfig.metrics is set, and 2 workers would answer on one port in turn"):
        await serve_forever([], URL, config=ServerConfig(web=WebConfig(metrics="/metrics")), workers=2)


async def test_what_cannot_be_sent_to_a_worker_is_refused() -> None:
    class Local(Node):
        pass

    for services in ([Local("a")], lambda: [Node("a")]):
        with pytest.raises(ConfigError, match="this cannot be sent to them: .*; pass a function of a module"):
            await serve_forever(services, URL, workers=1)


async def test_wrong_arguments_are_refused_before_a_worker_starts() -> None:
    with pytest.raises(ConfigError, match=r"services\[0\] must be a service"):
        await serve_forever([object()], URL, workers=1)  # type: ignore[list-item] # on purpose
    with pytest.raises(ConfigError, match="no endpoint given"):
        await serve_forever(list, workers=1)

    async def later() -> list[Service]:
        return []

    for workers in (None, 1):
        with pytest.raises(ConfigError, match="makes services, so it is a plain function that returns a list of them"):
            await serve_forever(later, URL, workers=workers)  # type: ignore[arg-type] # on purpose


def test_every_configuration_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    pem.touch()
    config = ServerConfig(
        tls=TlsConfig(cert_file=pem, key_file=pem),
        web=WebConfig(origins=("same-origin",), pages={"/": Page(body=b"a page"), "/made": Page}),
    )
    for one in (config, ClientConfig(retry=RetryPolicy())):
        assert pickle.loads(pickle.dumps(one)) == one


def test_a_job_whose_parts_are_gone_says_so() -> None:
    with pytest.raises(ConfigError, match="what it is to serve cannot be found: .*no_such_module"):
        unpack(b"cno_such_module\nname\n.")


async def test_services_are_made_and_left() -> None:
    node = Node("a")
    done: list[str] = []

    @asynccontextmanager
    async def lasting() -> AsyncIterator[Sequence[Service]]:
        yield [node]
        done.append("left")

    for source in ([node], lambda: [node], lasting):
        async with made_services(source) as services:
            assert (services, done) == ([node], [])
    assert done == ["left"]


async def test_orders_are_taken_once_each() -> None:
    orders = Orders()
    taken = 0

    async def take() -> None:
        nonlocal taken
        async for _ in orders:
            taken += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        for order, wanted in ((Order.DRAIN, 1), (Order.DRAIN, 1), (Order.STOP, 2), (Order.DRAIN, 2), (Order.STOP, 2)):
            orders.give(order)
            await anyio.wait_all_tasks_blocked()
            assert taken == wanted
        tasks.cancel_scope.cancel()


async def test_to_stop_at_once_is_to_drain_no_longer() -> None:
    orders = Orders()
    orders.give(Order.STOP)
    await anext(orders)
    await anext(orders)


def test_workers_that_die_young_are_replaced_ever_more_slowly() -> None:
    restarts = Restarts()
    assert restarts.pause_s(STEADY_S) == 0
    pauses = [restarts.pause_s(0.0) for _ in range(40)]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert restarts.pause_s(STEADY_S) == 0
    assert restarts.pause_s(STEADY_S - 1) == 0.1
