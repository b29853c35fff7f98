"""What strangers send to a QUIC port: nothing of it stays, its answers are shorter, and others are served meanwhile."""

from __future__ import annotations

import gc
import os
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

import anyio
import pytest

from eventflux_runtime import ServerConfig
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.udp_relay import relayed
from tests.support.wires import connect, serve

pytest.importorskip("qh3", reason="the extra quic is not installed")

from eventflux_runtime.carrier.quic.first import TOKEN_S, RetryTokens, read_first
from eventflux_runtime.carrier.quic.listener import QuicListener
from eventflux_runtime.carrier.quic.streams import ClientStreams

LONG_S = 40
SERVER = ServerConfig(drain_grace_s=0)


def initial(destination: bytes, source: bytes, token: bytes = b"", version: int = 1, size: int = 1200) -> bytes:
    """A client's first datagram, as far as somebody without keys can tell."""
    head = b"\xc3" + version.to_bytes(4, "big") + bytes([len(destination)]) + destination
    head += bytes([len(source)]) + source + (0x4000 | len(token)).to_bytes(2, "big") + token
    rest = size - len(head) - 2
    return head + (0x4000 | rest).to_bytes(2, "big") + os.urandom(rest)


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[QuicListener, tuple[str, int], str]]:
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "quic://127.0.0.1:0", config=SERVER) as server:
            url = server.endpoints[0]
            listener = server._listeners[0]._carried  # type: ignore[attr-defined]  # of this wire
            yield listener, ("127.0.0.1", int(url.rpartition(":")[2])), url


