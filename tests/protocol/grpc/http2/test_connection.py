"""The life of a connection: how it begins, settings, pings, timers, and how it is left."""

from __future__ import annotations

import struct

import pytest

from eventflux_runtime.protocol.core.error import LocalProtocolError, RemoteProtocolError
from eventflux_runtime.protocol.core.event import (
    ConnectionLost,
    Event,
    GoAwayReceived,
    LastCallKnown,
    PongReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened, SettingsReceived
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.errors import ConfigError, ProtocolError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import OK_STATUS, StatusCode
from tests.support.http2_pair import (
    ACK,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    LIMIT,
    OK_TRAILERS,
    PING,
    PREFACE,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    client_with_call,
    data,
    frame,
    frames,
    go_away,
    headers,
    make_client,
    make_pair,
    make_server,
    new_client,
    open_call,
    prefixed,
    server_with_call,
    settings,
    write,
)

KEEPALIVE_PING = frame(PING, 0, 0, b"eft-keep")
KEEPALIVE_PONG = frame(PING, ACK, 0, b"eft-keep")


def parameters(payload: bytes) -> dict[int, int]:
    return dict(struct.iter_unpack(">HI", payload))


def goodbye(sent: bytes) -> tuple[int, int, bytes]:
    """Last stream id, error code and text of the GOAWAY that was sent last."""
    kind, _, _, payload = frames(sent)[-1]
    assert kind == GOAWAY
    last, code = struct.unpack_from(">II", payload)
    return last, code, payload[8:]


# -- the beginning


def test_a_client_begins_with_the_preface_and_its_settings() -> None:
    sent = new_client(Settings(max_metadata_bytes=9999)).data_to_send()
    assert sent.startswith(PREFACE)
    (kind, flags, stream_id, payload), credit = frames(sent)
    assert (kind, flags, stream_id) == (SETTINGS, 0, 0)
    assert parameters(payload) == {2: 0, 4: 65_535, 6: 9999}
    assert credit == (WINDOW_UPDATE, 0, 0, (Settings().whole_window - 65_535).to_bytes(4, "big"))


def test_a_server_begins_once_it_has_seen_the_preface() -> None:
    server = ServerMachine(Settings(max_streams=7), now=0.0)
    assert server.receive_data(PREFACE[:-1], 0.0) == []
    assert not server.has_output
    assert server.receive_data(PREFACE[-1:], 0.0) == []
    assert parameters(frames(server.data_to_send())[0][3]) == {3: 7, 4: 65_535, 6: 16_384}
    was_greeted = server.is_greeted
    (event,) = server.receive_data(settings(), 0.0)
    assert isinstance(event, SettingsReceived)
    assert (was_greeted, server.is_greeted) == (False, True)
    assert frames(server.data_to_send()) == [(SETTINGS, ACK, 0, b"")]


def test_nothing_can_be_done_before_the_handshake() -> None:
    client = new_client()
    for act in (lambda: open_call(client), lambda: client.ping(b"12345678"), lambda: client.drain("x")):
        with pytest.raises(LocalProtocolError):
            act()
    assert not client.can_open
    assert not ServerMachine(Settings(), now=0.0).takes_calls


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP/1"),
        (b"EFT1", "use a tcp:// URL"),
        (b"\x16\x03\x01\x02\x00\x01", "use a grpcs:// URL"),
        (PREFACE[:20] + b"XX\r\n", "gRPC"),
        (PREFACE[:16] + b"!", "gRPC"),
    ],
)
def test_a_client_that_speaks_something_else(sent: bytes, text: str) -> None:
    server = ServerMachine(Settings(), now=0.0)
    with pytest.raises(ProtocolError, match="does not speak gRPC") as caught:
        server.receive_data(sent, 0.0)
    assert text in str(caught.value)
    assert server.is_closed
    assert not server.has_output, "it would not understand a GOAWAY"


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n", b"\x15\x03\x01\x00\x02\x02\x28xx", b"EFT1aaaaaaaa"])
def test_a_server_that_speaks_something_else(sent: bytes) -> None:
    client = new_client()
    client.data_to_send()
    with pytest.raises(ProtocolError, match="does not speak gRPC"):
        client.receive_data(sent, 0.0)
    assert client.is_closed


