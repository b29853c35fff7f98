"""Bytes mean the same however they are cut: whole, byte by byte, at random places, with more behind them."""

from __future__ import annotations

import itertools
import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.event import Event, MessageReceived, StatusReceived
from eventflux_runtime.protocol.native.core import Connection, RemoteProtocolError, Role, Settings
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.core.frame import GOAWAY, MESSAGE, OPEN, PING, PREFACE
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode
from tests.support.core_pair import METHODS, content, frame, frames, greeting, make_server, write


def summary(events: list[Event]) -> list[str]:
    """Events as text, messages by their content rather than by where they lie."""
    return [
        repr(
            (
                type(event).__name__,
                content(event) if isinstance(event, (MethodOpened, MessageReceived, StatusReceived)) else None,
                [
                    repr(getattr(event, name))
                    for name in dir(type(event))
                    if not name.startswith("_") and name not in ("data", "start", "end", "settings")
                ],
            )
        )
        for event in events
    ]


def conversation() -> tuple[bytes, bytes]:
    """Everything that a client and a server say in a few calls of every kind, with every type of frame."""
    client = Connection(Role.CLIENT, Settings(compressions=(1,)), now=0.0)
    server = Connection(Role.SERVER, Settings(compressions=(1,)), METHODS, now=0.0)
    to_server = bytearray()
    to_client = bytearray()

    def exchange() -> None:
        while client.has_output or server.has_output:
            requests, responses = client.data_to_send(), server.data_to_send()
            to_server.extend(requests)
            to_client.extend(responses)
            server.receive_data(requests, 0.0)
            client.receive_data(responses, 0.0)

    exchange()
    metadata = Metadata([("k", "v"), ("b-bin", b"\x00")])
    unary = client.open(0, 10, metadata, b"request", write)
    large = client.open(0, -1, EMPTY_METADATA, b"large" * 20_000, write)
    stream = client.open(1, -1, EMPTY_METADATA, None, None, False)
    gone = client.open(1, -1, EMPTY_METADATA, b"", write, False, True)
    refused = client.open(1, -1, EMPTY_METADATA, b"z", write, False, False, 1)
    client.ping(b"12345678")
    exchange()
    server.send_status(unary, OK_STATUS, b"reply", write)
    server.send_status(large, OK_STATUS, b"reply" * 20_000, write)
    client.send_message(stream, b"m1", write)
    client.send_message(stream, b"m2", write, False, 1)
    client.half_close(stream)
    client.reset(gone, StatusCode.CANCELLED, "gone")
    exchange()
    server.consumed(large, 100_000)
    client.consumed(large, 100_000)
    server.send_headers(stream, metadata)
    server.send_message(stream, b"", write)
    server.send_message(stream, b"answer" * 100, write)
    server.reset(refused, StatusCode.UNAVAILABLE, "full", True)
    server.go_away(StatusCode.OK, "bye")
    exchange()
    details = (ErrorDetail("type.googleapis.com/x.Y", b"\x01\x02"),)
    server.send_status(stream, Status(StatusCode.DATA_LOSS, "lost", details, metadata))
    exchange()
    return bytes(to_server), bytes(to_client)


TO_SERVER, TO_CLIENT = conversation()


def server_events(pieces: list[bytes]) -> list[str]:
    """What a server makes of a client's half of the conversation, itself saying what it said then."""
    server = Connection(Role.SERVER, Settings(compressions=(1,)), METHODS, now=0.0)
    events: list[Event] = []
    for piece in pieces:
        events += server.receive_data(piece, 0.0)
    return summary(events)


def client_events(pieces: list[bytes]) -> list[str]:
    """What a client makes of a server's half, after it has opened the same streams."""
    client = Connection(Role.CLIENT, Settings(compressions=(1,)), now=0.0)
    events = client.receive_data(greeting({3: 100}, METHODS), 0.0)
    for _ in range(5):
        client.open(1, -1, EMPTY_METADATA, None, None, False)
    client.reset(4, StatusCode.CANCELLED)
    for piece in pieces:
        events += client.receive_data(piece, 0.0)
    return summary(events)


AFTER_HELLO: Final = TO_CLIENT[len(PREFACE) + 10 + len(frames(TO_CLIENT)[0][3]) :]
WHOLE_SERVER: Final = server_events([TO_SERVER])
WHOLE_CLIENT: Final = client_events([AFTER_HELLO])


def test_the_conversation_has_every_kind_of_event() -> None:
    seen = {text.split("'")[1] for text in WHOLE_SERVER + WHOLE_CLIENT}
    assert seen >= {
        "HelloReceived",
        "MethodOpened",
        "HeadersReceived",
        "MessageReceived",
        "HalfClosed",
        "StatusReceived",
        "StreamReset",
        "GoAwayReceived",
        "PongReceived",
    }
    assert {kind for kind, *_ in frames(TO_SERVER) + frames(TO_CLIENT)} >= set(range(1, 8)) | {9, 10, GOAWAY}


def test_byte_by_byte() -> None:
    assert server_events([TO_SERVER[i : i + 1] for i in range(len(TO_SERVER))]) == WHOLE_SERVER
    assert client_events([AFTER_HELLO[i : i + 1] for i in range(len(AFTER_HELLO))]) == WHOLE_CLIENT


