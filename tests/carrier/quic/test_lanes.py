"""Connections that share a QUIC connection: one handshake, one end, and a fresh start where the old one will not do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, PoolConfig, Server, ServerConfig, Unavailable
from eventflux_runtime.carrier.api import HIGH_WATER_BYTES, Pipe
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe
from tests.support.udp_relay import Weather, relayed
from tests.support.wires import client_config, connect, serve, server_config

pytest.importorskip("qh3", reason="the extra quic is not installed")

from eventflux_runtime.carrier.quic import trunk
from eventflux_runtime.carrier.quic.carrier import QuicCarrier
from eventflux_runtime.carrier.quic.listener import QuicListener

LONG_S = 40
SERVER = ServerConfig(drain_grace_s=0)
ALPN = ("spoken-inside",)


async def until(condition: Callable[[], object]) -> None:
    """Returns when it holds; for what no event tells of."""
    while not condition():  # noqa: ASYNC110 - see above
        await anyio.sleep(0.01)


class Hearer:
    """Keeps what a pipe says."""

    def __init__(self, *, echoes: bool = False) -> None:
        self.data = bytearray()
        self.said: list[str] = []
        self.error: Exception | None = None
        self.lost = anyio.Event()
        self.changed = anyio.Event()
        self.pipe: Pipe | None = None
        self.echoes = echoes

    def on_data(self, data: bytes) -> None:
        self.data += data
        if self.echoes and self.pipe is not None:
            self.pipe.write(data)
        self._note("data")

    def on_eof(self) -> None:
        self._note("eof")

    def on_lost(self, error: Exception | None) -> None:
        self.error = error
        self._note("lost")
        self.lost.set()

    def on_congested(self) -> None:
        self._note("congested")

    def on_writable(self) -> None:
        self._note("writable")

    def _note(self, what: str) -> None:
        if self.said[-1:] != [what]:
            self.said.append(what)
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, what: str) -> None:
        while what not in self.said:
            await self.changed.wait()

    async def bytes(self, count: int) -> None:
        while len(self.data) < count:
            await self.changed.wait()


class Port:
    """A bound QUIC port, and the pipes that came in there."""

    def __init__(self, listener: QuicListener, reactor: Any) -> None:
        self.listener = listener
        self.reactor = reactor
        self.url = str(listener.endpoint)
        self.pipes: list[Pipe] = []
        self.hearers: list[Hearer] = []
        self.echoes = False
        self.carrier = QuicCarrier()
        self.config = client_config(ClientConfig(), "quic://")
        listener.start(self._take)

    def _take(self, pipe: Pipe) -> None:
        hearer = Hearer(echoes=self.echoes)
        hearer.pipe = pipe
        self.pipes.append(pipe)
        self.hearers.append(hearer)
        pipe.start(hearer)

    async def connect(self, config: ClientConfig | None = None, url: str = "") -> Pipe:
        config = config if config is not None else self.config
        assert config is not None
        return await self.carrier.connect(parse_endpoint(url or self.url), config, ALPN, self.reactor)

    @property
    def trunks(self) -> int:
        return len(self.listener._trunks)


@asynccontextmanager
async def port(config: ServerConfig = SERVER, url: str = "quic://127.0.0.1:0") -> AsyncIterator[Port]:
    complete = server_config(config, "quic://")
    assert complete is not None
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            listener = await QuicCarrier().bind(parse_endpoint(url), complete, ALPN, reactor)
            there = Port(listener, reactor)
            try:
                yield there
            finally:
                for pipe in there.pipes:
                    pipe.abort()
                await listener.aclose()


async def test_connections_that_begin_together_make_one_handshake_and_the_last_one_ends_it() -> None:
    async with port() as there:
        pipes: list[Pipe] = []

        async def one() -> None:
            pipes.append(await there.connect())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(one)
        hearers = [Hearer() for _ in pipes]
        for pipe, hearer in zip(pipes, hearers, strict=True):
            pipe.start(hearer)
            pipe.write(b"hello")
        await until(lambda: len(there.pipes) >= 5)
        assert there.trunks == 1
        for hearer in there.hearers:
            await hearer.bytes(5)
        for pipe in pipes[1:]:
            pipe.close()
            await pipe.wait_closed()
        pipes[0].write(b", still")
        await there.hearers[0].bytes(5)
        assert there.trunks == 1
        pipes[0].close()
        await pipes[0].wait_closed()
        for hearer in there.hearers:
            await hearer.lost.wait()
        await until(lambda: not there.trunks)
        assert [hearer.said for hearer in hearers] == [["lost"]] * 5
        assert {tuple(hearer.said) for hearer in there.hearers} == {("data", "eof", "lost")}
        assert [hearer.error for hearer in (*hearers, *there.hearers)] == [None] * 10


async def test_who_gives_up_leaves_the_handshake_to_those_who_wait() -> None:
    async with port() as there:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await there.connect()
        done: list[Pipe] = []

        async def give_up() -> None:
            with anyio.move_on_after(0):
                await there.connect()

        async def wait() -> None:
            done.append(await there.connect())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up)
            tasks.start_soon(wait)
        done[0].start(Hearer())
        done[0].abort()
        await done[0].wait_closed()
        lanes = there.carrier._lanes[there.reactor]
        await until(lambda: not (lanes._dials or there.trunks))


@pytest.mark.slow
async def test_thousands_of_lanes_one_after_another() -> None:
    # Streams are numbered through, and qh3 begins with room for a hundred.
    async with port() as there:
        there.echoes = True
        keeper = await there.connect()
        keeper.start(Hearer())
        keeper.write(b"stay")
        for index in range(1500):
            pipe = await there.connect()
            hearer = Hearer()
            pipe.start(hearer)
            pipe.write(b"%d" % index)
            await hearer.bytes(len(b"%d" % index))
            pipe.close()
            await pipe.wait_closed()
            assert hearer.error is None
        await until(lambda: len(there.listener._by_id) <= 32 * max(1, there.trunks))
        assert len(there.listener._trunks) <= 2
        for trunk in there.listener._trunks:
            assert len(trunk.lanes) <= 1
            assert len(trunk._streams) == 0
        keeper.abort()
        await keeper.wait_closed()


async def test_more_lanes_at_a_time_than_one_quic_connection_takes() -> None:
    async with port() as there:
        there.echoes = True
        pipes = []
        for _ in range(150):
            pipe = await there.connect()
            hearer = Hearer()
            pipe.start(hearer)
            pipe.write(b"here")
            pipes.append((pipe, hearer))
        for _, hearer in pipes:
            await hearer.bytes(4)
        assert there.trunks == 2
        for pipe, _ in pipes:
            pipe.abort()


async def test_what_was_written_arrives_before_the_end_and_congestion_is_told() -> None:
    payload = bytes(range(256)) * 16384  # 4 MiB
    async with port() as there:
        pipe = await there.connect()
        hearer = Hearer()
        pipe.start(hearer)
        pipe.write(payload)
        assert pipe.is_congested
        assert pipe.unsent_bytes > HIGH_WATER_BYTES
        await hearer.until("writable")
        assert hearer.said == ["congested", "writable"]
        pipe.close()
        pipe.write(b"dropped")
        await pipe.wait_closed()
        (there_hearer,) = there.hearers
        await there_hearer.lost.wait()
        assert bytes(there_hearer.data) == payload
        assert there_hearer.error is None


async def test_a_reset_is_an_error_for_the_other_side() -> None:
    async with port() as there:
        pipe = await there.connect()
        pipe.start(Hearer())
        pipe.write(b"a")
        await until(lambda: there.hearers)
        pipe.abort()
        await there.hearers[0].lost.wait()
        assert isinstance(there.hearers[0].error, ConnectionError)


async def test_a_paused_pipe_holds_what_came_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk, "_HOLD_SLACK_BYTES", 100_000)
    config = replace(SERVER, max_message_bytes=1000)
    async with port(config) as there:
        pipe = await there.connect()
        hearer = Hearer()
        pipe.start(hearer)
        pipe.write(b"first")
        await until(lambda: there.hearers)
        await there.hearers[0].bytes(5)
        there.pipes[0].pause_reading()
        pipe.write(bytes(50_000))
        await until(lambda: there.pipes[0]._held_bytes >= 50_000)  # type: ignore[attr-defined]  # there is nothing to see from outside
        assert len(there.hearers[0].data) == 5
        there.pipes[0].resume_reading()
        await there.hearers[0].bytes(50_005)
        there.pipes[0].pause_reading()
        pipe.write(bytes(200_000))
        await there.hearers[0].lost.wait()
        assert "more than it was given credit for" in str(there.hearers[0].error)
        await hearer.lost.wait()
        other = await there.connect()  # nobody else has a part in it
        other.start(Hearer())
        other.write(b"b")
        await until(lambda: len(there.hearers) >= 2)
        other.abort()


async def test_a_peer_that_does_not_close_is_given_up_after_a_second() -> None:
    async with port() as there:
        with relayed(there.url) as (relay, url):
            pipe = await there.connect(url=url)
            hearer = Hearer()
            pipe.start(hearer)
            pipe.write(b"a")
            await until(lambda: there.hearers)
            relay.is_dark = True
            began = anyio.current_time()
            pipe.close()
            await pipe.wait_closed()
            assert 0.9 < anyio.current_time() - began < 10


async def test_a_trunk_that_is_dead_gets_no_new_lane() -> None:
    # The keepalive of one connection has found it dead; the next one must not be sent the same way.
    async with port() as there:
        with relayed(there.url) as (relay, url):
            first = await there.connect(url=url)
            first.start(Hearer())
            first.write(b"a")
            await until(lambda: there.hearers)
            relay.is_dark = True
            await anyio.sleep(1.1)  # silence is measured, and nothing tells of it
            relay.is_dark, relay.drops_known = False, True
            second = await there.connect(url=url)
            hearer = Hearer()
            second.start(hearer)
            second.write(b"b")
            await until(lambda: len(there.hearers) >= 2)
            assert there.trunks == 2
            first.abort()
            second.abort()


async def test_a_trunk_that_is_old_gets_no_new_lane() -> None:
    async with port() as there:
        config = client_config(ClientConfig(pool=PoolConfig(max_age_s=0.2)), "quic://")
        first = await there.connect(config)
        first.start(Hearer())
        first.write(b"a")
        await anyio.sleep(0.15)
        second = await there.connect(config)
        second.start(Hearer())
        second.write(b"a")
        await until(lambda: len(there.hearers) >= 2)
        assert there.trunks == 2
        first.abort()
        second.abort()


async def test_what_is_written_just_before_the_end_arrives() -> None:
    payload = bytes(range(256)) * 3000
    async with port() as there:
        pipe = await there.connect()
        pipe.start(Hearer())
        pipe.write(payload)
        pipe.close()
        await pipe.wait_closed()
        assert bytes(there.hearers[0].data) == payload


async def test_another_configuration_has_a_trunk_of_its_own(tmp_path: Path) -> None:
    async with port() as there:
        first = await there.connect()
        first.start(Hearer())
        first.write(b"a")
        distrusting = ClientConfig(tls=Authority(tmp_path).trusting())
        with pytest.raises(ssl.SSLCertVerificationError):
            await there.connect(distrusting)
        await until(lambda: there.trunks == 1)
        first.abort()


async def test_processes_that_come_later_to_a_shared_port_take_nobody_s_peers() -> None:
    complete = server_config(replace(SERVER, reuse_port=True), "quic://")
    assert complete is not None
    async with port(replace(SERVER, reuse_port=True)) as there:
        there.echoes = True
        peers = []
        for _ in range(8):
            carrier = QuicCarrier()
            assert there.config is not None
            pipe = await carrier.connect(parse_endpoint(there.url), there.config, ALPN, there.reactor)
            hearer = Hearer()
            pipe.start(hearer)
            pipe.write(b"before")
            await hearer.bytes(6)
            peers.append((pipe, hearer))
        others = []
        for _ in range(3):
            other = await QuicCarrier().bind(parse_endpoint(there.url), complete, ALPN, there.reactor)
            other.start(lambda pipe: pipe.abort())
            others.append(other)
        for pipe, hearer in peers:
            pipe.write(b"after")
            await hearer.bytes(11)
            pipe.abort()
        for other in others:
            await other.aclose()


# -- leaving


async def served(probe: Probe, url: str = "quic://127.0.0.1:0", **options: Any) -> Server:
    return await serve([probe], url, config=replace(SERVER, **options)).open()


async def test_a_port_is_free_for_a_successor_while_calls_are_finished() -> None:
    with anyio.fail_after(LONG_S):
        old = Probe()
        first = await served(old, drain_grace_s=LONG_S)
        url = first.endpoints[0]
        async with connect(url) as channel, anyio.create_task_group() as tasks:
            client = TransportClient(channel)
            async with client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                tasks.start_soon(first.aclose)
                await old.started.wait()
                await until(lambda: first._listeners[0]._acceptor.is_draining)  # type: ignore[attr-defined]  # of this wire
                young = Probe()
                second = await served(young, url)
                assert (await client.send_message(Message(id="new"), wait_for_ready=True)).id == "new"
                assert [message.id for message in young.seen] == ["new"]
                old.release.set()
                assert [event async for event in events] == []
            await second.aclose()


async def test_clients_notice_at_once_that_a_server_closes() -> None:
    with anyio.fail_after(LONG_S):
        server = await served(Probe())
        async with connect(server.endpoints[0]) as channel:
            client = TransportClient(channel)
            async with client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                await server.aclose()
                with anyio.fail_after(5), pytest.raises(Unavailable):
                    await events.receive()
            with anyio.fail_after(5), pytest.raises(Unavailable, match="refused"):
                await client.send_message(Message())


async def test_a_close_is_noticed_when_it_arrives_and_says_why() -> None:
    # The library would tell it after the time of three probes, which is more than five seconds on such a path.
    async with port() as there:
        with relayed(there.url, Weather(delay_s=0.3)) as (_, url):
            pipe = await there.connect(url=url)
            hearer = Hearer()
            pipe.start(hearer)
            pipe.write(b"a")
            await until(lambda: there.hearers)
            for trunk in list(there.listener._trunks):
                trunk.close(0, "away")
            with anyio.fail_after(3):
                await hearer.lost.wait()
            assert "away" in str(hearer.error)


async def test_who_asks_for_nothing_is_let_go() -> None:
    async with port(replace(SERVER, handshake_timeout_s=0.2)) as there:
        pipe = await there.connect()  # and no byte
        hearer = Hearer()
        pipe.start(hearer)
        await hearer.lost.wait()
        assert isinstance(hearer.error, ConnectionError)
        assert "handshake_timeout_s" in str(hearer.error)
        assert there.trunks == 0


async def test_the_number_of_quic_connections_is_bounded() -> None:
    async with port(replace(SERVER, max_connections=1)) as there:
        first = await there.connect()
        first.start(Hearer())
        other = QuicCarrier()
        assert there.config is not None
        with anyio.move_on_after(0.5) as scope:
            await other.connect(parse_endpoint(there.url), there.config, ALPN, there.reactor)
        assert scope.cancelled_caught
        assert there.trunks == 1
        first.abort()


@pytest.mark.parametrize("operation", ["receive_many_datagrams", "datagrams_to_send", "handle_timer"])
async def test_what_the_library_fails_with_is_the_end_of_one_connection(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("what a peer has sent")

    async with port() as there:
        there.echoes = True
        hurt = await there.connect()
        heard = Hearer()
        hurt.start(heard)
        hurt.write(b"one")
        await heard.bytes(3)
        (broken,) = there.listener._trunks
        assert there.config is not None
        other = await there.connect(replace(there.config, timeout_s=7.0))  # which shares no QUIC connection
        setattr(broken._quic, operation, fail)
        if operation == "handle_timer":
            hurt.abort()  # its connection goes with it, and the server asks whether that is so
        else:
            hurt.write(b"two")
        await until(lambda: broken.is_over)
        heard = Hearer()
        other.start(heard)
        other.write(b"still served")
        await heard.bytes(12)
        for pipe in (hurt, other):
            pipe.abort()
            await pipe.wait_closed()
    assert "failed within this process" in caplog.text
