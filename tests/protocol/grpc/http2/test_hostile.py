"""Peers that try to make this side work, remember or send more than it should."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import Event, StatusReceived, StreamReset
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.status import OK_STATUS, StatusCode
from tests.support.http2_pair import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    OK_TRAILERS,
    PADDED,
    PING,
    PRIORITY,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    SETTINGS,
    block,
    client_with_call,
    data,
    frame,
    frames,
    go_away,
    headers,
    make_client,
    make_server,
    open_call,
    padded,
    prefixed,
    rst_stream,
    server_with_call,
    settings,
    window_update,
    write,
)

CALM = 11
ONE = block(REQUEST)


def goodbye(server: ServerMachine) -> int:
    """The error code of the GOAWAY that was sent last."""
    kind, _, _, payload = frames(server.data_to_send())[-1]
    assert kind == GOAWAY
    return int.from_bytes(payload[4:8], "big")


def peak_of(act: Callable[[], object]) -> int:
    """The memory in bytes that something takes at the most."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def held_by(act: Callable[[], object]) -> int:
    """The memory in bytes that something leaves taken."""
    tracemalloc.start()
    try:
        kept = act()
        taken = tracemalloc.get_traced_memory()[0]
        del kept
        return taken
    finally:
        tracemalloc.stop()


# -- calls that are broken off


def test_rapid_reset() -> None:
    server = make_server(Settings(max_streams=10, max_resets_per_s=50))
    sent = 0
    with pytest.raises(RemoteProtocolError, match="too many calls broken off: more than 50 per second"):
        for stream_id in range(1, 10_000, 2):
            server.receive_data(headers(stream_id, REQUEST) + rst_stream(stream_id, 8), 0.0)
            sent += 1
    assert sent == 60
    assert goodbye(server) == CALM


@pytest.mark.parametrize(
    "provocation",
    [
        lambda stream_id: headers(stream_id, REQUEST) + window_update(stream_id, 0),
        lambda stream_id: headers(stream_id, REQUEST) + window_update(stream_id, 2**31 - 1),
        lambda stream_id: headers(stream_id, REQUEST, end=True) + data(stream_id, b"x"),
        lambda stream_id: headers(stream_id, REQUEST, end=True) + headers(stream_id, [("k", "v")], end=True),
        lambda stream_id: headers(stream_id, REQUEST) + headers(stream_id, [("k", "v")]),
        lambda stream_id: headers(stream_id, REQUEST) + data(stream_id, prefixed(b"x", 3)),
        lambda stream_id: headers(stream_id, REQUEST) + data(stream_id, b"\0\xff\xff\xff\xff"),
        lambda stream_id: headers(stream_id, REQUEST) + data(stream_id, b"\0\0", end=True),
        lambda stream_id: headers(stream_id, [*REQUEST, ("Upper", "case")]),
        lambda stream_id: headers(stream_id, [*REQUEST, ("connection", "close")]),
        lambda stream_id: headers(stream_id, REQUEST[:3]),
    ],
)
def test_resets_that_the_peer_provokes(provocation: Callable[[int], bytes]) -> None:
    server = make_server(Settings(max_streams=10, max_resets_per_s=50))
    with pytest.raises(RemoteProtocolError, match="too many calls broken off"):
        for stream_id in range(1, 10_000, 2):
            server.receive_data(provocation(stream_id), 0.0)
            assert server.active_streams == 0
            server.data_to_send()
    assert goodbye(server) == CALM


def test_calls_over_the_limit_of_streams_are_resets_too() -> None:
    server = make_server(Settings(max_streams=10, max_resets_per_s=50))
    with pytest.raises(RemoteProtocolError, match="too many calls broken off"):
        for stream_id in range(1, 10_000, 2):
            server.receive_data(headers(stream_id, REQUEST), 0.0)
            server.data_to_send()
    assert goodbye(server) == CALM


def test_a_second_gives_new_resets() -> None:
    server = make_server(Settings(max_streams=10, max_resets_per_s=50))
    for second in range(20):
        for call in range(50):
            stream_id = 1 + 2 * (50 * second + call)
            server.receive_data(headers(stream_id, REQUEST) + rst_stream(stream_id, 8), float(second))
    assert not server.is_closed


# -- frames that bring nothing

