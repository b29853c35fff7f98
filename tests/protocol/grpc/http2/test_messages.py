"""Messages within DATA: however they are cut, what is wrong with them, and how they are compressed."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.error import LocalProtocolError
from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS, StatusCode
from tests.support.http2_pair import (
    DATA,
    END_STREAM,
    HEADERS,
    OK_TRAILERS,
    PADDED,
    PATH,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    client_with_call,
    content,
    data,
    frame,
    frames,
    headers,
    make_client,
    make_pair,
    make_server,
    open_call,
    padded,
    prefixed,
    server_with_call,
    settings,
    window_update,
    write,
)

SMALL = Settings(max_message_bytes=1000)


def messages(events: list[Event]) -> list[bytes]:
    """All messages of one call, whichever events brought them."""
    return [
        content(event)
        for event in events
        if isinstance(event, MessageReceived)
        or (isinstance(event, (RequestOpened, StatusReceived)) and event.has_message)
    ]


def fed(machine: ServerMachine, chunk: bytes, step: int, at_most: int = 1 << 30) -> list[Event]:
    """What a server makes of bytes that come `step` at a time."""
    events: list[Event] = []
    for start in range(0, len(chunk), step):
        events += machine.receive_data(chunk[start : start + step], 0.0, at_most)
        while machine.has_unread:
            events += machine.receive_data(b"", 0.0, at_most)
    return events


@st.composite
def cut_into_frames(draw: st.DrawFn, body: bytes) -> bytes:
    """The DATA frames of stream 1 that bring `body`: cut anywhere, some padded, END_STREAM with the last or alone."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    parts = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    sent = b""
    for place, part in enumerate(parts):
        flags = END_STREAM if place == len(parts) - 1 else 0
        padding = draw(st.one_of(st.none(), st.integers(0, 255)))
        if padding is None:
            sent += frame(DATA, flags, 1, part)
        else:
            sent += frame(DATA, flags | PADDED, 1, padded(part, padding))
    if draw(st.booleans()):
        last = frames(sent)[-1]
        sent = sent[: len(sent) - 9 - len(last[3])] + frame(DATA, last[1] & ~END_STREAM, 1, last[3])
        sent += frame(DATA, END_STREAM, 1)
    return sent


@given(st.data(), st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 200), st.integers(1, 4))
def test_messages_cut_anywhere(draw: st.DataObject, sent: list[bytes], step: int, at_most: int) -> None:
    server = make_server()
    body = draw.draw(cut_into_frames(b"".join(map(prefixed, sent))))
    events = fed(server, headers(1, REQUEST) + body, step, at_most)
    assert messages(events) == sent
    last = events[-1]
    assert isinstance(last, HalfClosed) or (isinstance(last, (RequestOpened, MessageReceived)) and last.end_stream)
    for event in events:
        if isinstance(event, MessageReceived):
            server.consumed(1, event.end - event.start)
    assert server.buffered_bytes == 0


@given(st.data(), st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 200), st.integers(1, 4))
def test_responses_cut_anywhere(draw: st.DataObject, sent: list[bytes], step: int, at_most: int) -> None:
    client = client_with_call()
    body = draw.draw(cut_into_frames(b"".join(map(prefixed, sent))))
    parts = [frame(kind, flags & ~END_STREAM, number, payload) for kind, flags, number, payload in frames(body)]
    chunk = headers(1, RESPONSE) + b"".join(parts) + headers(1, OK_TRAILERS, end=True)
    events: list[Event] = []
    for start in range(0, len(chunk), step):
        events += client.receive_data(chunk[start : start + step], 0.0, at_most)
        while client.has_unread:
            events += client.receive_data(b"", 0.0, at_most)
    assert messages(events) == sent
    ended = events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status == OK_STATUS
    for event in events:
        if isinstance(event, MessageReceived):
            client.consumed(1, event.end - event.start)
    assert client.buffered_bytes == 0
    assert client._link.lingering == {}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 16_379, 16_380, 65_530, 65_535, 65_536, 300_000])