@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(1, 7))
def test_a_few_events_at_a_time(source: random.Random, cuts: int, at_most: int) -> None:
    server = Connection(Role.SERVER, Settings(compressions=(1,)), METHODS, now=0.0)
    places = sorted({source.randrange(len(TO_SERVER) + 1) for _ in range(cuts)} | {0, len(TO_SERVER)})
    events: list[Event] = []
    for start, end in itertools.pairwise(places):
        taken = server.receive_data(TO_SERVER[start:end], 0.0, at_most)
        # More may arrive before what is there has been read.
        while server.has_unread and source.random() < 0.8:
            assert len(taken) <= at_most
            events += taken
            taken = server.receive_data(b"", 0.0, at_most)
        assert len(taken) <= at_most
        events += taken
    while server.has_unread:
        events += server.receive_data(b"", 0.0, at_most)
    assert summary(events) == WHOLE_SERVER
    assert server.receive_data(b"", 0.0) == []


def test_what_is_unread_at_the_end_of_a_connection_is_let_go() -> None:
    server = make_server()
    server.receive_data(b"".join(frame(OPEN, 0x03, n, bytes(10)) for n in range(1, 6)), 0.0, 2)
    assert server.has_unread
    server.close()
    assert server.receive_data(b"", 0.0) == []
    assert [server.has_unread] == [False]


@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_random_splits(source: random.Random, cuts: int) -> None:
    for data, events_of, whole in (
        (TO_SERVER, server_events, WHOLE_SERVER),
        (AFTER_HELLO, client_events, WHOLE_CLIENT),
    ):
        places = sorted({source.randrange(len(data) + 1) for _ in range(cuts)} | {0, len(data)})
        assert events_of([data[a:b] for a, b in itertools.pairwise(places)]) == whole


@given(st.data())
def test_cuts_near_the_borders_of_frames(data: st.DataObject) -> None:
    borders = [len(PREFACE)]
    for _, _, _, payload in frames(TO_SERVER):
        borders.append(borders[-1] + 10 + len(payload))
    near = st.sampled_from(borders).flatmap(lambda border: st.integers(border - 3, border + 12))
    places = sorted({min(len(TO_SERVER), place) for place in data.draw(st.lists(near, min_size=1))})
    places = [0, *places, len(TO_SERVER)]
    assert server_events([TO_SERVER[a:b] for a, b in itertools.pairwise(places)]) == WHOLE_SERVER


def test_a_frame_is_not_handled_before_its_last_byte() -> None:
    server = make_server()
    whole = frame(OPEN, 0x02, 1, b"\x01\x00" + b"\xff" * 8 + b"message")
    assert server.receive_data(whole[:-1], 0.0) == []
    (event,) = server.receive_data(whole[-1:] + frame(MESSAGE, 0, 1), 0.0)[:1]
    assert isinstance(event, MethodOpened)
    assert content(event) == b"message"


def test_a_message_in_one_chunk_is_not_copied() -> None:
    server = make_server()
    chunk = frame(OPEN, 0x03, 1, b"\x01\x00" + b"\xff" * 8 + b"message")
    (event,) = server.receive_data(chunk, 0.0)
    assert isinstance(event, MethodOpened)
    assert event.data is chunk


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_ahead_of_a_fault_are_never_lost(size: int) -> None:
    server = make_server()
    good = b"".join(frame(OPEN, 0x03, n, b"\x01\x00" + b"\xff" * 8 + b"%d" % n) for n in range(1, 6))
    data = good + frame(12) + good
    seen: list[Event] = []
    with pytest.raises(RemoteProtocolError, match="unknown type 12") as caught:
        for start in range(0, len(data), size):
            seen += server.receive_data(data[start : start + size], 0.0)
    seen += caught.value.events
    assert [event.stream_id for event in seen] == [1, 2, 3, 4, 5]
    assert server.is_closed
    assert server.receive_data(good, 0.0) == []
    assert server.receive_eof(0.0) == []


def test_a_fault_queues_a_goaway_with_its_reason() -> None:
    server = make_server()
    server.receive_data(frame(OPEN, 0x01, 7, b"\x01\x00" + b"\xff" * 8), 0.0)
    with pytest.raises(RemoteProtocolError):
        server.receive_data(frame(MESSAGE, 0, 9, b""), 0.0)
    ((kind, _, stream_id, payload),) = frames(server.data_to_send())
    assert (kind, stream_id) == (GOAWAY, 0)
    assert payload[:5] == b"\x07\x00\x00\x00\x0d"
    assert payload[5:] == b"MESSAGE on stream 9, which was never opened"


def test_extension_frames_are_ignored() -> None:
    server = make_server()
    assert server.receive_data(frame(0x80, 0xFF, 0xFFFFFFFF, b"whatever") + frame(0xFF), 0.0) == []
    assert server.is_ready


def test_eof_between_frames_ends_the_connection_and_within_one_is_a_fault() -> None:
    server = make_server()
    (event,) = server.receive_eof(0.0)
    assert "the peer closed the connection" in repr(event)
    assert server.is_closed
    server = make_server()
    server.receive_data(frame(PING, 0, 0, bytes(8))[:13], 0.0)
    with pytest.raises(RemoteProtocolError, match="in the middle of a frame, after 13 of at least 18 bytes"):
        server.receive_eof(0.0)
    assert server.is_closed
