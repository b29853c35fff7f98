"""Calls: what each side may do when, what the other is told, and what is refused."""

from __future__ import annotations

import pytest
from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import (
    LocalProtocolError,
    MessageTooLarge,
    MetadataTooLarge,
    StreamsExhausted,
)
from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened, SettingsReceived
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode
from tests.support.http2_pair import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    OK_TRAILERS,
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
    prefixed,
    rst_stream,
    server_with_call,
    settings,
    write,
)


class EncoderError(Exception):
    """What an encoder raises here."""


def failing(message: bytes, writer: BytesWriter) -> None:
    writer.write(message)
    raise EncoderError


def kinds(sent: bytes) -> list[int]:
    return [kind for kind, *_ in frames(sent)]


def test_a_unary_call_is_one_event_each_way() -> None:
    pair = make_pair()
    for _ in range(3):  # the first fills the tables, the others repeat its blocks
        stream_id = pair.client.open(pair.client.route(PATH), 5_000_000, EMPTY_METADATA, b"question", write)
        (opened,) = pair.server.receive_data(pair.client.data_to_send(), 0.0)
        assert isinstance(opened, RequestOpened)
        assert content(opened) == b"question"
        assert opened.has_message
        assert opened.end_stream
        assert opened.timeout_us == 5_000_000
        assert opened.head.path == PATH
        assert pair.server.send_status(stream_id, OK_STATUS, b"answer", write)
        sent = pair.server.data_to_send()
        assert kinds(sent) == [HEADERS, DATA, HEADERS]
        (ended,) = pair.client.receive_data(sent, 0.0)
        assert isinstance(ended, StatusReceived)
        assert ended.status == OK_STATUS
        assert content(ended) == b"answer"
        assert pair.client.active_streams == pair.server.active_streams == 0
        assert pair.client.buffered_bytes == pair.server.buffered_bytes == 0


def test_a_bidirectional_call() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"first")
    pair.settle()
    opened = pair.take(pair.server_events, RequestOpened)
    assert content(opened) == b"first"
    assert not opened.end_stream
    pair.server.send_headers(stream_id, Metadata([("from", "server")]))
    pair.server.send_message(stream_id, b"a", write)
    pair.client.send_message(stream_id, b"second", write)
    pair.client.half_close(stream_id)
    pair.settle()
    assert pair.take(pair.client_events, HeadersReceived).metadata == Metadata([("from", "server")])
    assert content(pair.take(pair.client_events, MessageReceived)) == b"a"
    received = pair.take(pair.server_events, MessageReceived)
    assert content(received) == b"second"
    assert received.end_stream, "the empty DATA behind it says so"
    pair.server.consumed(stream_id, 6)
    pair.client.consumed(stream_id, 1)
    status = Status(StatusCode.OK, "", (), Metadata([("t", "1")]))
    pair.server.send_status(stream_id, status, b"last", write)
    pair.settle()
    ended = pair.take(pair.client_events, StatusReceived)
    assert ended.status == status
    assert content(ended) == b"last"
    assert pair.client_events == pair.server_events == []
    assert pair.client.buffered_bytes == pair.server.buffered_bytes == 0


def test_a_half_close_by_itself() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client)
    pair.settle()
    assert not pair.take(pair.server_events, RequestOpened).has_message
    pair.client.half_close(stream_id)
    assert frames(pair.client.data_to_send()) == [(DATA, END_STREAM, stream_id, b"")]
    (event,) = pair.server.receive_data(data(stream_id, b"", end=True), 0.0)
    assert isinstance(event, HalfClosed)
    with pytest.raises(LocalProtocolError, match="half-closed"):
        pair.client.half_close(stream_id)
    with pytest.raises(LocalProtocolError, match="too late to send"):
        pair.client.send_message(stream_id, b"x", write)


def test_a_request_that_ends_in_a_later_frame_of_the_same_chunk_is_one_event() -> None:
    server = make_server()
    chunk = headers(1, REQUEST) + data(1, prefixed(b"hello")) + data(1, b"", end=True)
    (opened,) = server.receive_data(chunk, 0.0)
    assert isinstance(opened, RequestOpened)
    assert content(opened) == b"hello"
    assert opened.end_stream
    assert server.buffered_bytes == 0


