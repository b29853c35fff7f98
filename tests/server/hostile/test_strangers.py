"""Peers of a gRPC server that do not speak gRPC, or take their time to: each connection ends soon, and says why."""

from __future__ import annotations

import time
from typing import Final

import pytest
from anyio.to_thread import run_sync

from tests.support.hostile_calls import Chunks
from tests.support.hostile_client import HostileClient, Outcome
from tests.support.http2_frame import MAX_FRAME_BYTES, PREFACE, SETTINGS, frame, settings
from tests.support.siege import BASE_GROWTH, Besiege

PROTOCOL_ERROR, FRAME_SIZE_ERROR = 1, 6
HANDSHAKE_S: Final = 0.5
TLS_HELLO: Final = bytes.fromhex("1603010200010001fc0303") + bytes(500)
HTTP_1: Final = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.mark.parametrize(
    ("greeting", "error_code"),
    [
        (b"\xff" * 1000, None),
        (TLS_HELLO, None),
        (HTTP_1, None),
        (PREFACE[:-1] + b"x", None),
        (PREFACE + HTTP_1, PROTOCOL_ERROR),
        (PREFACE + frame(0, 0, 1, b"x"), PROTOCOL_ERROR),
        (PREFACE + frame(SETTINGS, 1, 0), PROTOCOL_ERROR),
        (PREFACE + settings() + b"\xff" * 1000, FRAME_SIZE_ERROR),
        (PREFACE + settings() + frame(SETTINGS, 0, 0, bytes(MAX_FRAME_BYTES + 1)), FRAME_SIZE_ERROR),
    ],
    ids=[
        "garbage",
        "tls",
        "http-1",
        "almost a preface",
        "http-1 behind the preface",
        "data first",
        "an acknowledgement first",
        "garbage behind settings",
        "a long frame",
    ],
)
async def test_who_speaks_something_else_is_told_at_once(
    greeting: bytes, error_code: int | None, besiege: Besiege
) -> None:
    async with besiege(growth=BASE_GROWTH) as siege:
        outcome = await run_sync(lambda: greeted(siege.url, iter([greeting])))
    assert outcome.is_closed
    assert [code for code, _ in outcome.goaways] == ([] if error_code is None else [error_code])


def byte_by_byte() -> Chunks:
    """The preface, slowly."""
    for byte in PREFACE:
        yield bytes([byte])
        time.sleep(0.1)


def without_settings() -> Chunks:
    """The preface, and nothing behind it."""
    yield PREFACE


def silence() -> Chunks:
    """Nothing at all."""
    yield from ()


@pytest.mark.slow
@pytest.mark.parametrize("greeting", [byte_by_byte, without_settings, silence])
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
async def test_who_takes_too_long_is_let_go(greeting: type[Chunks], loop: str, besiege: Besiege) -> None:
    async with besiege(loop, growth=BASE_GROWTH, handshake_timeout_s=HANDSHAKE_S) as siege:
        began = time.monotonic()
        outcome = await run_sync(lambda: greeted(siege.url, greeting()))
        took_s = time.monotonic() - began
    assert outcome.is_closed
    assert HANDSHAKE_S * 0.9 < took_s < HANDSHAKE_S + 3.0


def greeted(url: str, chunks: Chunks) -> Outcome:
    """What the server makes of a client that begins so."""
    with HostileClient(url, greets=False) as client:
        client.attack(chunks, most_s=4.0)
        return client.listen(4.0)
