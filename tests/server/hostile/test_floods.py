"""Floods against a whole gRPC server: its memory stays bounded, others are served, and the connection ends.

Each attack runs against a process of its own. `tests.support.siege.besieged` measures it and checks what holds after
every attack: another client's calls all succeeded and none took seconds, a new client is served, and the server stops
within its grace.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from anyio.to_thread import run_sync

from tests.support.hostile_calls import EVENTS, LINGER, Chunks, batches, call, events, opened, streams
from tests.support.hostile_client import HostileClient, Outcome
from tests.support.http2_frame import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INDEXED,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_FRAME_BYTES,
    NEWEST,
    PING,
    PRIORITY,
    credit,
    frame,
    literal,
    reset,
    settings,
)
from tests.support.siege import BASE_GROWTH, Besiege

CALM: Final = 11
"""ENHANCE_YOUR_CALM (RFC 9113, 7)."""
BATCH: Final = 100


def rapid_reset() -> Chunks:
    """CVE-2023-44487: calls that are broken off at once."""
    return batches(lambda stream_id: call(stream_id, LINGER) + reset(stream_id))


def reset_by_empty_credit() -> Chunks:
    """CVE-2025-8671: the server has to break off the call, because of a WINDOW_UPDATE of nothing."""
    return batches(lambda stream_id: opened(stream_id) + credit(stream_id, 0))


def reset_by_too_much_credit() -> Chunks:
    """The same by a window that is larger than can be."""
    return batches(lambda stream_id: opened(stream_id) + credit(stream_id, LARGEST_WINDOW))


def reset_by_late_data() -> Chunks:
    """The same by DATA behind the end of the stream."""
    return batches(lambda stream_id: call(stream_id, LINGER) + frame(DATA, 0, stream_id, b"x"))


def reset_by_late_headers() -> Chunks:
    """The same by HEADERS behind the end of the stream."""
    trailers = literal(b"late", b"yes")
    return batches(
        lambda stream_id: opened(stream_id, END_STREAM) + frame(HEADERS, END_HEADERS | END_STREAM, stream_id, trailers)
    )


def reset_by_a_long_message() -> Chunks:
    """The same by a message that says that it is longer than it may be."""
    prefix = b"\0\x7f\xff\xff\xff"
    return batches(lambda stream_id: opened(stream_id) + frame(DATA, 0, stream_id, prefix))


def malformed_requests() -> Chunks:
    """Requests that HTTP/2 does not allow."""
    block = literal(b":method", b"POST") + literal(b"Upper", b"case")
    return batches(lambda stream_id: opened(stream_id, END_STREAM, block))


def requests_of_browsers() -> Chunks:
    """Requests that are none of gRPC's, each of which is answered."""
    block = b"".join(
        literal(name, value)
        for name, value in ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x"))
    )
    return batches(lambda stream_id: opened(stream_id, END_STREAM, block))


def many_small_continuations() -> Chunks:
    """CVE-2024-27316: a header block without an end."""
    yield frame(HEADERS, 0, 1, LINGER)
    while True:
        yield frame(CONTINUATION, 0, 1, b"") * BATCH


def few_large_continuations() -> Chunks:
    """The same in frames of the greatest length."""
    yield frame(HEADERS, 0, 1, LINGER)
    part = literal(b"a", bytes(b"x" * (MAX_FRAME_BYTES - 8)))
    while True:
        yield frame(CONTINUATION, 0, 1, part)


def header_bomb() -> Chunks:
    """A header of 4 KB that one byte stands for, thousands of times in each block."""
    bomb = literal(b"a", b"y" * 3900, INDEXED) + NEWEST * 12_000
    first = itertools.chain([bomb], itertools.repeat(NEWEST * 16_000))
    return (opened(stream_id, END_STREAM, block) for stream_id, block in zip(streams(), first, strict=False))


def settings_flood() -> Chunks:
    """CVE-2019-9515: each has to be acknowledged."""
    return itertools.repeat(settings() * BATCH)


def ping_flood() -> Chunks:
    """CVE-2019-9512."""
    return itertools.repeat(frame(PING, 0, 0, bytes(8)) * BATCH)


def pong_flood() -> Chunks:
    """Answers to pings that nobody sent."""
    return itertools.repeat(frame(PING, ACK, 0, bytes(8)) * BATCH)


def empty_data_flood() -> Chunks:
    """CVE-2019-9518."""
    yield opened(1)
    while True:
        yield frame(DATA, 0, 1) * BATCH


