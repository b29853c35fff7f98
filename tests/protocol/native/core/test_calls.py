"""Calls: what each side may do when, what the other is told, and what is refused."""

from __future__ import annotations

import tracemalloc

import pytest
from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.event import (
    ConnectionLost,
    GoAwayReceived,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.native.core import (
    Connection,
    LocalProtocolError,
    MessageTooLarge,
    MetadataTooLarge,
    RemoteProtocolError,
    Settings,
    StreamsExhausted,
)
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.core.frame import (
    GOAWAY,
    HALF_CLOSE,
    HEADER_BYTES,
    HEADERS,
    MAX_STREAM_ID,
    MESSAGE,
    OPEN,
    PING,
    PONG,
    RESET,
    STATUS,
)
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode
from tests.support.core_pair import content, frame, frames, make_client, make_pair, make_server, write

OPEN_PAYLOAD = b"\x01\x00" + b"\xff" * 8
EMPTY_BLOCK = b"\x02\x00\x00\x00\x00\x00"


def server_with_call(settings: Settings | None = None) -> Connection:
    """A server on which stream 1 is open."""
    server = make_server(settings)
    server.receive_data(frame(OPEN, 0, 1, OPEN_PAYLOAD), 0.0)
    return server


def client_with_call(settings: Settings | None = None) -> Connection:
    """A client on which stream 1 is open."""
    client = make_client(settings)
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    client.data_to_send()
    return client


def test_a_unary_call_is_one_frame_and_one_event_each_way() -> None:
    pair = make_pair()
    stream_id = pair.client.open(0, 5, EMPTY_METADATA, b"question", write)
    request = pair.client.data_to_send()
    assert len(request) == HEADER_BYTES + 10 + 8
    (opened,) = pair.server.receive_data(request, 0.0)
    assert pair.server.send_status(stream_id, OK_STATUS, b"answer", write)
    response = pair.server.data_to_send()
    assert len(response) == HEADER_BYTES + 6
    (ended,) = pair.client.receive_data(response, 0.0)
    assert isinstance(opened, MethodOpened)
    assert isinstance(ended, StatusReceived)
    assert pair.client.active_streams == pair.server.active_streams == 0


def test_a_bidirectional_call() -> None:
    pair = make_pair()
    stream_id = pair.client.open(1, -1, EMPTY_METADATA, b"first", write, False)
    pair.settle()
    opened = pair.take(pair.server_events, MethodOpened)
    assert content(opened) == b"first"
    assert not opened.end_stream
    pair.server.send_headers(stream_id, Metadata([("from", "server")]))
    pair.server.send_message(stream_id, b"a", write)
    pair.client.send_message(stream_id, b"second", write)
    pair.client.half_close(stream_id)
    pair.settle()
    assert pair.take(pair.client_events, HeadersReceived).metadata == Metadata([("from", "server")])
    assert content(pair.take(pair.client_events, MessageReceived)) == b"a"
    assert content(pair.take(pair.server_events, MessageReceived)) == b"second"
    assert pair.take(pair.server_events, HalfClosed).stream_id == stream_id
    status = Status(StatusCode.OK, "", (), Metadata([("t", "1")]))
    pair.server.send_status(stream_id, status, b"last", write)
    pair.settle()
    ended = pair.take(pair.client_events, StatusReceived)
    assert ended.status == status
    assert content(ended) == b"last"


@pytest.mark.parametrize("size", [0, 1, 245, 246, 255, 256, 65_525, 65_526, 65_535, 65_536, 131_061, 131_062, 300_000])
def test_messages_of_every_length_class_arrive(size: int) -> None:
    limits = Settings(max_frame_bytes=2**20)
    pair = make_pair(limits, limits)
    message = bytes(range(251)) * (size // 251 + 1)
    stream_id = pair.client.open(0, -1, EMPTY_METADATA, message[:size], write)
    sent = frames(pair.client.data_to_send())
    assert max(len(payload) for *_, payload in sent) <= 131_072
    assert (len(sent) == 1) == (size + 10 <= 131_072)
    (received,) = [
        event
        for kind, flags, number, payload in sent
        for event in pair.server.receive_data(frame(kind, flags, number, payload), 0.0)
        if isinstance(event, MessageReceived) or (isinstance(event, MethodOpened) and event.has_message)
    ]
    assert content(received) == message[:size]
    pair.server.send_status(stream_id, OK_STATUS, message[:size], write)
    pair.to_client()
    body = pair.client_events[0]
    assert isinstance(body, (MessageReceived, StatusReceived))
    assert content(body) == message[:size]


def test_the_client_is_told_that_the_call_is_over_before_it_ended_it() -> None:
    pair = make_pair()
    stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
    pair.settle()
    pair.server.send_status(stream_id, Status(StatusCode.PERMISSION_DENIED, "no"))
    pair.client.send_message(stream_id, b"crosses the status", write)
    pair.client.half_close(stream_id)
    pair.server_events.clear()
    pair.settle()
    assert pair.take(pair.client_events, StatusReceived).status.message == "no"
    assert pair.server_events == []
    assert pair.client.send_message(stream_id, b"too late", write), "dropped, not refused"
    pair.client.half_close(stream_id)
    pair.client.reset(stream_id, StatusCode.CANCELLED)
    assert not pair.client.has_output


def test_reset_ends_the_call_on_both_sides() -> None:
    pair = make_pair()
    stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
    pair.settle()
    pair.server_events.clear()
    pair.client.reset(stream_id, StatusCode.CANCELLED, "the caller left")
    pair.server.send_message(stream_id, b"crosses the reset", write)
    pair.settle()
    event = pair.take(pair.server_events, StreamReset)
    assert (event.code, event.reason) == (StatusCode.CANCELLED, "the caller left")
    assert not event.is_local
    assert pair.client_events == []
    assert pair.server.send_status(stream_id, OK_STATUS), "dropped, not refused"
    pair.server.send_headers(stream_id, EMPTY_METADATA)
    assert not pair.server.has_output
    with pytest.raises(LocalProtocolError, match="other than OK"):
        pair.client.reset(stream_id, StatusCode.OK)


def test_a_reason_is_cut_to_its_limit_between_characters() -> None:
    client = client_with_call()
    client.reset(1, StatusCode.CANCELLED, "ü" * 600 + "x")
    ((kind, _, _, payload),) = frames(client.data_to_send())
    assert kind == RESET
    assert payload == b"\x01" + ("ü" * 512).encode()


def test_calls_beyond_the_peers_limit_are_refused_on_both_sides() -> None:
    pair = make_pair(server=Settings(max_streams=2))
    for _ in range(2):
        pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
    assert not pair.client.can_open
    with pytest.raises(StreamsExhausted, match="2 calls are in flight, the peer allows 2"):
        pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
    pair.settle()
    assert pair.server.receive_data(frame(OPEN, 0, 3, OPEN_PAYLOAD), 0.0) == []
    assert pair.server.receive_data(frame(MESSAGE, 0, 3, b"ignored"), 0.0) == []
    ((kind, flags, stream_id, payload),) = frames(pair.server.data_to_send())
    assert (kind, flags, stream_id, payload[0]) == (RESET, 0x01, 3, StatusCode.RESOURCE_EXHAUSTED)
    pair.client.reset(1, StatusCode.CANCELLED)
    assert pair.client.can_open


def test_refusals_reach_the_client_as_unprocessed() -> None:
    client = client_with_call()
    (event,) = client.receive_data(frame(RESET, 0x01, 1, b"\x08full"), 0.0)
    assert isinstance(event, StreamReset)
    assert event.unprocessed
    assert event.reason == "full"


def test_refusals_that_are_never_read_end_the_connection() -> None:
    server = make_server(Settings(max_streams=1, max_reply_bytes=2000))
    server.receive_data(frame(OPEN, 0, 1, OPEN_PAYLOAD), 0.0)
    with pytest.raises(RemoteProtocolError, match="bytes of answers unread"):
        for stream_id in range(2, 100):
            server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD), 0.0)


