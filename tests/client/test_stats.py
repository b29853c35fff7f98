"""What a channel tells of its calls, connections and addresses."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import (
    CallStats,
    ClientConfig,
    DeadlineExceeded,
    EjectionConfig,
    NotFound,
    ServerConfig,
    StatusCode,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.rpc.stats import merged
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.support.name_server import Directory
from tests.support.probe import Probe
from tests.support.wires import linked

PATH = "/eventflux.transport.Transport/"


async def test_calls_are_counted_by_method_code_and_address(tmp_path: Path) -> None:
    async with linked("tcp", tmp_path) as link:
        with anyio.fail_after(10):
            for _ in range(3):
                await link.client.heartbeat(HeartbeatRequest())
            with pytest.raises(NotFound):
                await link.client.send_message(Message(headers={"do": "fail", "code": "NOT_FOUND"}))
            with pytest.raises(DeadlineExceeded):
                await link.client.send_message(Message(headers={"do": "linger"}), timeout_s=0.05)
            async with link.client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                during = link.channel.stats()
            after = link.channel.stats()
    assert during.methods[PATH + "StreamEvents"].in_flight == 1
    assert after.calls.in_flight == 0
    assert after.methods[PATH + "Heartbeat"].ended == {StatusCode.OK: 3}
    assert after.methods[PATH + "SendMessage"].ended == {StatusCode.NOT_FOUND: 1, StatusCode.DEADLINE_EXCEEDED: 1}
    assert after.methods[PATH + "SendMessage"].latency.percentile(1) >= 0.05
    assert after.methods[PATH + "StreamEvents"].ended == {StatusCode.CANCELLED: 1}
    (address,) = after.addresses
    assert address.methods == after.methods
    assert (address.address, after.target) == (link.url, link.url)
    assert (address.ready, address.connecting, address.connect_attempts, address.connect_failures) == (1, 0, 1, 0)
    assert not address.is_ejected


async def test_a_task_that_is_cancelled_counts_its_call_as_cancelled(tmp_path: Path) -> None:
    async with linked("memory", tmp_path) as link:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.client.send_message, Message(headers={"do": "linger"}))
            await link.service.started.wait()
            assert link.channel.stats().calls.in_flight == 1
            tasks.cancel_scope.cancel()
        assert link.channel.stats().calls.ended == {StatusCode.CANCELLED: 1}
        await link.service.cancelled.wait()
        with anyio.fail_after(5):
            while link.server.stats().calls.in_flight:
                await anyio.lowlevel.checkpoint()
        assert link.server.stats().calls.ended == {StatusCode.CANCELLED: 1}


async def test_an_address_that_fails_is_seen_to_be_ejected() -> None:
    urls = [memory_endpoint(), memory_endpoint()]

    class Failing(Probe):
        async def send_message(self, request: Message, context: object) -> Message:
            raise Unavailable("no")

    config = ClientConfig(balancer="round_robin", ejection=EjectionConfig(consecutive_failures=2))
    with anyio.fail_after(10):
        async with serve([Failing()], urls[0]), serve([Probe()], urls[1]), connect(urls, config=config) as channel:
            client = TransportClient(channel)
            for _ in range(12):
                with suppress(Unavailable):
                    await client.send_message(Message())
            stats = channel.stats()
    failing, well = stats.addresses
    assert (failing.is_ejected, failing.ejections) == (True, 1)
    assert (well.is_ejected, well.ejections) == (False, 0)
    assert merged(failing.methods).ended == {StatusCode.UNAVAILABLE: merged(failing.methods).started}
    assert stats.calls.started == 12


async def test_what_was_counted_is_there_when_the_channel_is_closed_and_begins_anew_with_it() -> None:
    url = memory_endpoint()
    async with serve([Probe()], url, config=ServerConfig(drain_grace_s=0)):
        channel = connect(url)
        async with channel:
            await TransportClient(channel).send_message(Message())
        assert channel.stats().calls.ended == {StatusCode.OK: 1}
        async with channel:
            assert channel.stats().calls == CallStats()


async def test_addresses_that_have_gone_leave_their_counts_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(cluster=("127.0.0.2",))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    config = ClientConfig(dns_refresh_s=0.1)
    quiet = ServerConfig(drain_grace_s=0)
    with anyio.fail_after(20):
        async with serve([Probe()], "tcp://127.0.0.2:0", config=quiet) as first:
            port = first.endpoints[0].rpartition(":")[2]
            async with (
                serve([Probe()], f"tcp://127.0.0.3:{port}", config=quiet) as second,
                connect(f"tcp://cluster:{port}", config=config) as channel,
            ):
                client = TransportClient(channel)
                await client.heartbeat(HeartbeatRequest())
                directory.hosts["cluster"] = ("127.0.0.3",)
                calls = 1
                while not second.stats().calls.started or len(channel.stats().addresses) > 1:
                    await client.heartbeat(HeartbeatRequest())
                    calls += 1
                stats = channel.stats()
    assert [address.address for address in stats.addresses] == [f"tcp://127.0.0.3:{port}"]
    assert stats.calls.ended == {StatusCode.OK: calls}
    assert 0 < merged(stats.addresses[0].methods).started < calls
