"""Peers of a WebSocket server that keep no rule: what they cost is bounded, and who else is there notices nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from anyio.to_thread import run_sync

from tests.support.siege import BASE_GROWTH, MIB, Besiege
from tests.support.websocket_peer import KEY, frame, request

HANDSHAKE_S: Final = 0.5
SILENT: Final = 200
ATTACK_S: Final = 2.0


def pings() -> Iterator[bytes]:
    """As many as the server takes, and no pong is read."""
    yield request()
    while True:
        yield frame(9, bytes(125)) * 500


def empty_messages() -> Iterator[bytes]:
    """Fragments without bytes, of a message without end."""
    yield request() + frame(2, final=False)
    while True:
        yield frame(0, final=False) * 10_000


def tiny_fragments() -> Iterator[bytes]:
    """A message in fragments of a byte each."""
    yield request() + frame(2, final=False)
    while True:
        yield frame(0, b"x", final=False) * 10_000


def longest_frame() -> Iterator[bytes]:
    """A frame of 2^62 bytes that is begun, and is no HELLO of the native protocol either."""
    yield request() + b"\x82\xff" + (2**62).to_bytes(8, "big") + KEY
    while True:
        yield bytes(MIB)


def head_without_end() -> Iterator[bytes]:
    """The head of a request that goes on and on."""
    yield request()[:-2]
    while True:
        yield b"X-Filler: " + b"x" * 1000 + b"\r\n"


@pytest.mark.parametrize("attack", [pings, empty_messages, tiny_fragments, longest_frame, head_without_end])
async def test_a_flood_ends_its_own_connection(attack: type[Iterator[bytes]], besiege: Besiege) -> None:
    async with besiege(growth=BASE_GROWTH, scheme="ws") as siege:
        is_closed = await run_sync(lambda: flooded(siege.url, attack()))
        assert is_closed
        assert siege.used_s < ATTACK_S


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.partition("://")[2].rpartition(":")
    return host, int(port)


def flooded(url: str, chunks: Iterator[bytes]) -> bool:
    """Sends until the server closes, and reads nothing; whether it did in time."""
    ends_at = time.monotonic() + 2 * ATTACK_S
    with socket.create_connection(address_of(url), timeout=2 * ATTACK_S) as client:
        for chunk in chunks:
            try:
                client.sendall(chunk)
            except ConnectionError:
                return True
            except TimeoutError:
                return False
            if time.monotonic() > ends_at:
                return False
    return False


@pytest.mark.slow
@pytest.mark.parametrize("half", [b"", request()[:40], request()])
async def test_who_stops_half_way_is_let_go(half: bytes, besiege: Besiege) -> None:
    """Before the request, within it, and behind the handshake, where nothing of the native protocol follows."""
    async with besiege("trio", growth=BASE_GROWTH, scheme="ws", handshake_timeout_s=HANDSHAKE_S) as siege:
        before = siege.files()
        with ExitStack() as stack:
            for _ in range(SILENT):
                client = stack.enter_context(socket.create_connection(address_of(siege.url)))
                client.sendall(half)
            await siege.has_files(before)