def test_they_count_over_all_that_was_sent_while_the_client_takes_less_than_that() -> None:
    server = make_server(Settings(max_streams=1, max_reply_bytes=2000))
    server.receive_data(frame(OPEN, 0, 1, OPEN_PAYLOAD), 0.0)

    def refuse(first: int, count: int) -> None:
        for stream_id in range(first, first + count):
            server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD), 0.0)
            assert server.data_to_send()

    refuse(2, 100)
    server.set_blocked(True)
    with pytest.raises(RemoteProtocolError, match="bytes of answers unread"):
        refuse(102, 100)


def test_what_the_client_took_counts_no_more() -> None:
    server = make_server(Settings(max_streams=1, max_reply_bytes=2000))
    server.receive_data(frame(OPEN, 0, 1, OPEN_PAYLOAD), 0.0)
    for stream_id in range(2, 300):
        server.set_blocked(stream_id % 10 != 0)
        server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD), 0.0)
        assert server.data_to_send()
    assert not server.is_closed


def test_stream_ids_run_out() -> None:
    client = make_client()
    client._link.last_stream_id = MAX_STREAM_ID - 1
    assert client.open(1, -1, EMPTY_METADATA, None, None) == MAX_STREAM_ID
    with pytest.raises(StreamsExhausted, match="used up"):
        client.open(1, -1, EMPTY_METADATA, None, None)