@pytest.mark.parametrize("first", [frame(PING, 0, 0, bytes(8)), frame(SETTINGS, ACK), headers(1, REQUEST)])
def test_settings_come_first(first: bytes) -> None:
    server = ServerMachine(Settings(), now=0.0)
    with pytest.raises(RemoteProtocolError, match="ahead of SETTINGS"):
        server.receive_data(PREFACE + first, 0.0)
    assert goodbye(server.data_to_send())[1] == 1
    with pytest.raises(RemoteProtocolError):
        new_client().receive_data(first, 0.0)


def test_a_handshake_has_its_time() -> None:
    server = ServerMachine(Settings(handshake_timeout_s=5.0), now=100.0)
    server.receive_data(PREFACE, 104.0)
    assert server.next_timer() == 105.0
    assert server.handle_timer(104.9) == []
    (event,) = server.handle_timer(105.0)
    assert isinstance(event, ConnectionLost)
    assert event.is_timeout
    assert server.is_closed
    assert goodbye(server.data_to_send())[1] == 4


# -- settings


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        (frame(SETTINGS, 0, 0, bytes(5)), 6, "SETTINGS of 5 bytes"),
        (frame(SETTINGS, ACK, 0, bytes(6)), 6, "they have none"),
        (frame(SETTINGS, 0, 1), 1, "on stream 1"),
        (settings((4, 2**31)), 3, "initial window of 2147483648"),
        (settings((5, 16_383)), 1, "frame size of 16383"),
        (settings((5, 2**24)), 1, "frame size of 16777216"),
        (settings((2, 2)), 1, "ENABLE_PUSH of 2"),
    ],
)
def test_settings_that_are_wrong(sent: bytes, code: int, text: str) -> None:
    server = make_server()
    with pytest.raises(RemoteProtocolError, match=text):
        server.receive_data(sent, 0.0)
    assert goodbye(server.data_to_send())[1] == code


def test_a_server_does_not_enable_push() -> None:
    make_server(None, (2, 1))
    make_client(None, (2, 0))
    with pytest.raises(RemoteProtocolError, match="ENABLE_PUSH of 1"):
        make_client(None, (2, 1))


def test_settings_that_nobody_knows_are_passed_over() -> None:
    assert make_server(None, (0x99, 5), (8, 1), (5, 2**24 - 1), (1, 0)).is_ready


