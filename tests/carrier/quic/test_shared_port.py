"""Servers that share a port, as workers do: each handshake ends, wherever the kernel sends its next datagram."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import anyio
import pytest

from eventflux_runtime import ClientConfig, RetryPolicy, ServerConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe
from tests.support.udp_relay import relayed
from tests.support.wires import connect, serve

pytest.importorskip("qh3", reason="the extra quic is not installed")

LONG_S = 40
SERVER = ServerConfig(drain_grace_s=0, reuse_port=True)


@pytest.mark.slow
async def test_connections_begin_while_others_come_and_go() -> None:
    first, second = Probe(), Probe()
    async with (
        serve([first], "quic://127.0.0.1:0", config=SERVER) as server,
        serve([second], server.endpoints[0], config=SERVER),
    ):
        ids = count()

        async def come_and_go() -> None:
            for _ in range(15):
                # Clients that are configured differently share no connection.
                config = ClientConfig(retry=RetryPolicy(max_attempts=5), connect_timeout_s=LONG_S + next(ids) / 1000)
                async with connect(server.endpoints[0], config=config) as channel:
                    await TransportClient(channel).send_message(Message())

        async def third() -> None:
            while True:
                async with serve([Probe()], server.endpoints[0], config=replace(SERVER, drain_grace_s=LONG_S)):
                    await anyio.sleep(0.5)

        with anyio.fail_after(LONG_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(third)
                async with anyio.create_task_group() as clients:
                    for _ in range(8):
                        clients.start_soon(come_and_go)
                tasks.cancel_scope.cancel()
        assert first.contexts
        assert second.contexts


async def test_a_handshake_goes_on_at_another_server_with_the_same_certificate() -> None:
    first, second = Probe(), Probe()
    config = ServerConfig(drain_grace_s=0)
    with anyio.fail_after(LONG_S):
        async with (
            serve([first], "quic://127.0.0.1:0", config=config) as server,
            serve([second], "quic://127.0.0.1:0", config=config) as other,
        ):
            with relayed(server.endpoints[0]) as (relay, url):
                relay.successor = ("127.0.0.1", parse_endpoint(other.endpoints[0]).port)
                async with connect(url, config=ClientConfig(retry=None)) as channel:
                    await TransportClient(channel).send_message(Message())
    assert (len(first.contexts), len(second.contexts)) == (0, 1)