CHEAP: list[Callable[[int], bytes]] = [
    lambda _: data(1, b""),
    lambda _: frame(DATA, PADDED, 1, padded(b"", 200)),
    lambda _: frame(PRIORITY, 0, 1, bytes(5)),
    lambda _: frame(0x77, 0, 1, b"unknown"),
    lambda _: settings((4, 65_535)),
    lambda _: frame(SETTINGS, ACK),
    lambda _: window_update(3, 1),
    lambda _: rst_stream(3, 0),
    lambda _: data(3, b""),
    lambda _: headers(3, [("k", "v")], end=True),
    lambda _: frame(PING, ACK, 0, b"12345678"),
    lambda _: go_away(0, 0),
]


@pytest.mark.parametrize("cheap", CHEAP)
def test_a_flood_of_cheap_frames(cheap: Callable[[int], bytes]) -> None:
    server = server_with_call(Settings(max_cheap_frames_per_s=100))
    server.receive_data(headers(3, REQUEST), 0.0)
    server.send_status(3, OK_STATUS)
    server.data_to_send()
    with pytest.raises(RemoteProtocolError, match="too many frames that bring nothing: over 100 per second"):
        for count in range(200):
            server.receive_data(cheap(count), 0.0)
            server.data_to_send()
    assert goodbye(server) == CALM


def test_calls_and_time_earn_cheap_frames() -> None:
    server = make_server(Settings(max_cheap_frames_per_s=100))
    for call in range(500):
        stream_id = 1 + 2 * call
        server.receive_data(headers(stream_id, REQUEST) + data(stream_id, prefixed(b"x"), end=True), 0.0)
        server.send_status(stream_id, OK_STATUS)
        server.receive_data(window_update(stream_id, 5) + rst_stream(stream_id, 8) + settings((4, 65_535)), 0.0)
        server.data_to_send()
    for second in range(1, 100):
        for _ in range(99):
            server.receive_data(frame(PRIORITY, 0, 1, bytes(5)), float(second))
    assert not server.is_closed


def test_answers_earn_a_server_cheap_frames_too() -> None:
    client = make_client(Settings(max_cheap_frames_per_s=100))
    for _ in range(500):
        stream_id = open_call(client)
        answer = headers(stream_id, [*RESPONSE, *OK_TRAILERS], end=True)
        client.receive_data(answer + rst_stream(stream_id, 0) + window_update(stream_id, 1), 0.0)
        client.data_to_send()
    assert not client.is_closed


def test_a_client_is_as_careful() -> None:
    client = client_with_call(Settings(max_cheap_frames_per_s=100))
    with pytest.raises(RemoteProtocolError, match="HTTP status 103 at last"):
        for _ in range(200):
            client.receive_data(headers(1, [(":status", "103")]), 0.0)


# -- answers that nobody reads


@pytest.mark.parametrize(
    "asking",
    [
        lambda _: settings((4, 65_535)),
        lambda _: frame(PING, 0, 0, bytes(8)),
        lambda call: headers(2 * call + 1, REQUEST[:3]),
        lambda call: headers(2 * call + 1, [*REQUEST, ("grpc-timeout", "x")]),
        lambda call: headers(2 * call + 1, REQUEST) + data(2 * call + 1, prefixed(b"x", 3)),
        lambda call: headers(2 * call + 1, REQUEST) + window_update(2 * call + 1, 0),
    ],
)
def test_answers_that_nobody_reads(asking: Callable[[int], bytes]) -> None:
    server = make_server(
        Settings(max_reply_bytes=2000, min_ping_interval_s=1e-9, max_cheap_frames_per_s=10**6, max_resets_per_s=10**6)
    )
    with pytest.raises(RemoteProtocolError, match="of answers unread, over the limit of 2000"):
        for call in range(1000):
            server.receive_data(asking(call), float(call))
    assert goodbye(server) == CALM


def test_answers_that_are_taken_are_forgotten_unless_the_peer_reads_none() -> None:
    server = make_server(Settings(max_reply_bytes=2000, min_ping_interval_s=1e-9))
    for second in range(1000):
        server.receive_data(frame(PING, 0, 0, bytes(8)), float(second))
        server.data_to_send()
    server.set_blocked(True)
    with pytest.raises(RemoteProtocolError, match="unread"):
        for second in range(1000, 2000):
            server.receive_data(frame(PING, 0, 0, bytes(8)), float(second))
            server.data_to_send()


# -- header blocks


def test_a_header_block_is_bounded_in_bytes() -> None:
    server = make_server(Settings(max_metadata_bytes=1024 * 4))

    def attack() -> None:
        server.receive_data(frame(HEADERS, 0, 1, bytes(10_000)), 0.0)
        server.receive_data(frame(CONTINUATION, 0, 1, bytes(10_000)), 0.0)

    with pytest.raises(RemoteProtocolError, match="a header block of 20000 bytes"):
        attack()
    assert goodbye(server) == CALM