def test_the_table_size_of_the_peer_is_kept_to() -> None:
    pair = make_pair()
    open_call(pair.client, b"x")
    pair.settle()
    pair.client.receive_data(settings((1, 0)), 0.0)
    open_call(pair.client, b"x")
    pair.settle()
    assert [type(event) for event in pair.server_events] == [RequestOpened, RequestOpened]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"max_streams": 0}, "max_streams must be from 1"),
        ({"stream_window": 65_534}, "stream_window must be from 65535"),
        ({"connection_window": 2**20 - 1}, "connection_window must be from 1048576"),
        ({"max_metadata_bytes": 10}, "max_metadata_bytes"),
        ({"ping_timeout_s": 0.0}, "ping_timeout_s must be above 0"),
        ({"compressions": (9,)}, "9 is not one of the ids"),
        ({"compressions": (1, 1)}, "an id stands twice"),
    ],
)
def test_our_settings_are_checked_when_they_are_made(wrong: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Settings(**wrong)  # type: ignore[arg-type]  # what is wrong is tested


# -- pings


def test_a_ping_comes_back() -> None:
    pair = make_pair()
    pair.client.ping(b"12345678")
    pair.settle()
    assert pair.take(pair.client_events, PongReceived).payload == b"12345678"
    for wrong in (b"", b"123456789", b"eft-keep", b"eft-last"):
        with pytest.raises(LocalProtocolError, match="8 bytes of its own"):
            pair.client.ping(wrong)


@pytest.mark.parametrize("sent", [frame(PING, 0, 0, bytes(7)), frame(PING, ACK, 0, b""), frame(PING, 0, 1, bytes(8))])
def test_pings_that_are_wrong(sent: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="PING"):
        make_server().receive_data(sent, 0.0)


def test_a_silent_peer_is_pinged_and_its_answer_counts() -> None:
    client = make_client(Settings(ping_interval_s=30.0, ping_timeout_s=10.0), now=100.0)
    assert client.next_timer() == 130.0
    assert client.handle_timer(129.9) == []
    assert not client.has_output
    assert client.handle_timer(130.0) == []
    assert client.data_to_send() == KEEPALIVE_PING
    assert client.next_timer() == 140.0
    assert client.receive_data(KEEPALIVE_PONG, 139.5) == [], "the keepalive's own answer is no event"
    assert client.next_timer() == 169.5


def test_a_peer_that_does_not_answer_is_given_up() -> None:
    client = make_client(Settings(ping_interval_s=30.0, ping_timeout_s=10.0), now=100.0)
    open_call(client)
    client.handle_timer(130.0)
    (event,) = client.handle_timer(140.0)
    assert isinstance(event, ConnectionLost)
    assert event.is_timeout
    assert "sent nothing for 40 s" in event.reason
    assert client.is_closed
    assert client.active_streams == 0


@pytest.mark.parametrize("begin", [frame(PING, 0, 0, bytes(8)), frame(HEADERS, 0, 1, b"") + frame(9, 0, 1, b"") * 9])
def test_a_frame_or_a_block_has_to_end_in_its_time(begin: bytes) -> None:
    server = make_server(Settings(ping_interval_s=30.0, ping_timeout_s=10.0, handshake_timeout_s=5.0), now=0.0)
    now = 0.0
    events: list[Event] = []
    for byte in begin[:-1]:
        server.receive_data(bytes([byte]), now)
        now += 5.0
        events += server.handle_timer(now)
        if events:
            break
    (event,) = events
    assert isinstance(event, ConnectionLost)
    assert "did not end within 40 s" in event.reason


def test_a_client_that_pings_too_often_is_told_so() -> None:
    server = make_server(Settings(min_ping_interval_s=1.0))
    for _ in range(10):
        server.receive_data(frame(PING, 0, 0, bytes(8)), 0.0)
    server.receive_data(frame(PING, 0, 0, bytes(8)), 1.0)
    server.data_to_send()
    with pytest.raises(RemoteProtocolError, match="too_many_pings"):
        server.receive_data(frame(PING, 0, 0, bytes(8)), 1.5)
    last, code, text = goodbye(server.data_to_send())
    assert (last, code) == (0, 11)
    client = make_client()
    (event,) = client.receive_data(go_away(last, code, text), 0.0)
    assert isinstance(event, GoAwayReceived)
    assert event.is_too_many_pings
    assert event.code == StatusCode.RESOURCE_EXHAUSTED


def test_pings_beside_calls_are_no_strikes() -> None:
    server = server_with_call(Settings(min_ping_interval_s=1.0))
    stream_id = 1
    for round_ in range(10):
        for _ in range(10):
            server.receive_data(frame(PING, 0, 0, bytes(8)), 0.0)
        if round_ % 3 == 0:
            server.receive_data(data(1, prefixed(b"")), 0.0)
        elif round_ % 3 == 1:
            server.send_message(1, b"", write)
        else:
            stream_id += 2
            server.receive_data(headers(stream_id, REQUEST), 0.0)
    assert not server.is_closed


# -- leaving


def test_a_server_drains_in_two_steps() -> None:
    pair = make_pair()
    first = open_call(pair.client, b"before")
    pair.settle()
    pair.server.drain("maintenance")
    crossing = open_call(pair.client, b"crosses it", end=True)
    takes_calls = [pair.server.takes_calls]
    pair.to_server()
    assert [event.stream_id for event in pair.server_events] == [first, crossing]
    pair.to_client()
    event = pair.take(pair.client_events, GoAwayReceived)
    assert (event.last_stream_id, event.code, event.reason, event.unprocessed) == (
        LIMIT,
        StatusCode.OK,
        "maintenance",
        (),
    )
    assert not pair.client.can_open
    with pytest.raises(LocalProtocolError, match="draining"):
        open_call(pair.client)
    pair.server_events.clear()
    pair.to_server()
    assert [type(event) for event in pair.server_events] == [LastCallKnown]
    takes_calls.append(pair.server.takes_calls)
    assert takes_calls == [True, False]
    pair.to_client()
    event = pair.take(pair.client_events, GoAwayReceived)
    assert (event.last_stream_id, event.unprocessed) == (crossing, ())
    for stream_id in (first, crossing):
        pair.server.send_status(stream_id, OK_STATUS)
    pair.to_client()
    assert [type(event) for event in pair.client_events] == [StatusReceived, StatusReceived]


def test_a_client_that_does_not_answer_has_a_second() -> None:
    server = make_server(Settings(ping_interval_s=None), now=0.0)
    assert server.next_timer() is None
    server.drain("bye")
    server.drain("said once")
    assert [kind for kind, *_ in frames(server.data_to_send())] == [GOAWAY, PING]
    assert server.next_timer() == 0.0, "the first look at the clock begins the second"
    assert server.handle_timer(500.0) == []
    assert server.next_timer() == 501.0
    assert server.handle_timer(500.9) == []
    (event,) = server.handle_timer(501.0)
    assert isinstance(event, LastCallKnown)
    assert goodbye(server.data_to_send()) == (0, 0, b"bye")
    assert server.next_timer() is None
    assert server.receive_data(frame(PING, ACK, 0, b"eft-last"), 502.0) == [], "too late to matter"


def test_calls_behind_the_last_one_are_not_processed_and_their_headers_are_read() -> None:
    pair = make_pair()
    first = open_call(pair.client)
    pair.settle()
    pair.server.go_away(StatusCode.UNAVAILABLE, "overloaded")
    second = open_call(pair.client, bytes(50_000))
    third = open_call(pair.client, b"x", end=True)
    pair.server_events.clear()
    pair.to_server()
    assert pair.server_events == []
    assert pair.server.buffered_bytes == 0
    pair.server.go_away(StatusCode.OK, "once more")
    told = pair.server.data_to_send()
    assert [kind for kind, *_ in frames(told)] == [GOAWAY, GOAWAY], "that says it of the streams behind, too"
    assert goodbye(told)[0] == first, "it must not rise"
    pair.client_events += pair.client.receive_data(told, 0.0)
    event = pair.take(pair.client_events, GoAwayReceived)
    assert (event.last_stream_id, event.unprocessed) == (first, (second, third))
    assert pair.client.active_streams == 1
    pair.server.send_status(first, OK_STATUS)
    pair.settle()
    assert isinstance(pair.client_events[-1], StatusReceived)


def test_a_client_leaves() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    pair.client.drain("bye")
    pair.server_events.clear()
    pair.settle()
    event = pair.take(pair.server_events, GoAwayReceived)
    assert (event.last_stream_id, event.reason) == (0, "bye")
    assert not pair.server.takes_calls
    assert pair.server.is_draining
    pair.server.send_status(stream_id, OK_STATUS)
    pair.settle()
    assert isinstance(pair.client_events[-1], StatusReceived)
    server = make_server()
    server.receive_data(go_away(0, 0), 0.0)
    assert server.receive_data(headers(1, REQUEST), 0.0) == []
    assert frames(server.data_to_send())[-1] == (RST_STREAM, 0, 1, b"\0\0\0\x07")


def test_goaways_whose_last_call_rises() -> None:
    client = client_with_call()
    client.receive_data(go_away(3, 0), 0.0)
    with pytest.raises(RemoteProtocolError, match="GOAWAY with stream 5 behind one with 3"):
        client.receive_data(go_away(5, 0), 0.0)


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (go_away(1, 0, b"idle"), StatusCode.OK, "idle"),
        (go_away(1, 0), StatusCode.OK, ""),
        (go_away(1, 2, b"bug"), StatusCode.INTERNAL, "bug (INTERNAL_ERROR)"),
        (go_away(1, 11), StatusCode.RESOURCE_EXHAUSTED, "ENHANCE_YOUR_CALM"),
        (go_away(1, 99, b"\xff\n\0x"), StatusCode.INTERNAL, "���x (error code 99)"),
        (go_away(1, 0, b"x" * 16_000), StatusCode.OK, "x" * 1024),
    ],
)
def test_what_a_goaway_says(sent: bytes, code: StatusCode, reason: str) -> None:
    (event,) = client_with_call().receive_data(sent, 0.0)
    assert isinstance(event, GoAwayReceived)
    assert (event.code, event.reason, event.unprocessed) == (code, reason, ())