def test_a_second_message_is_an_event_of_its_own() -> None:
    server = make_server()
    chunk = headers(1, REQUEST) + data(1, prefixed(b"one") + prefixed(b"two"), end=True)
    opened, second = server.receive_data(chunk, 0.0)
    assert isinstance(opened, RequestOpened)
    assert content(opened) == b"one"
    assert not opened.end_stream
    assert isinstance(second, MessageReceived)
    assert content(second) == b"two"
    assert second.end_stream
    assert server.buffered_bytes == 8
    server.consumed(1, 3)
    assert server.buffered_bytes == 0


def test_messages_of_another_stream_do_not_merge() -> None:
    server = make_server()
    chunk = headers(1, REQUEST) + headers(3, REQUEST) + data(1, prefixed(b"one"), end=True)
    first, second, message = server.receive_data(chunk, 0.0)
    assert isinstance(first, RequestOpened)
    assert isinstance(second, RequestOpened)
    assert not first.has_message
    assert not second.has_message
    assert isinstance(message, MessageReceived)
    assert (message.stream_id, message.end_stream, content(message)) == (1, True, b"one")


@pytest.mark.parametrize("at_most", [1, 2, 3])
def test_what_is_left_unread_does_not_merge_and_is_not_lost(at_most: int) -> None:
    server = make_server()
    rest = headers(1, REQUEST) + data(1, prefixed(b"one")) + data(1, prefixed(b"two")) + data(1, b"", end=True)
    events = server.receive_data(rest, 0.0, at_most)
    while server.has_unread:
        events += server.receive_data(b"", 0.0, at_most)
    messages = [content(event) for event in events if isinstance(event, MessageReceived)]
    opened = events[0]
    assert isinstance(opened, RequestOpened)
    if opened.has_message:
        messages.insert(0, content(opened))
    assert messages == [b"one", b"two"]
    last = events[-1]
    assert isinstance(last, HalfClosed) or (isinstance(last, MessageReceived) and last.end_stream)


@pytest.mark.parametrize("at_most", [1, 2, 3, 100])
def test_a_response_is_whole_however_many_events_are_taken_at_a_time(at_most: int) -> None:
    client = client_with_call()
    chunk = headers(1, RESPONSE) + data(1, prefixed(b"answer")) + headers(1, OK_TRAILERS, end=True)
    events: list[Event] = []
    while chunk or client.has_unread:
        more = client.receive_data(chunk, 0.0, at_most)
        chunk = b""
        events += more
        for event in more:
            if isinstance(event, MessageReceived):
                client.consumed(1, event.end - event.start)
    found = [event for event in events if isinstance(event, (MessageReceived, StatusReceived))]
    assert [content(event) for event in found if event.start < event.end] == [b"answer"]
    assert isinstance(events[-1], StatusReceived)
    assert client.buffered_bytes == 0


def test_initial_metadata_is_told_ahead_of_the_status() -> None:
    client = client_with_call()
    head, ended = client.receive_data(
        headers(1, [*RESPONSE, ("k", "v")]) + data(1, prefixed(b"x")) + headers(1, OK_TRAILERS, end=True), 0.0
    )
    assert isinstance(head, HeadersReceived)
    assert head.metadata == Metadata([("k", "v")])
    assert isinstance(ended, StatusReceived)
    assert ended.has_message


TRAILERS = headers(1, OK_TRAILERS, end=True)