def test_messages_of_every_length_class_arrive(size: int) -> None:
    pair = make_pair()
    message = (bytes(range(251)) * (size // 251 + 1))[:size]
    pair.client.receive_data(window_update(0, 2**20) + settings((4, 2**20)), 0.0)  # more than the server gives
    pair.server._link.shares.spare = pair.server._link.flow.granted = 2**31
    stream_id = open_call(pair.client, message, end=True)
    sent = frames(pair.client.data_to_send())
    assert max(len(payload) for *_, payload in sent) <= 16_384
    bodies = [(flags, payload) for kind, flags, _, payload in sent if kind == DATA]
    assert b"".join(payload for _, payload in bodies) == prefixed(message)
    assert [flags for flags, _ in bodies] == [0] * (len(bodies) - 1) + [END_STREAM]
    events: list[Event] = []
    for kind, flags, number, payload in sent:
        events += pair.server.receive_data(frame(kind, flags, number, payload), 0.0)
    assert messages(events) == [message]
    pair.server.send_status(stream_id, OK_STATUS, message, write)
    pair.settle()
    assert messages(pair.client_events) == [message]


def test_a_message_in_a_whole_frame_is_not_copied() -> None:
    server = make_server()
    chunk = headers(1, REQUEST) + data(1, prefixed(b"a") + prefixed(b"b"))
    for event in server.receive_data(chunk, 0.0):
        assert isinstance(event, (RequestOpened, MessageReceived))
        assert event.data is chunk


def test_a_frame_of_many_messages_is_left_within() -> None:
    server = server_with_call()
    chunk = data(1, prefixed(b"") * 3000, end=True)
    events = server.receive_data(chunk, 0.0, 100)
    assert len(events) == 100
    while server.has_unread:
        more = server.receive_data(b"", 0.0, 100)
        assert len(more) <= 100
        events += more
    assert len(events) == 3000
    last = events[-1]
    assert isinstance(last, MessageReceived)
    assert last.end_stream


@pytest.mark.parametrize("step", [1, 4, 11, 30])
def test_more_may_come_while_something_is_unread(step: int) -> None:
    server = server_with_call()
    sent = [bytes([place]) * 3 for place in range(40)]
    body = b"".join(map(prefixed, sent))
    chunk = b"".join(data(1, body[start : start + 100]) for start in range(0, len(body), 100))
    events: list[Event] = []
    for start in range(0, len(chunk), step):
        events += server.receive_data(chunk[start : start + step], 0.0, 1)
    while server.has_unread:
        events += server.receive_data(b"", 0.0, 1)
    assert messages(events) == sent


def test_a_frame_that_was_left_within_ends_with_its_call() -> None:
    server = server_with_call()
    server.receive_data(headers(3, REQUEST), 0.0)
    chunk = frame(DATA, PADDED, 1, padded(prefixed(b"x") * 50, 7)) + data(3, prefixed(b"other"))
    server.receive_data(chunk, 0.0, 10)
    server.reset(1, StatusCode.INTERNAL, "enough")
    (event,) = server.receive_data(b"", 0.0, 10)
    assert isinstance(event, MessageReceived)
    assert event.stream_id == 3
    server.consumed(3, 5)
    assert server.buffered_bytes == 0


def test_a_message_over_our_limit_is_refused_by_its_prefix() -> None:
    server = make_server(SMALL)
    tracemalloc.start()
    opened, reset = server.receive_data(headers(1, REQUEST) + data(1, b"\0\x7f\xff\xff\xff"), 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert isinstance(opened, RequestOpened)
    assert isinstance(reset, StreamReset)
    assert (reset.code, reset.is_local) == (StatusCode.RESOURCE_EXHAUSTED, True)
    assert "over the limit of 1000" in reset.reason
    sent = server.data_to_send()
    assert [kind for kind, *_ in frames(sent)] == [HEADERS, RST_STREAM]
    ended = client_with_call().receive_data(sent, 0.0)[0]
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.RESOURCE_EXHAUSTED
    assert server.receive_data(data(1, bytes(5000), end=True), 0.0) == []
    assert server.buffered_bytes == 0


def test_a_message_over_our_limit_in_one_frame_or_behind_a_whole_one() -> None:
    for body in (prefixed(bytes(1001)), prefixed(b"x") + prefixed(bytes(1001)), prefixed(bytes(1001))[:3]):
        server = server_with_call(SMALL)
        events = server.receive_data(data(1, body), 0.0) + server.receive_data(data(1, b"\xff\xff"), 0.0)
        reset = events[-1]
        assert isinstance(reset, StreamReset)
        assert reset.code == StatusCode.RESOURCE_EXHAUSTED
        assert server.buffered_bytes == 0
    server = server_with_call(SMALL)
    (event,) = server.receive_data(data(1, prefixed(bytes(1000)), end=True), 0.0)
    assert isinstance(event, MessageReceived)


def test_a_response_over_our_limit_fails_the_call() -> None:
    client = client_with_call(SMALL)
    chunk = headers(1, RESPONSE) + data(1, prefixed(bytes(1001))) + headers(1, OK_TRAILERS, end=True)
    head, reset = client.receive_data(chunk, 0.0)
    assert isinstance(head, HeadersReceived)
    assert isinstance(reset, StreamReset)
    assert (reset.code, reset.is_local) == (StatusCode.RESOURCE_EXHAUSTED, True)
    assert frames(client.data_to_send())[-1] == (RST_STREAM, 0, 1, b"\0\0\0\x08")
    assert client.buffered_bytes == 0


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 8])
def test_a_stream_that_ends_within_a_message(cut: int) -> None:
    body = prefixed(b"message")[: cut + 1]
    server = server_with_call()
    (reset,) = server.receive_data(data(1, body, end=True), 0.0)
    assert isinstance(reset, StreamReset)
    assert (reset.code, reset.is_local) == (StatusCode.INTERNAL, True)
    client = client_with_call()
    events = client.receive_data(headers(1, RESPONSE) + data(1, body) + headers(1, OK_TRAILERS, end=True), 0.0)
    ended = events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.INTERNAL
    assert "middle of a message" in ended.status.message
    client = client_with_call()
    trailers = [("grpc-status", "5"), ("grpc-message", "gone")]
    events = client.receive_data(headers(1, RESPONSE) + data(1, body) + headers(1, trailers, end=True), 0.0)
    ended = events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.NOT_FOUND, "the server's own word counts"
    assert client.buffered_bytes == 0


@pytest.mark.parametrize(
    ("encoding", "flag", "code", "text"),
    [
        (None, 2, StatusCode.INTERNAL, "flag is 2"),
        (None, 1, StatusCode.INTERNAL, "did not say how"),
        ("identity", 1, StatusCode.INTERNAL, "did not say how"),
        ("gzip", 1, None, ""),
        ("gzip", 0, None, ""),
        ("zstd", 1, StatusCode.UNIMPLEMENTED, "'zstd', this side reads identity,gzip"),
        ("brotli", 1, StatusCode.UNIMPLEMENTED, "'brotli'"),
        ("brotli", 0, None, ""),
    ],
)
@pytest.mark.parametrize("is_merged", [True, False])
def test_how_a_message_is_compressed(
    encoding: str | None, flag: int, code: StatusCode | None, text: str, is_merged: bool
) -> None:
    limits = Settings(compressions=(4,))
    extra = [("grpc-encoding", encoding)] if encoding is not None else []
    server = make_server(limits)
    events = server.receive_data(headers(1, [*REQUEST, *extra]), 0.0)
    if is_merged:
        server = make_server(limits)
        events = server.receive_data(headers(1, [*REQUEST, *extra]) + data(1, prefixed(b"x", flag), end=True), 0.0)
    else:
        events += server.receive_data(data(1, prefixed(b"x", flag)), 0.0)
    client = client_with_call(limits)
    chunk = headers(1, [*RESPONSE, *extra]) + data(1, prefixed(b"x", flag))
    if is_merged:
        chunk += headers(1, OK_TRAILERS, end=True)
    for last in (events[-1], client.receive_data(chunk, 0.0)[-1]):
        if code is None:
            assert isinstance(last, (RequestOpened, MessageReceived, StatusReceived))
            assert content(last) == b"x"
            assert last.compression_id == (4 if flag else 0)
        else:
            assert isinstance(last, StreamReset)
            assert last.code == code
            assert text in last.reason


def test_each_side_learns_what_the_other_reads() -> None:
    limits = Settings(compressions=(4, 3))
    pair = make_pair(limits, limits)
    assert not pair.client.accepts(0, 4), "nobody said so yet"
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    assert pair.server.accepts(stream_id, 4)
    assert pair.server.accepts(stream_id, 3)
    assert not pair.server.accepts(stream_id, 1)
    assert not pair.server.accepts(0, 4), "each client call says it"
    pair.server.compress(stream_id, 3)
    pair.server.send_message(stream_id, b"packed", write, compression_id=3)
    pair.server.send_message(stream_id, b"plain", write)
    pair.settle()
    received = [event for event in pair.client_events if isinstance(event, MessageReceived)]
    assert [(content(event), event.compression_id) for event in received] == [(b"packed", 3), (b"plain", 0)]
    assert pair.client.accepts(0, 3)
    assert pair.client.accepts(0, 4)
    assert not pair.client.accepts(0, 1)
    with pytest.raises(LocalProtocolError, match="without compression 4"):
        pair.server.send_message(stream_id, b"x", write, compression_id=4)
    with pytest.raises(LocalProtocolError, match="without compression 4"):
        pair.client.send_message(stream_id, b"x", write, False, 4)
    route = pair.client.route(PATH)
    second = pair.client.open(route, -1, EMPTY_METADATA, b"packed", write, True, 4)
    pair.server_events.clear()
    pair.settle()
    opened = pair.take(pair.server_events, RequestOpened)
    assert (opened.stream_id, opened.compression_id) == (second, 4)


def test_trailers_alone_teach_as_well() -> None:
    client = client_with_call()
    client.receive_data(headers(1, [*RESPONSE, ("grpc-accept-encoding", "gzip"), *OK_TRAILERS], end=True), 0.0)
    assert client.accepts(0, 4)
    assert not client.accepts(0, 3)


def test_data_on_streams_that_are_over() -> None:
    client = make_client()
    open_call(client)
    client.reset(1, StatusCode.CANCELLED)
    assert (
        client.receive_data(headers(1, RESPONSE) + data(1, bytes(9000)) + headers(1, OK_TRAILERS, end=True), 0.0) == []
    )
    assert client.buffered_bytes == 0