@contextmanager
def stranger(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(5)
        yield sock


class Flood:
    """First packets from addresses all over the loopback network, each with its own ids, some thousand a second."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.sent = 0
        self._target = target
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        chance = random.Random(7)
        while not self._is_over.is_set():
            with stranger(f"127.{chance.randrange(1, 250)}.{chance.randrange(250)}.{chance.randrange(1, 250)}") as sock:
                for _ in range(20):
                    destination, source = chance.randbytes(chance.randrange(8, 21)), chance.randbytes(8)
                    token = chance.choice((b"", b"", chance.randbytes(50)))
                    sock.sendto(initial(destination, source, token), self._target)
                    self.sent += 1
            time.sleep(0.004)  # this process has to serve, too


@pytest.mark.slow
async def test_a_flood_of_first_packets_leaves_nothing_and_an_honest_client_is_served() -> None:
    async with attacked() as (listener, target, url), connect(url) as early, connect(url) as late:
        counts = []
        with Flood(target) as flood:
            for client, least in ((early, 500), (late, 1000), (early, 4000)):
                reply = await TransportClient(client).send_message(Message(id="let in"), timeout_s=20)
                assert reply.id == "let in"
                while flood.sent < least:  # not by messages, which the probe keeps
                    await TransportClient(client).heartbeat(
                        HeartbeatRequest(), timeout_s=20
                    )  # the probe keeps messages
                gc.collect()
                counts.append(len(gc.get_objects()))
        assert len(listener._trunks) == 2
        assert len(listener._by_id) < 64
        assert counts[2] - counts[1] < 1000  # of 3000 datagrams


async def test_an_answer_is_shorter_than_what_it_answers_and_comes_once() -> None:
    async with attacked() as (listener, target, _):
        with stranger() as sock:
            for version, size in ((1, 1200), (0xFACEB00C, 1200), (0x1A2A3A4A, 1400)):
                sent = initial(b"d" * 8, b"s" * 8, version=version, size=size)
                sock.sendto(sent, target)
                answer = await anyio.to_thread.run_sync(sock.recv, 2000)
                assert len(answer) < len(sent) / 3
                first = read_first(answer)
                assert first is not None
                assert first.destination == b"s" * 8
                if version != 1:  # the versions that there are, and where the question is from (RFC 8999, 6)
                    assert (first.version, first.source) == (0, b"d" * 8)
                    assert answer.endswith(b"\0\0\0\1")
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                await anyio.to_thread.run_sync(sock.recv, 2000)
        assert listener._trunks == {}


UNANSWERED = {
    "empty": b"",
    "a byte": b"\xc3",
    "cut off in its ids": initial(b"d" * 8, b"s" * 8)[:12],
    "cut off in its token": initial(b"d" * 8, b"s" * 8, b"t" * 90)[:60],
    "short": initial(b"d" * 8, b"s" * 8, size=1199),
    "an id that is too short": initial(b"d" * 7, b"s" * 8),
    "an id that no version has": initial(b"d" * 21, b"s" * 8),
    "a token of somebody else's": initial(b"d" * 8, b"s" * 8, b"t" * 60),
    "version negotiation": initial(b"d" * 8, b"s" * 8, version=0),
    "a handshake that nobody began": b"\xe3" + initial(b"d" * 8, b"s" * 8)[1:],
    "early data that nobody began": b"\xd3" + initial(b"d" * 8, b"s" * 8)[1:],
    "a packet of a connection that is not there": b"\x43" + bytes(1300),
    "noise": bytes(range(256)) * 6,
}


async def test_what_is_not_answered() -> None:
    async with attacked() as (listener, target, url):
        with stranger() as sock:
            for datagram in UNANSWERED.values():
                sock.sendto(datagram, target)
            async with connect(url) as channel:  # it has come, too, when this one is served
                await TransportClient(channel).send_message(Message())
                assert len(listener._trunks) == 1
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(2000)


async def test_a_first_flight_that_is_sent_again_begins_nothing() -> None:
    async with attacked() as (listener, target, url):
        with relayed(url) as (relay, through):
            async with connect(through) as channel:
                await TransportClient(channel).send_message(Message())
                for datagram in relay.firsts:
                    with stranger("127.0.0.7") as sock:  # by somebody who has seen them
                        sock.sendto(datagram, target)
                    relay._to_server[next(iter(relay._to_server))].sendto(datagram, target)  # and by the network itself
                assert (await TransportClient(channel).send_message(Message(id="still"))).id == "still"
                assert len(listener._trunks) == 1


def test_a_token_is_good_for_one_address_and_one_time() -> None:
    tokens = RetryTokens(b"secret")
    here = ("192.0.2.1", 4433)
    token = tokens.make(here, b"original", b"chosen!!", now=100.0)
    assert tokens.original_of(token, here, b"chosen!!", now=101.0) == b"original"
    assert tokens.original_of(token, here, b"chosen!!", now=100.0 + TOKEN_S) == b"original"
    for address, chosen, now in (
        (("192.0.2.2", 4433), b"chosen!!", 101.0),
        (("192.0.2.1", 4434), b"chosen!!", 101.0),
        (here, b"another!", 101.0),
        (here, b"chosen!!", 101.0 + TOKEN_S),
        (here, b"chosen!!", 99.0 - TOKEN_S),
    ):
        assert tokens.original_of(token, address, chosen, now) is None
    for wrong in (b"", token[:-1], token + b"x", bytes(len(token)), token[:8] + b"\0" + token[9:]):
        assert tokens.original_of(wrong, here, b"chosen!!", now=101.0) is None
    assert RetryTokens(b"other").original_of(token, here, b"chosen!!", now=101.0) is None


def test_a_token_outlives_one_change_of_the_secret() -> None:
    tokens, here = RetryTokens(b"secret"), ("192.0.2.1", 4433)
    token = tokens.make(here, b"original", b"chosen!!", now=100.0)
    for secret, original in ((b"secret", b"original"), (b"next", b"original"), (b"last", None)):
        tokens.use(secret)
        assert tokens.original_of(token, here, b"chosen!!", now=101.0) == original


def test_streams_begin_once_in_whatever_order_they_are_seen() -> None:
    streams = ClientStreams()
    told = [number for number in (8, 0, 8, 4, 0, 4, 12) if streams.begins(number)]
    assert told == [8, 0, 4, 12]
    assert len(streams) == 0
    assert not any(streams.begins(number) for number in (1, 2, 3, 17, 18, 19))