def priority_flood() -> Chunks:
    """CVE-2019-9513."""
    return itertools.repeat(frame(PRIORITY, 0, 1, bytes(5)) * BATCH)


def unknown_frames() -> Chunks:
    """Frames of a kind that nobody knows, which are to be ignored."""
    return itertools.repeat(frame(99, 0, 0, b"abc") * BATCH)


def window_churn() -> Chunks:
    """The window of all streams, changed by every parameter of every SETTINGS, while a thousand streams wait for it."""
    yield settings((INITIAL_WINDOW_SIZE, 0))
    yield b"".join(call(stream_id, EVENTS, events(1000)) for stream_id in streams(1000))
    for window in itertools.cycle(range(1, 100)):
        yield settings((INITIAL_WINDOW_SIZE, window))


def settings_of_many_parameters() -> Chunks:
    """The same in as few frames as can be."""
    yield settings((INITIAL_WINDOW_SIZE, 0))
    yield b"".join(call(stream_id, EVENTS, events(1000)) for stream_id in streams(1000))
    while True:
        yield settings(*((INITIAL_WINDOW_SIZE, window % 100) for window in range(MAX_FRAME_BYTES // 6)))


def resets_of_ended_streams() -> Chunks:
    """RST_STREAM for a call that has ended, again and again."""
    yield opened(1, END_STREAM) + reset(1)
    while True:
        yield reset(1) * BATCH


def ten_thousand_streams() -> Chunks:
    """Ten times as many calls as a connection may have."""
    return (call(stream_id, LINGER) for stream_id in streams(10_000))


FLOODS: Final = (
    rapid_reset,
    reset_by_empty_credit,
    reset_by_too_much_credit,
    reset_by_late_data,
    reset_by_late_headers,
    reset_by_a_long_message,
    malformed_requests,
    requests_of_browsers,
    many_small_continuations,
    few_large_continuations,
    header_bomb,
    settings_flood,
    ping_flood,
    pong_flood,
    empty_data_flood,
    priority_flood,
    unknown_frames,
    window_churn,
    settings_of_many_parameters,
    resets_of_ended_streams,
    ten_thousand_streams,
)


SHARPEST: Final = (rapid_reset, reset_by_empty_credit, settings_flood)
"""They run on each event loop; the others differ from them in nothing that a loop has a part in."""


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_a_flood_ends_the_connection(flood: Callable[[], Chunks], besiege: Besiege) -> None:
    async with besiege(growth=BASE_GROWTH) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, flood()))
    check(outcome)


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
@pytest.mark.parametrize("flood", SHARPEST, ids=lambda flood: flood.__name__)
async def test_so_it_does_on_other_loops(flood: Callable[[], Chunks], loop: str, besiege: Besiege) -> None:
    async with besiege(loop, growth=BASE_GROWTH) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, flood()))
    check(outcome)


@pytest.mark.slow
@pytest.mark.parametrize("flood", [settings_flood, ping_flood, reset_by_empty_credit, requests_of_browsers])
async def test_nor_does_it_help_to_read_nothing(flood: Callable[[], Chunks], besiege: Besiege) -> None:
    async with besiege(growth=BASE_GROWTH) as siege:
        outcome = await run_sync(lambda: attacked(siege.url, flood(), reads=False))
    assert outcome.is_closed
    assert {code for code, _ in outcome.goaways} <= {CALM}  # see `check`: what it did not take may be lost, all of it


@pytest.mark.long
async def test_a_hundred_floods_one_after_another_leave_nothing_behind(besiege: Besiege) -> None:
    async with besiege(growth=BASE_GROWTH) as siege:
        files = siege.files()
        for _ in range(20):
            for flood in (many_small_continuations, pong_flood, malformed_requests, header_bomb, ping_flood):
                check(await run_sync(partial(attacked, siege.url, flood())))
        await siege.has_files(files)


def check(outcome: Outcome) -> None:
    """Checks that the connection ended as it should."""
    assert outcome.is_closed
    # A socket that is closed with frames unread is reset, which costs the peer what it has not taken yet.
    assert {code for code, _ in outcome.goaways} <= {CALM}


def attacked(url: str, chunks: Chunks, *, reads: bool = True) -> Outcome:
    """Attacks until the connection ends, or seconds have passed."""
    with HostileClient(url) as client:
        client.attack(chunks, reads=reads)
        return client.listen(10.0)