def test_rapid_resets_end_the_connection() -> None:
    server = make_server(Settings(max_streams=5, max_resets_per_s=10))

    def cycle(stream_id: int, now: float) -> None:
        server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD) + frame(RESET, 0, stream_id, b"\x01"), now)

    for number in range(15):
        cycle(number + 1, 0.0)
    cycle(20, 0.1)
    with pytest.raises(RemoteProtocolError, match="more than 10 per second") as caught:
        cycle(21, 0.1)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED


def test_resets_of_calls_that_have_ended_are_not_counted() -> None:
    server = make_server(Settings(max_streams=1, max_resets_per_s=1))
    for stream_id in range(1, 50):
        server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD), 0.0)
        server.send_status(stream_id, OK_STATUS)
        assert server.receive_data(frame(RESET, 0, stream_id, b"\x01"), 0.0) == []


class TestGoAway:
    """An orderly end, and a disorderly one."""

    def test_calls_that_cross_it_are_known_to_be_unprocessed(self) -> None:
        pair = make_pair()
        first = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
        pair.settle()
        pair.server_events.clear()
        second = pair.client.open(1, -1, EMPTY_METADATA, b"crosses", write, False)
        third = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
        pair.server.go_away(StatusCode.OK, "drain")
        assert pair.server.is_draining
        pair.settle()
        event = pair.take(pair.client_events, GoAwayReceived)
        assert event.last_stream_id == first
        assert event.unprocessed == (second, third)
        assert not event.is_too_many_pings
        assert pair.server_events == []
        assert pair.client.active_streams == pair.server.active_streams == 1
        assert pair.client.is_draining
        assert not pair.client.can_open
        with pytest.raises(LocalProtocolError, match="takes no new calls"):
            pair.client.open(1, -1, EMPTY_METADATA, None, None)
        assert pair.client.send_message(second, b"dropped", write)
        pair.client.send_message(first, b"goes on", write)
        pair.settle()
        assert content(pair.take(pair.server_events, MessageReceived)) == b"goes on"
        pair.server.send_status(first, OK_STATUS)
        pair.settle()
        pair.take(pair.client_events, StatusReceived)

    def test_a_second_one_does_not_raise_the_last_stream(self) -> None:
        pair = make_pair()
        pair.server.go_away()
        pair.client.open(1, -1, EMPTY_METADATA, None, None)
        pair.to_server()
        pair.server.go_away(StatusCode.UNAVAILABLE, "now")
        said = frames(pair.server.data_to_send())
        assert [(kind, payload[:5]) for kind, _, _, payload in said] == [
            (GOAWAY, b"\0\0\0\0\0"),
            (GOAWAY, b"\0\0\0\0\x0e"),
        ]

    def test_a_client_says_it_too(self) -> None:
        pair = make_pair()
        stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
        pair.client.go_away(StatusCode.OK, "closing")
        pair.settle()
        pair.take(pair.server_events, MethodOpened)
        event = pair.take(pair.server_events, GoAwayReceived)
        assert (event.last_stream_id, event.unprocessed, event.reason) == (0, (), "closing")
        pair.server.send_status(stream_id, OK_STATUS)
        pair.settle()
        pair.take(pair.client_events, StatusReceived)

    def test_a_closed_connection_does_nothing(self) -> None:
        pair = make_pair()
        stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
        pair.client.data_to_send()
        pair.client.close()
        assert pair.client.is_closed
        assert pair.client.active_streams == 0
        assert pair.client.receive_data(frame(PING, 0, 0, bytes(8)), 0.0) == []
        assert pair.client.send_message(stream_id, b"x", write)
        pair.client.reset(stream_id, StatusCode.CANCELLED)
        pair.client.consumed(stream_id, 5)
        assert not pair.client.has_output
        pair.client.close()
        for act in (pair.client.go_away, lambda: pair.client.open(1, -1, EMPTY_METADATA, None, None)):
            with pytest.raises(LocalProtocolError):
                act()
        assert repr(pair.client) == "<Connection client, closed, 0 streams, 0 waiting>"

    def test_events_show_what_they_hold(self) -> None:
        client = client_with_call()
        (event,) = client.receive_data(frame(RESET, 0x01, 1, b"\x0efull"), 0.0)
        code = "<StatusCode.UNAVAILABLE: 14>"
        assert repr(event) == f"StreamReset(code={code}, is_local=False, reason='full', stream_id=1, unprocessed=True)"

    def test_the_end_of_the_stream_is_an_event(self) -> None:
        pair = make_pair()
        (event,) = pair.client.receive_eof(0.0)
        assert isinstance(event, ConnectionLost)
        assert not event.is_timeout


