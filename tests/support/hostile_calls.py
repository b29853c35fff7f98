"""The calls that hostile clients make of `tests.support.target`, as bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from eventflux_transport import EventRequest
from eventflux_transport.methods import (
    TRANSPORT_HEARTBEAT,
    TRANSPORT_SEND_MESSAGE,
    TRANSPORT_STREAM_EVENTS,
    TRANSPORT_STREAM_MESSAGES,
)
from tests.support.http2_frame import END_HEADERS, END_STREAM, HEADERS, frame, message, request_block

__all__ = ["BEAT", "EVENTS", "LINGER", "MESSAGES", "Chunks", "batches", "call", "events", "opened", "streams"]

Chunks: TypeAlias = Iterator[bytes]

LINGER: Final = request_block(TRANSPORT_SEND_MESSAGE)
"""Its handler lingers for ever."""
BEAT: Final = request_block(TRANSPORT_HEARTBEAT)
"""It is answered at once."""
EVENTS: Final = request_block(TRANSPORT_STREAM_EVENTS)
"""It is answered for ever; see `events`."""
MESSAGES: Final = request_block(TRANSPORT_STREAM_MESSAGES)
"""Its handler takes one message only."""
BATCH: Final = 100


def streams(count: int | None = None) -> Iterator[int]:
    """A client's stream ids: so many, or without end."""
    return itertools.islice(itertools.count(1, 2), count)


def batches(make: Callable[[int], bytes]) -> Chunks:
    """The same again and again, for one stream after another."""
    ids = streams()
    while True:
        yield b"".join(make(stream_id) for stream_id in itertools.islice(ids, BATCH))


def opened(stream_id: int, flags: int = 0, block: bytes = LINGER) -> bytes:
    """A call that has begun."""
    return frame(HEADERS, END_HEADERS | flags, stream_id, block)


def call(stream_id: int, block: bytes, request: bytes = b"") -> bytes:
    """A call with its only request."""
    return opened(stream_id, 0, block) + message(stream_id, request, flags=END_STREAM)


def events(size: int) -> bytes:
    """A request for messages of a size, without end."""
    return TRANSPORT_STREAM_EVENTS.request.to_protobuf(EventRequest(batch_size=size))