@pytest.mark.parametrize(
    ("behind", "later"),
    [
        (b"", TRAILERS),
        (TRAILERS[:5], TRAILERS[5:]),
        (TRAILERS[:-1], TRAILERS[-1:]),
        (frame(HEADERS, END_STREAM, 1, TRAILERS[9:]), frame(CONTINUATION, END_HEADERS, 1)),
        (headers(3, [*RESPONSE, *OK_TRAILERS], end=True), TRAILERS),
        (headers(3, RESPONSE), TRAILERS),
    ],
)
def test_a_message_counts_until_it_is_taken_unless_the_trailers_are_there(behind: bytes, later: bytes) -> None:
    client = client_with_call()
    open_call(client)
    events = client.receive_data(headers(1, RESPONSE) + data(1, prefixed(b"answer")) + behind, 0.0)
    (message,) = [event for event in events if isinstance(event, MessageReceived)]
    assert client.buffered_bytes == 11
    client.consumed(1, 6)
    assert client.buffered_bytes == 0
    ended = client.receive_data(later, 0.0)[-1]
    assert isinstance(ended, StatusReceived)
    assert not ended.has_message
    assert content(message) == b"answer"


def test_only_the_last_of_several_responses_comes_with_the_status() -> None:
    client = client_with_call()
    chunk = headers(1, RESPONSE) + data(1, prefixed(b"x") + prefixed(b"y")) + headers(1, OK_TRAILERS, end=True)
    head, first, ended = client.receive_data(chunk, 0.0)
    assert isinstance(head, HeadersReceived)
    assert isinstance(first, MessageReceived)
    assert isinstance(ended, StatusReceived)
    assert (content(first), content(ended)) == (b"x", b"y")
    assert client.buffered_bytes == 6
    client.consumed(1, 1)
    assert client.buffered_bytes == 0
    client.consumed(1, 1)  # of a call that has ended: no effect