class TestLimitsOfThePeer:
    """What the peer would refuse is not sent."""

    def test_a_message_over_the_limit(self) -> None:
        client = make_client(server={2: 1000})
        with pytest.raises(MessageTooLarge, match="message of 1001 bytes is too long, the limit is 1000"):
            client.open(1, -1, EMPTY_METADATA, bytes(1001), write)
        assert client.active_streams == 0
        stream_id = client.open(1, -1, EMPTY_METADATA, None, None, False)
        assert stream_id == 1, "the failed one took no id"
        client.data_to_send()
        with pytest.raises(MessageTooLarge) as caught:
            client.send_message(stream_id, bytes(1001), write, True)
        assert (caught.value.size, caught.value.limit) == (1001, 1000)
        assert not client.has_output
        assert client.send_message(stream_id, bytes(1000), write, True), "the call goes on"

    def test_a_reply_over_the_limit_leaves_the_call_open(self) -> None:
        server = make_server(client={2: 1000})
        server.receive_data(frame(OPEN, 1, 1, OPEN_PAYLOAD), 0.0)
        with pytest.raises(MessageTooLarge):
            server.send_status(1, OK_STATUS, bytes(1001), write)
        assert not server.has_output
        assert server.send_status(1, Status(StatusCode.RESOURCE_EXHAUSTED, "too large"))
        assert [kind for kind, *_ in frames(server.data_to_send())] == [STATUS]

    def test_metadata_over_the_limit(self) -> None:
        client = make_client(server={4: 100})
        metadata = Metadata([("key", "v" * 100)])
        with pytest.raises(MetadataTooLarge, match="metadata of 110 bytes is over the peer's limit of 100"):
            client.open(1, -1, metadata, b"x", write)
        assert not client.has_output
        server = make_server(client={4: 100})
        server.receive_data(frame(OPEN, 1, 1, OPEN_PAYLOAD), 0.0)
        with pytest.raises(MetadataTooLarge):
            server.send_headers(1, metadata)
        assert not server.has_output
        server.send_headers(1, Metadata([("key", "v")]))

    def test_trailers_over_the_limit_are_left_out_and_the_text_says_so(self) -> None:
        pair = make_pair(client=Settings(max_metadata_bytes=100))
        stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None)
        pair.settle()
        trailers = Metadata([("key", "v" * 100)])
        pair.server.send_status(stream_id, Status(StatusCode.NOT_FOUND, "gone", (), trailers))
        pair.settle()
        status = pair.take(pair.client_events, StatusReceived).status
        assert status.code == StatusCode.NOT_FOUND
        assert status.message == "gone... [cut: 103 bytes of trailers]"
        assert status.trailers == EMPTY_METADATA

    def test_a_status_larger_than_a_frame_is_cut_down(self) -> None:
        pair = make_pair()
        stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None)
        pair.settle()
        details = (ErrorDetail("type", bytes(70_000)),)
        pair.server.send_status(stream_id, Status(StatusCode.INTERNAL, "é" * 50_000, details))
        pair.settle()
        status = pair.take(pair.client_events, StatusReceived).status
        assert status.code == StatusCode.INTERNAL
        assert status.message.startswith("é" * 5_000)
        assert status.message.endswith(" bytes]... [cut: 70004 bytes of details]")
        assert status.details == ()

    def test_a_timeout_that_the_frame_cannot_hold_leaves_nothing_behind(self) -> None:
        client = make_client()
        for timeout_us in (2**63, 10**400):
            with pytest.raises((ValueError, OverflowError)):
                client.open(0, timeout_us, EMPTY_METADATA, b"request", write, True)
        assert not client.has_output
        assert client.open(0, -1, EMPTY_METADATA, b"request", write, True) == 1
        assert [kind for kind, *_ in frames(client.data_to_send())] == [OPEN]

    def test_a_failing_encoder_leaves_nothing_behind(self) -> None:
        def fail(message: bytes, writer: BytesWriter) -> None:
            writer.write(message)
            raise ValueError("cannot be encoded")

        pair = make_pair()
        for _ in range(2):
            with pytest.raises(ValueError, match="cannot be encoded"):
                pair.client.open(1, -1, Metadata([("a", "b")]), b"half", fail)
        stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
        with pytest.raises(ValueError, match="cannot be encoded"):
            pair.client.send_message(stream_id, b"half", fail, True)
        pair.client.send_message(stream_id, b"whole", write)
        pair.settle()
        assert stream_id == 1
        assert pair.take(pair.server_events, MethodOpened).metadata == EMPTY_METADATA
        assert content(pair.take(pair.server_events, MessageReceived)) == b"whole"
        with pytest.raises(ValueError, match="cannot be encoded"):
            pair.server.send_status(stream_id, OK_STATUS, b"half", fail)
        pair.server.send_status(stream_id, OK_STATUS, b"whole", write)
        pair.settle()
        assert content(pair.take(pair.client_events, StatusReceived)) == b"whole"