@pytest.mark.parametrize("payload", [b"", b"\x00"])
def test_a_header_block_is_bounded_in_frames(payload: bytes) -> None:
    server = make_server()
    server.receive_data(frame(HEADERS, 0, 1, payload), 0.0)
    with pytest.raises(RemoteProtocolError, match="17 frames"):
        for _ in range(17):
            server.receive_data(frame(CONTINUATION, 0, 1, payload), 0.0)
    assert goodbye(server) == CALM


def test_sixteen_continuations_are_fine() -> None:
    server = make_server()
    server.receive_data(frame(HEADERS, END_STREAM, 1, ONE[:10]), 0.0)
    for place in range(15):
        assert server.receive_data(frame(CONTINUATION, 0, 1, ONE[10 + place : 11 + place]), 0.0) == []
    (opened,) = server.receive_data(frame(CONTINUATION, END_HEADERS, 1, ONE[25:]), 0.0)
    assert isinstance(opened, RequestOpened)
    assert opened.end_stream


def test_a_list_over_our_limit_is_refused_and_the_tables_stay_the_same() -> None:
    limits = Settings(max_metadata_bytes=2000)
    server = make_server(limits)
    assert server.receive_data(headers(1, [*REQUEST, ("k", "v" * 3000)]), 0.0) == []
    sent = server.data_to_send()
    (ended, *_) = client_with_call().receive_data(sent, 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.RESOURCE_EXHAUSTED
    assert "over this server's limit" in ended.status.message
    assert len(server.receive_data(headers(3, REQUEST), 0.0)) == 1
    client = client_with_call(limits)
    (ended, *_) = client.receive_data(headers(1, [*RESPONSE, ("k", "v" * 3000)]), 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.RESOURCE_EXHAUSTED
    client = client_with_call(limits)
    (ended, *_) = client.receive_data(headers(1, [*RESPONSE, *OK_TRAILERS, ("k", "v" * 3000)], end=True), 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == StatusCode.RESOURCE_EXHAUSTED


def test_a_block_that_would_expand_takes_no_memory() -> None:
    server = make_server()
    large = b"\x40\x01k\x7f\xe1\x16" + b"v" * 3000  # enters the table: 3,033 bytes
    bomb = large + b"\xbe" * 12_000  # and 12,000 times the same field

    def explode() -> None:
        with pytest.raises(RemoteProtocolError, match="15006 bytes stands for 36756153"):
            server.receive_data(frame(HEADERS, END_HEADERS, 1, bomb), 0.0)

    assert peak_of(explode) < 300_000, "the list would have 36 MB"
    assert goodbye(server) == CALM


def test_a_list_that_is_far_too_long_ends_the_connection() -> None:
    server = make_server(Settings(max_metadata_bytes=2000))
    fields = b"\x40\x01k\x7f\xb1\x0e" + b"v" * 1968  # enters the table, and counts 2,001 bytes
    assert server.receive_data(frame(HEADERS, END_HEADERS, 1, fields + b"\xbe" * 14), 0.0) == []
    assert frames(server.data_to_send())[-1][0] == RST_STREAM  # it is no request, besides
    with pytest.raises(RemoteProtocolError, match="over 16 times the limit of 2000"):
        server.receive_data(frame(HEADERS, END_HEADERS, 3, b"\xbe" * 16), 0.0)


# -- windows that change


def waiting_streams(count: int) -> ServerMachine:
    """A server with so many calls, each of which has a message that waits for the window to open."""
    server = make_server(None, (4, 0))
    for stream_id in range(1, 2 * count, 2):
        server.receive_data(headers(stream_id, REQUEST, end=True), 0.0)
        server.send_message(stream_id, bytes(1000), write)
    server.data_to_send()
    return server


def test_of_many_windows_in_one_frame_the_last_counts() -> None:
    server = waiting_streams(100)
    server.receive_data(settings(*[(4, number) for number in range(500, 0, -1)]), 0.0)
    sent = [payload for kind, _, _, payload in frames(server.data_to_send()) if kind == DATA]
    assert sent == [bytes(1)] * 100


def test_many_parameters_are_as_dear_as_many_frames() -> None:
    server = make_server()
    flood = settings(*[(0x99, 0)] * 2720)  # 16,320 bytes: as dear as 256 frames
    for _ in range(3):
        server.receive_data(flood, 0.0)
    with pytest.raises(RemoteProtocolError, match="bring nothing"):
        server.receive_data(flood, 0.0)


def test_a_window_for_many_streams_is_as_dear_as_many_frames() -> None:
    server = waiting_streams(960)  # each change costs 31 cheap frames
    for number in range(32):
        server.receive_data(settings((4, number)), 0.0)
    with pytest.raises(RemoteProtocolError, match="bring nothing"):
        server.receive_data(settings((4, 32)), 0.0)
    assert goodbye(server) == CALM


# -- what is remembered


def test_nothing_is_kept_of_calls_that_have_ended() -> None:
    server = make_server()
    head = frame(HEADERS, END_HEADERS, 1, ONE)

    def calls(first: int, last: int) -> None:
        for stream_id in range(first, last, 2):
            number = stream_id.to_bytes(4, "big")
            server.receive_data(head[:5] + number + head[9:] + data(stream_id, prefixed(b"x")), 0.0)
            server.send_status(stream_id, OK_STATUS, b"y", write)
            server.receive_data(data(stream_id, prefixed(b"crosses"), end=True) + rst_stream(stream_id, 8), 0.0)
            server.data_to_send()

    calls(1, 1001)
    assert held_by(lambda: calls(1001, 21_001)) < 20_000, "two bytes for each of 10,000 calls, at most"


def test_a_peer_that_never_lets_messages_become_whole_is_bounded_by_windows() -> None:
    limits = Settings(max_streams=8, connection_window=2**20, stream_window=2**17, max_message_bytes=2**20)
    server = make_server(limits)

    def attack() -> list[Event]:
        events: list[Event] = []
        body = b"\0\0\x10\0\0" + bytes(2**20)
        with contextlib.suppress(RemoteProtocolError):  # at the latest where a window is overrun
            for place in range(0, 2**20, 16_000):
                for stream_id in range(1, 17, 2):
                    if not place:
                        events += server.receive_data(headers(stream_id, REQUEST), 0.0)
                    events += server.receive_data(data(stream_id, body[place : place + 16_000]), 0.0)
        return events

    assert peak_of(attack) < limits.whole_window + 2 * limits.max_message_bytes


def test_a_long_message_is_held_once_or_twice() -> None:
    server = server_with_call()
    body = prefixed(bytes(8 * 2**20))
    chunks = [data(1, body[place : place + 16_384]) for place in range(0, len(body), 16_384)]

    def attack() -> None:
        for chunk in chunks:
            server.receive_data(chunk, 0.0)

    assert peak_of(attack) < 2.3 * len(body)


def test_a_message_in_parts_goes_with_its_connection() -> None:
    server = server_with_call()

    def begin_and_break() -> ServerMachine:
        for part in (b"\0\x00\x01\x00\x00", bytes(10_000), bytes(10_000), bytes(10_000)):
            server.receive_data(data(1, part), 0.0)
        with contextlib.suppress(RemoteProtocolError):
            server.receive_data(frame(PING, 0, 0, b"short"), 0.0)
        return server

    assert held_by(begin_and_break) < 10_000


def test_bytes_behind_a_fault_mean_nothing() -> None:
    server = make_server()
    with pytest.raises(RemoteProtocolError):
        server.receive_data(frame(DATA, 0, 0, b"") + headers(1, REQUEST), 0.0)
    assert server.receive_data(headers(1, REQUEST), 0.0) == []
    assert not server.has_unread


def test_a_server_that_promises_pushes() -> None:
    client = client_with_call()
    with pytest.raises(RemoteProtocolError, match="PUSH_PROMISE"):
        client.receive_data(frame(5, END_HEADERS, 1, b"\0\0\0\2" + ONE), 0.0)
    client = client_with_call()
    with pytest.raises(RemoteProtocolError, match="HEADERS on stream 2, which was never opened"):
        client.receive_data(headers(2, RESPONSE), 0.0)


def test_responses_that_break_the_order_of_a_call() -> None:
    for chunk, text in [
        (headers(1, RESPONSE) + headers(1, RESPONSE), "HEADERS within a response"),
        (data(1, prefixed(b"x")), "ahead of the response's head"),
        (headers(1, [("grpc-status", "0")], end=True), ":status"),
        (headers(1, RESPONSE) + headers(1, [(":status", "200")], end=True), "pseudo"),
    ]:
        client = make_client()
        open_call(client)
        client.data_to_send()
        reset = client.receive_data(chunk, 0.0)[-1]
        assert isinstance(reset, StreamReset)
        assert (reset.code, reset.is_local) == (StatusCode.INTERNAL, True)
        assert text in reset.reason
        assert "PROTOCOL_ERROR" in reset.reason
        assert frames(client.data_to_send())[-1] == (RST_STREAM, 0, 1, b"\0\0\0\1")