@pytest.mark.parametrize("sent", [frame(GOAWAY, 0, 0, bytes(7)), frame(GOAWAY, 0, 1, bytes(8))])
def test_goaways_that_are_wrong(sent: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="GOAWAY"):
        make_client().receive_data(sent, 0.0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(StatusCode.OK, 0), (StatusCode.UNAVAILABLE, 0), (StatusCode.RESOURCE_EXHAUSTED, 11), (StatusCode.UNKNOWN, 2)],
)
def test_which_error_code_a_goaway_has(code: StatusCode, expected: int) -> None:
    server = make_server()
    server.go_away(code, "é" * 1000)
    last, error_code, text = goodbye(server.data_to_send())
    assert (last, error_code, text) == (0, expected, ("é" * 512).encode())


# -- the end


def test_the_end_of_the_bytes() -> None:
    client = client_with_call()
    (event,) = client.receive_eof(0.0)
    assert isinstance(event, ConnectionLost)
    assert not event.is_timeout
    assert client.is_closed
    assert client.active_streams == 0
    assert client.receive_eof(0.0) == []
    assert client.receive_data(headers(1, RESPONSE), 0.0) == []
    (event,) = ServerMachine(Settings(), now=0.0).receive_eof(0.0)
    assert isinstance(event, ConnectionLost)
    assert "during the handshake" in event.reason