class TestMisuse:
    """Bugs of the driver are told apart from bugs of the peer."""

    def test_roles(self) -> None:
        server, client = server_with_call(), client_with_call()
        with pytest.raises(LocalProtocolError, match="only a client opens"):
            server._sender.link.peer = client.peer_settings
            server.open(0, -1, EMPTY_METADATA, None, None)
        with pytest.raises(LocalProtocolError, match="half-close is the client's"):
            server.half_close(1)
        with pytest.raises(LocalProtocolError, match="headers and status are the server's"):
            client.send_headers(1, EMPTY_METADATA)
        with pytest.raises(LocalProtocolError, match="headers and status are the server's"):
            client.send_status(1, OK_STATUS)

    def test_streams_that_never_were(self) -> None:
        for connection in (server_with_call(), client_with_call()):
            for stream_id in (0, 2, -1):
                with pytest.raises(LocalProtocolError, match="never opened"):
                    connection.send_message(stream_id, b"", write)

    def test_too_late(self) -> None:
        client = client_with_call()
        client.half_close(1)
        with pytest.raises(LocalProtocolError, match="stream 1 is half-closed: too late"):
            client.send_message(1, b"", write)
        with pytest.raises(LocalProtocolError, match="too late"):
            client.half_close(1)
        server = server_with_call()
        server.send_message(1, b"", write)
        with pytest.raises(LocalProtocolError, match="stream 1 is answered: too late"):
            server.send_headers(1, EMPTY_METADATA)

    def test_a_refused_act_changes_nothing(self) -> None:
        server = server_with_call()
        server.send_message(1, b"x", write)
        server.data_to_send()
        with pytest.raises(LocalProtocolError):
            server.send_headers(1, EMPTY_METADATA)
        assert not server.has_output

    def test_a_second_status_behind_one_that_waits(self) -> None:
        server = make_server(client={5: 16_384})
        server.receive_data(frame(OPEN, 1, 1, OPEN_PAYLOAD), 0.0)
        assert not server.send_status(1, OK_STATUS, bytes(100_000), write)
        with pytest.raises(LocalProtocolError, match="a message or status waiting"):
            server.send_status(1, OK_STATUS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(STATUS, 0, 1), "STATUS from a client"),
        (frame(HEADERS, 0, 1, EMPTY_BLOCK), "HEADERS from a client"),
        (frame(OPEN, 0, 1, OPEN_PAYLOAD), "OPEN of stream 1: ids have to rise, the last one was 1"),
        (frame(OPEN, 0, 0, OPEN_PAYLOAD), "OPEN of stream 0"),
        (frame(OPEN, 0, 2**31, OPEN_PAYLOAD), "ids have to rise"),
        (frame(OPEN, 0x10, 2, OPEN_PAYLOAD), "flags 0x10, which mean nothing"),
        (frame(OPEN, 0x08, 2, OPEN_PAYLOAD + b"\x01"), "flags 0x08, which mean nothing"),
        (frame(OPEN, 0, 2, OPEN_PAYLOAD[:9]), "OPEN of 9 bytes"),
        (frame(OPEN, 0, 2, OPEN_PAYLOAD + b"x"), "1 bytes behind its last field"),
        (frame(OPEN, 0, 2, b"\0\0" + (-2).to_bytes(8, "little", signed=True)), "timeout of -2 microseconds"),
        (frame(OPEN, 0x04, 2, OPEN_PAYLOAD), "metadata block cut short"),
        (frame(OPEN, 0x0A, 2, OPEN_PAYLOAD + b"\x01x"), "compressed with algorithm 1, we offered"),
        (frame(OPEN, 0x0A, 2, OPEN_PAYLOAD), "without the id of its compression"),
        (frame(MESSAGE, 0, 0, b"x"), "MESSAGE on stream 0, which was never opened"),
        (frame(MESSAGE, 0, 2, b"x"), "MESSAGE on stream 2, which was never opened"),
        (frame(MESSAGE, 0x11, 1, b"x"), "flags 0x11"),
        (frame(MESSAGE, 0x02, 1, b"x"), "flags 0x02"),
        (frame(MESSAGE, 0x10, 1), "an empty part"),
        (frame(MESSAGE, 0x10, 1, b"x") + frame(MESSAGE, 0, 1), "an empty part"),
        (frame(MESSAGE, 0x08, 1), "without the id of its compression"),
        (frame(MESSAGE, 0x08, 1, b"\x02x"), "compressed with algorithm 2, we offered"),
        (frame(MESSAGE, 0x10, 1, b"x") + frame(MESSAGE, 0x08, 1, b"\x03"), "in the middle of a message"),
        (frame(MESSAGE, 0x18, 1, b"\x03"), "an empty part"),
        (frame(MESSAGE, 0x10, 1, b"x") + frame(HALF_CLOSE, 0, 1), "HALF_CLOSE of stream 1 in the middle"),
        (frame(MESSAGE, 0x01, 1, b"x") + frame(MESSAGE, 0, 1, b"x"), "MESSAGE on stream 1, which is half-closed"),
        (frame(HALF_CLOSE, 0, 1) * 2, "HALF_CLOSE on stream 1, which is half-closed"),
        (frame(HALF_CLOSE, 0x01, 1), "HALF_CLOSE of stream 1 with flags"),
        (frame(HALF_CLOSE, 0, 1, b"x"), "or a payload"),
        (frame(HALF_CLOSE, 0, 5), "HALF_CLOSE on stream 5, which was never opened"),
        (frame(RESET, 0, 1, b""), "RESET of 0 bytes"),
        (frame(RESET, 0, 1, b"\x00"), "with code OK"),
        (frame(RESET, 0, 1, b"\x01" + bytes(1025)), "RESET of 1026 bytes: it takes from 1 to 1025"),
        (frame(RESET, 0, 1, b"\x01\xff"), "not UTF-8"),
        (frame(RESET, 0x02, 1, b"\x01"), "RESET of stream 1 with flags 0x02"),
        (frame(RESET, 0, 5, b"\x01"), "RESET on stream 5, which was never opened"),
        (frame(8, 0, 5, b"\x01\0\0\0"), "CREDIT on stream 5, which was never opened"),
        (frame(8, 0, 0, b"\x01\0\0"), "CREDIT of 3 bytes: it takes 4"),
        (frame(PING, 0, 0, bytes(7)), "PING of 7 bytes: it takes 8"),
        (frame(PING, 0, 1, bytes(8)), "PING on stream 1: it belongs on stream 0"),
        (frame(PONG, 0, 0, bytes(9)), "PONG of 9 bytes"),
        (frame(PONG, 0x01, 0, bytes(8)), "PONG with flags 0x01"),
        (frame(GOAWAY, 0, 0, bytes(4)), "GOAWAY of 4 bytes"),
        (frame(GOAWAY, 0, 0, b"\xff\xff\xff\xff\0"), "names stream 4294967295"),
        (frame(0), "frame of unknown type 0"),
        (frame(0x7F), "frame of unknown type 127"),
    ],
)
def test_what_a_client_must_not_send(data: bytes, reason: str) -> None:
    server = server_with_call(Settings(compressions=(3,)))
    with pytest.raises(RemoteProtocolError, match=reason):
        server.receive_data(data, 0.0)
    assert server.is_closed


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(OPEN, 0, 2, OPEN_PAYLOAD), "OPEN from a server"),
        (frame(HALF_CLOSE, 0, 1), "HALF_CLOSE from a server"),
        (frame(STATUS, 0, 2), "STATUS on stream 2, which was never opened"),
        (frame(STATUS, 0x01, 1), "flags 0x01"),
        (frame(STATUS, 0x08, 1), "flags 0x08"),
        (frame(STATUS, 0, 1, b"x"), "1 bytes behind its last field"),
        (frame(STATUS, 0x40, 1, bytes(12)), "status cut short"),
        (frame(MESSAGE, 0x10, 1, b"x") + frame(STATUS, 0, 1), "STATUS OK of stream 1 in the middle"),
        (frame(MESSAGE, 0x01, 1, b"x"), "flags 0x01"),
        (frame(HEADERS, 0x01, 1, EMPTY_BLOCK), "flags 0x01"),
        (frame(HEADERS, 0, 1, EMPTY_BLOCK + b"x"), "1 bytes behind its metadata"),
        (frame(HEADERS, 0, 1, EMPTY_BLOCK) * 2, "HEADERS on stream 1, which is answered"),
        (frame(MESSAGE, 0, 1) + frame(HEADERS, 0, 1, EMPTY_BLOCK), "HEADERS on stream 1, which is answered"),
        (frame(HEADERS, 0, 9, EMPTY_BLOCK), "HEADERS on stream 9, which was never opened"),
    ],
)
def test_what_a_server_must_not_send(data: bytes, reason: str) -> None:
    client = client_with_call()
    with pytest.raises(RemoteProtocolError, match=reason):
        client.receive_data(data, 0.0)
    assert client.is_closed