def test_a_status_alone_is_one_frame() -> None:
    server = server_with_call()
    server.receive_data(data(1, b"", end=True), 0.0)
    details = (ErrorDetail("type.googleapis.com/google.protobuf.Empty", b""),)
    status = Status(StatusCode.NOT_FOUND, "no such thing: é", details, Metadata([("k", "v")]))
    assert server.send_status(1, status)
    sent = server.data_to_send()
    assert [(kind, flags & END_STREAM) for kind, flags, *_ in frames(sent)] == [(HEADERS, END_STREAM)]
    client = client_with_call()
    client.half_close(1)
    (ended,) = client.receive_data(sent, 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status == status


def test_a_server_that_has_answered_wants_no_more_of_the_request() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client)
    pair.to_server()
    pair.server.send_status(stream_id, Status(StatusCode.PERMISSION_DENIED, "no"))
    sent = pair.server.data_to_send()
    assert frames(sent)[-1] == (RST_STREAM, 0, stream_id, b"\0\0\0\0")
    pair.client.send_message(stream_id, b"crosses the status", write)
    assert pair.server.receive_data(pair.client.data_to_send(), 0.0) == []
    assert pair.server.buffered_bytes == 0
    (ended,) = pair.client.receive_data(sent, 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.message == "no"
    assert pair.client.send_message(stream_id, b"too late", write), "dropped, not refused"
    pair.client.half_close(stream_id)
    pair.client.reset(stream_id, StatusCode.CANCELLED)
    assert kinds(pair.client.data_to_send()) == [RST_STREAM], "the client agrees that the stream is over"


def test_a_client_breaks_a_call_off() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    pair.client.reset(stream_id, StatusCode.CANCELLED, "not wanted any more")
    assert frames(pair.client.data_to_send()) == [(RST_STREAM, 0, stream_id, b"\0\0\0\x08")]
    (event,) = pair.server.receive_data(rst_stream(stream_id, 8), 0.0)
    assert isinstance(event, StreamReset)
    assert (event.code, event.unprocessed, event.is_local) == (StatusCode.CANCELLED, False, False)
    assert pair.server.send_status(stream_id, OK_STATUS, b"nobody reads it", write)
    assert not pair.server.has_output
    with pytest.raises(LocalProtocolError, match="other than OK"):
        pair.client.reset(stream_id, StatusCode.OK)


def test_a_server_that_breaks_a_call_off_says_why() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    pair.server.send_message(stream_id, b"a", write)
    pair.server.reset(stream_id, StatusCode.UNAVAILABLE, "shutting down")
    pair.settle()
    ended = pair.client_events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status == Status(StatusCode.UNAVAILABLE, "shutting down")


def test_a_call_that_no_handler_saw_comes_back_so() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    pair.server.reset(stream_id, StatusCode.UNAVAILABLE, "shutting down", unprocessed=True)
    pair.settle()
    event = pair.take(pair.client_events, StreamReset)
    assert (event.code, event.unprocessed) == (StatusCode.UNAVAILABLE, True)


def test_a_call_that_was_answered_comes_back_with_a_status_whatever_is_said_of_it() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    pair.server.send_headers(stream_id, EMPTY_METADATA)
    pair.server.reset(stream_id, StatusCode.UNAVAILABLE, "shutting down", unprocessed=True)
    pair.settle()
    ended = pair.client_events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status.message == "shutting down"


@pytest.mark.parametrize(
    ("code", "error_code"),
    [
        (StatusCode.CANCELLED, 8),
        (StatusCode.DEADLINE_EXCEEDED, 8),
        (StatusCode.UNAVAILABLE, 2),
        (StatusCode.INTERNAL, 2),
        (StatusCode.RESOURCE_EXHAUSTED, 11),
    ],
)
def test_what_a_clients_reset_says(code: StatusCode, error_code: int) -> None:
    client = client_with_call()
    client.reset(1, code)
    assert frames(client.data_to_send()) == [(RST_STREAM, 0, 1, error_code.to_bytes(4, "big"))]


@pytest.mark.parametrize(
    ("error_code", "status_code", "unprocessed"),
    [
        (0, StatusCode.INTERNAL, False),
        (1, StatusCode.INTERNAL, False),
        (7, StatusCode.UNAVAILABLE, True),
        (8, StatusCode.CANCELLED, False),
        (11, StatusCode.RESOURCE_EXHAUSTED, False),
        (12, StatusCode.PERMISSION_DENIED, False),
        (0xFFFF_FFFF, StatusCode.INTERNAL, False),
    ],
)
def test_what_a_servers_reset_means(error_code: int, status_code: StatusCode, unprocessed: bool) -> None:
    client = client_with_call()
    (event,) = client.receive_data(rst_stream(1, error_code), 0.0)
    assert isinstance(event, StreamReset)
    assert (event.code, event.unprocessed, event.is_local) == (status_code, unprocessed, False)
    assert client.active_streams == 0


def test_a_reset_behind_a_whole_response_is_no_failure() -> None:
    client = client_with_call()
    chunk = headers(1, RESPONSE) + headers(1, OK_TRAILERS, end=True) + rst_stream(1, 0)
    (ended,) = client.receive_data(chunk, 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status == OK_STATUS


def test_a_failing_encoder_leaves_nothing_behind() -> None:
    pair = make_pair()
    for attempt in range(2):  # the second has nothing new for the table of header fields
        with pytest.raises(EncoderError):
            pair.client.open(pair.client.route(PATH), -1, EMPTY_METADATA, b"x", failing)
        assert pair.client.active_streams == 0
        pair.settle()
        if attempt:
            assert pair.server_events == []
        pair.server_events.clear()
    stream_id = open_call(pair.client, b"fine")
    with pytest.raises(EncoderError):
        pair.client.send_message(stream_id, b"x" * 100_000, failing)
    pair.client.send_message(stream_id, b"good", write)
    pair.settle()
    assert content(pair.take(pair.server_events, RequestOpened)) == b"fine"
    assert content(pair.take(pair.server_events, MessageReceived)) == b"good"
    with pytest.raises(EncoderError):
        pair.server.send_message(stream_id, b"x", failing)
    with pytest.raises(EncoderError):
        pair.server.send_status(stream_id, OK_STATUS, b"x", failing)
    assert pair.server.active_streams == 1, "the call is still to be ended"
    pair.server.send_status(stream_id, Status(StatusCode.INTERNAL, "cannot encode"))
    pair.settle()
    assert pair.take(pair.client_events, StatusReceived).status.message == "cannot encode"


def test_a_failing_encoder_takes_the_head_with_it() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x", end=True)
    pair.settle()
    pair.server.send_status(stream_id, OK_STATUS, b"x", write)  # from now on there is nothing new for the table
    stream_id = open_call(pair.client, b"x", end=True)
    pair.settle()
    with pytest.raises(EncoderError):
        pair.server.send_message(stream_id, b"x", failing)
    assert not pair.server.has_output
    pair.server.send_headers(stream_id, Metadata([("k", "v")]))
    pair.client_events.clear()
    pair.settle()
    assert pair.take(pair.client_events, HeadersReceived).metadata == Metadata([("k", "v")])


def test_headers_of_a_failed_call_that_changed_the_table_reach_the_server() -> None:
    pair = make_pair()
    with pytest.raises(EncoderError):
        pair.client.open(pair.client.route(PATH), -1, EMPTY_METADATA, b"x", failing)
    assert kinds(pair.client.data_to_send()) == [HEADERS, RST_STREAM]
    with pytest.raises(EncoderError):
        pair.client.open(pair.client.route(PATH), -1, EMPTY_METADATA, b"x", failing)
    assert not pair.client.has_output


def test_what_cannot_be_sent_any_more() -> None:
    server = server_with_call()
    server.send_message(1, b"x", write)
    with pytest.raises(LocalProtocolError, match="too late to send headers"):
        server.send_headers(1, EMPTY_METADATA)
    with pytest.raises(LocalProtocolError, match="client's to send"):
        server.send_message(1, b"x", write, True)
    with pytest.raises(LocalProtocolError, match="never opened"):
        server.send_headers(3, EMPTY_METADATA)
    with pytest.raises(LocalProtocolError, match="never opened"):
        server.send_status(3, OK_STATUS)
    client = make_client()
    for stream_id in (1, 0, -1, 2):
        with pytest.raises(LocalProtocolError, match="never opened"):
            client.send_message(stream_id, b"x", write)
        with pytest.raises(LocalProtocolError, match="has not ended"):
            client.discard(stream_id)


def test_a_message_over_our_own_limit_is_not_sent() -> None:
    client = make_client(Settings(max_message_bytes=1000))
    assert client.max_message_bytes == 1000
    with pytest.raises(MessageTooLarge, match="message of 1001 bytes"):
        open_call(client, bytes(1001))
    assert client.active_streams == 0
    open_call(client, bytes(1000))


def test_metadata_over_the_peers_limit_is_not_sent() -> None:
    client = make_client(None, (6, 400))
    with pytest.raises(MetadataTooLarge):
        open_call(client, b"x", metadata=Metadata([("k", "v" * 400)]))
    assert not client.has_output
    assert client.active_streams == 0
    server = server_with_call(None, (6, 400))
    with pytest.raises(MetadataTooLarge):
        server.send_headers(1, Metadata([("k", "v" * 400)]))
    assert not server.has_output
    server.send_status(1, Status(StatusCode.INTERNAL, "x" * 1000))
    (ended,) = client_with_call().receive_data(server.data_to_send(), 0.0)[:1]
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.INTERNAL


def test_a_server_may_allow_fewer_calls_and_more_again() -> None:
    client = make_client(None, (3, 1))
    open_call(client)
    assert not client.can_open
    with pytest.raises(StreamsExhausted, match="peer allows 1"):
        open_call(client)
    (event,) = client.receive_data(settings((3, 2)), 0.0)
    assert isinstance(event, SettingsReceived)
    assert event.max_streams == client.max_streams == 2
    open_call(client)
    (event,) = client.receive_data(settings((3, 0)), 0.0)
    assert isinstance(event, SettingsReceived)
    assert event.max_streams == 0
    with pytest.raises(StreamsExhausted, match="peer allows 0"):
        open_call(client)
    assert client.receive_data(settings((4, 70_000)), 0.0) == [], "nothing that a driver has to know"


def test_stream_ids_are_used_up() -> None:
    client = make_client()
    client._link.last_stream_id = 2**31 - 3
    assert open_call(client, end=True) == 2**31 - 1
    with pytest.raises(StreamsExhausted, match="used up"):
        open_call(client)


def test_calls_over_our_limit_come_back_unprocessed() -> None:
    pair = make_pair(None, Settings(max_streams=1))
    pair.client._link.max_streams = 10  # as before the server's SETTINGS arrived
    first, second = open_call(pair.client), open_call(pair.client, b"x")
    pair.settle()
    assert [event.stream_id for event in pair.server_events] == [first]
    event = pair.take(pair.client_events, StreamReset)
    assert (event.stream_id, event.code, event.unprocessed) == (second, StatusCode.UNAVAILABLE, True)
    assert pair.server.buffered_bytes == 0


@pytest.mark.parametrize(
    ("fields", "http_status", "code"),
    [
        ([*REQUEST[1:], (":method", "GET")], "405", None),
        ([*REQUEST[:-1], ("content-type", "text/html")], "415", None),
        ([*REQUEST, ("grpc-timeout", "soon")], "200", StatusCode.INTERNAL),
    ],
)
def test_requests_that_are_no_calls_are_answered(
    fields: list[tuple[str, str]], http_status: str, code: StatusCode | None
) -> None:
    server = make_server()
    fields = sorted(fields, key=lambda pair: not pair[0].startswith(":"))
    assert server.receive_data(headers(1, fields), 0.0) == []
    assert server.active_streams == 0
    sent = server.data_to_send()
    assert kinds(sent) == [HEADERS, RST_STREAM]
    client = client_with_call()
    ended = client.receive_data(sent, 0.0)[0]
    assert isinstance(ended, StatusReceived)
    if code is not None:
        assert ended.status.code == code
    else:
        assert ended.status.code != StatusCode.OK
    assert server.receive_data(data(1, prefixed(b"crosses it")), 0.0) == []
    assert server.buffered_bytes == 0


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_response_that_is_not_grpc_ends_the_call(has_ended: bool) -> None:
    client = client_with_call()
    if has_ended:
        client.half_close(1)
        client.data_to_send()
    (ended,) = client.receive_data(headers(1, [(":status", "503"), ("content-type", "text/html")]), 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.UNAVAILABLE
    assert frames(client.data_to_send()) == [(RST_STREAM, 0, 1, b"\0\0\0\x08")]
    assert client.receive_data(data(1, b"<html>"), 0.0) == []
    assert client.buffered_bytes == 0


def test_informational_responses_are_passed_over() -> None:
    client = client_with_call()
    assert client.receive_data(headers(1, [(":status", "103")]), 0.0) == []
    (head,) = client.receive_data(headers(1, RESPONSE), 0.0)
    assert isinstance(head, HeadersReceived)


def test_a_response_without_a_status_is_unknown() -> None:
    client = client_with_call()
    chunk = headers(1, RESPONSE) + data(1, prefixed(b"x"), end=True)
    events = client.receive_data(chunk, 0.0)
    ended = events[-1]
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.UNKNOWN
    assert "without a grpc-status" in ended.status.message


@pytest.mark.parametrize(("count", "is_right"), [(5, False), (6, True), (7, False)])
def test_a_response_has_as_many_bytes_as_its_content_length_says(count: int, is_right: bool) -> None:
    for between in (b"", data(1, b"")):
        client = client_with_call()
        head = headers(1, [*RESPONSE, ("content-length", str(count))])
        chunk = head + data(1, prefixed(b"x")) + between + headers(1, OK_TRAILERS, end=True)
        ended = client.receive_data(chunk, 0.0)[-1]
        assert isinstance(ended, StatusReceived if is_right else StreamReset)
        if isinstance(ended, StreamReset):
            assert ended.reason == "PROTOCOL_ERROR: the bytes of DATA are not as many as its content-length said"


def test_trailers_of_a_request_end_it() -> None:
    server = server_with_call()
    (event,) = server.receive_data(headers(1, [("k", "v")], end=True), 0.0)
    assert isinstance(event, HalfClosed)


def test_a_long_response_arrives_ahead_of_its_status() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client)
    pair.settle()
    message = bytes(60_000)
    assert pair.server.send_message(stream_id, message, write)
    pair.server.send_status(stream_id, OK_STATUS)
    pair.settle()
    received = [event for event in pair.client_events if isinstance(event, (MessageReceived, StatusReceived))]
    assert content(received[0]) == message
    assert isinstance(pair.client_events[-1], StatusReceived)