@pytest.mark.parametrize("begin", [frame(PING, 0, 0, bytes(8))[:-1], b"\0", frame(HEADERS, 0, 1, b"x")])
def test_the_end_of_the_bytes_within_a_frame(begin: bytes) -> None:
    server = make_server()
    server.receive_data(begin, 0.0)
    with pytest.raises(RemoteProtocolError, match="in the middle of a"):
        server.receive_eof(0.0)
    assert server.is_closed


def test_a_fault_reports_what_came_ahead_of_it_and_says_why() -> None:
    server = make_server()
    with pytest.raises(RemoteProtocolError) as caught:
        server.receive_data(headers(1, REQUEST) + data(1, prefixed(b"x")) + data(0, b"") + headers(3, REQUEST), 0.0)
    (opened,) = caught.value.events
    assert isinstance(opened, RequestOpened)
    assert opened.has_message
    last, code, text = goodbye(server.data_to_send())
    assert (last, code) == (1, 1)
    assert text == str(caught.value).encode()
    assert server.is_closed


def test_after_the_end_nothing_has_an_effect() -> None:
    pair = make_pair()
    stream_id = open_call(pair.client, b"x")
    pair.settle()
    for machine in (pair.client, pair.server):
        machine.close()
        machine.reset(stream_id, StatusCode.CANCELLED)
        machine.consumed(stream_id, 5)
        assert machine.next_timer() is None
        assert machine.handle_timer(1e9) == []
        with pytest.raises(LocalProtocolError, match="not open"):
            machine.go_away(StatusCode.OK, "")
    pair.client.half_close(stream_id)
    assert pair.client.send_message(stream_id, b"x", write)
    assert pair.server.send_status(stream_id, OK_STATUS, b"x", write)
    assert not pair.client.has_output
    assert not pair.server.has_output
    assert repr(pair.client) == "<HTTP/2 client, closed, 0 streams, 0 waiting>"


def test_a_long_header_block_is_sent_in_several_frames_and_read_again() -> None:
    pair = make_pair(Settings(max_metadata_bytes=80_000), Settings(max_metadata_bytes=80_000))
    metadata = Metadata([("k", "v" * 60_000)])
    open_call(pair.client, metadata=metadata)
    sent = frames(pair.client.data_to_send())
    assert [kind for kind, *_ in sent] == [HEADERS, 9, 9, 9]
    assert [flags for _, flags, *_ in sent] == [0, 0, 0, END_HEADERS]
    events: list[Event] = []
    for kind, flags, stream_id, payload in sent:
        events += pair.server.receive_data(frame(kind, flags, stream_id, payload), 0.0)
    (opened,) = events
    assert isinstance(opened, RequestOpened)
    assert opened.metadata == metadata


def test_a_reset_of_a_call_in_the_middle_of_a_goaway_is_told_once() -> None:
    client = make_client()
    first, second = open_call(client), open_call(client)
    events = client.receive_data(go_away(first, 0) + frame(RST_STREAM, 0, second, bytes(4)), 0.0)
    assert [type(event) for event in events] == [GoAwayReceived]
    events = client.receive_data(frame(RST_STREAM, 0, first, (7).to_bytes(4, "big")), 0.0)
    assert [type(event) for event in events] == [StreamReset]
    assert client.receive_data(headers(first, [*RESPONSE, *OK_TRAILERS], end=True), 0.0) == []