def test_frames_of_ended_calls_are_ignored() -> None:
    client = client_with_call()
    client.receive_data(frame(STATUS, 0, 1), 0.0)
    late = [
        frame(STATUS, 0x40, 1, b"nonsense"),
        frame(HEADERS, 0, 1),
        frame(MESSAGE, 0, 1, b"x"),
        frame(RESET, 0, 1, b"\x01"),
        frame(8, 0, 1, b"\x01\0\0\0"),
    ]
    assert client.receive_data(b"".join(late), 0.0) == []
    server = server_with_call()
    server.send_status(1, OK_STATUS)
    assert (
        server.receive_data(frame(MESSAGE, 0, 1, b"x") + frame(HALF_CLOSE, 0, 1) + frame(RESET, 0, 1, b"\x01"), 0.0)
        == []
    )


def test_an_unknown_status_code_is_unknown() -> None:
    client = client_with_call()
    status = b"\xc8" + bytes(4) + bytes(2) + EMPTY_BLOCK
    (event,) = client.receive_data(frame(STATUS, 0x40, 1, status), 0.0)
    assert isinstance(event, StatusReceived)
    assert event.status.code == StatusCode.UNKNOWN


def test_many_large_replies_do_not_make_the_output_quadratic() -> None:
    """Cutting messages from the end of a long output copies each byte a bounded number of times."""
    pair = make_pair(server=Settings(max_streams=1000))
    for _ in range(200):
        pair.client.open(1, -1, EMPTY_METADATA, None, None)
    pair.settle()
    for stream_id in range(1, 201):
        pair.server.send_status(stream_id, OK_STATUS, b"%03d" % stream_id * 30_000, write)
    tracemalloc.start()
    data = pair.server.data_to_send()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) > 18_000_000
    assert peak < 3 * len(data)
    events = pair.client.receive_data(data, 0.0)
    bodies = [content(event) for event in events if isinstance(event, MessageReceived)]
    assert bodies == [b"%03d" % stream_id * 30_000 for stream_id in range(1, 201)]
