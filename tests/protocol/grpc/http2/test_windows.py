"""Flow control, both halves: what waits, what goes on, what is given back, and what a peer must not do."""

from __future__ import annotations

import struct

import pytest

from eventflux_runtime.protocol.core.error import LocalProtocolError, RemoteProtocolError
from eventflux_runtime.protocol.core.event import Event, MessageReceived, MessageSent, StatusReceived, StreamReset
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from tests.support.http2_pair import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LIMIT,
    OK_TRAILERS,
    PADDED,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    WINDOW_UPDATE,
    Pair,
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

INITIAL = 65_535


def sizes(sent: bytes, stream_id: int) -> list[int]:
    """The lengths of a stream's DATA frames."""
    return [len(payload) for kind, _, number, payload in frames(sent) if kind == DATA and number == stream_id]


def credits_of(sent: bytes) -> dict[int, int]:
    """The sums of the WINDOW_UPDATEs, by stream."""
    found: dict[int, int] = {}
    for kind, _, stream_id, payload in frames(sent):
        if kind == WINDOW_UPDATE:
            found[stream_id] = found.get(stream_id, 0) + struct.unpack(">I", payload)[0]
    return found


def last_code(machine: ClientMachine | ServerMachine) -> int:
    """The error code of the GOAWAY or RST_STREAM that was sent last."""
    kind, _, _, payload = frames(machine.data_to_send())[-1]
    assert kind in {GOAWAY, RST_STREAM}
    return int.from_bytes(payload[4:8] if kind == GOAWAY else payload, "big")


# -- what this side sends


def test_a_message_waits_for_its_streams_window() -> None:
    client = client_with_call(None, (4, 100))
    client.receive_data(window_update(0, 2**20), 0.0)
    assert not client.send_message(1, bytes(200), write, True)
    assert client.is_waiting(1)
    assert sizes(client.data_to_send(), 1) == [100]
    with pytest.raises(LocalProtocolError, match="too late"):
        client.send_message(1, b"x", write)
    assert client.receive_data(window_update(1, 104), 0.0) == []
    assert sizes(client.data_to_send(), 1) == [104]
    (event,) = client.receive_data(window_update(1, 100), 0.0)
    assert isinstance(event, MessageSent)
    assert [(flags, len(payload)) for _, flags, _, payload in frames(client.data_to_send())] == [(END_STREAM, 1)]


def test_one_message_waits_at_a_time() -> None:
    client = client_with_call(None, (4, 10))
    client.send_message(1, bytes(100), write)
    with pytest.raises(LocalProtocolError, match="message waiting already"):
        client.send_message(1, b"x", write)
    server = server_with_call(None, (4, 10))
    server.send_message(1, bytes(100), write)
    with pytest.raises(LocalProtocolError, match="message or status waiting"):
        server.send_status(1, OK_STATUS, b"x", write)


def test_a_message_waits_for_the_connections_window() -> None:
    client = client_with_call(None, (4, LIMIT))
    assert not client.send_message(1, bytes(100_000), write)
    assert sum(sizes(client.data_to_send(), 1)) == INITIAL
    (event,) = client.receive_data(window_update(0, 100_000), 0.0)
    assert isinstance(event, MessageSent)
    assert sum(sizes(client.data_to_send(), 1)) == 100_005 - INITIAL


def test_half_close_and_status_stay_behind_a_message_that_waits() -> None:
    client = client_with_call(None, (4, 10))
    client.send_message(1, bytes(100), write)
    client.half_close(1)
    client.data_to_send()
    client.receive_data(window_update(1, 1000), 0.0)
    assert [flags for _, flags, *_ in frames(client.data_to_send())] == [END_STREAM]
    server = server_with_call(None, (4, 10))
    server.receive_data(data(1, b"", end=True), 0.0)
    assert not server.send_message(1, bytes(100), write)
    assert not server.send_status(1, OK_STATUS)
    server.data_to_send()
    (event,) = server.receive_data(window_update(1, 1000), 0.0)
    assert isinstance(event, MessageSent)
    assert [(kind, flags & END_STREAM) for kind, flags, *_ in frames(server.data_to_send())] == [
        (DATA, 0),
        (HEADERS, END_STREAM),
    ]
    assert server.active_streams == 0


def test_the_response_with_a_status_may_wait() -> None:
    pair = make_pair(Settings(stream_window=INITIAL))
    stream_id = open_call(pair.client, b"x", end=True)
    pair.settle()
    message = bytes(range(256)) * 1000
    assert not pair.server.send_status(stream_id, Status(StatusCode.OK, "", ()), message, write)
    pair.server_events.clear()
    pair.settle()
    assert [type(event) for event in pair.server_events] == [MessageSent]
    messages = [event for event in pair.client_events if isinstance(event, (MessageReceived, StatusReceived))]
    assert content(messages[0]) == message
    assert isinstance(messages[-1], StatusReceived)


def test_a_status_of_failure_does_not_wait() -> None:
    server = server_with_call(None, (4, 10))
    server.send_message(1, bytes(100), write)
    assert server.send_status(1, Status(StatusCode.ABORTED, "stop"))
    assert not server.is_waiting(1)
    kinds = [kind for kind, *_ in frames(server.data_to_send())]
    assert kinds == [HEADERS, DATA, HEADERS, RST_STREAM]
    assert server.receive_data(window_update(1, 1000), 0.0) == []


def test_a_message_that_waits_ends_with_its_call() -> None:
    client = client_with_call(None, (4, LIMIT))
    client.send_message(1, bytes(100_000), write)
    client.data_to_send()
    (ended,) = client.receive_data(headers(1, [*RESPONSE, *OK_TRAILERS], end=True), 0.0)
    assert isinstance(ended, StatusReceived)
    assert frames(client.data_to_send()) == [(RST_STREAM, 0, 1, bytes(4))]
    assert not client.is_waiting(1)
    assert client.receive_data(window_update(0, 100_000), 0.0) == []
    assert not client.has_output


def test_a_window_may_shrink_below_nothing_and_grow_again() -> None:
    client = client_with_call(None, (4, 1000))
    client.send_message(1, bytes(2000), write)
    client.data_to_send()
    client.receive_data(settings((4, 100)), 0.0)
    client.receive_data(window_update(1, 900), 0.0)
    assert sizes(client.data_to_send(), 1) == [], "it has now 0"
    client.receive_data(window_update(1, 1), 0.0)
    assert sizes(client.data_to_send(), 1) == [1]
    assert client.receive_data(settings((4, 200)), 0.0) == []
    assert sizes(client.data_to_send(), 1) == [100]
    (event,) = client.receive_data(settings((4, 5000)), 0.0)
    assert isinstance(event, MessageSent)


def test_a_changed_window_counts_for_streams_to_come() -> None:
    client = make_client(None, (4, 50))
    open_call(client, bytes(100))
    assert sizes(client.data_to_send(), 1) == [50]
    client.receive_data(settings((4, 1000)), 0.0)
    client.data_to_send()
    open_call(client, bytes(100))
    assert sizes(client.data_to_send(), 3) == [105]


def test_streams_that_wait_for_the_connection_take_turns() -> None:
    client = make_client(None, (4, LIMIT))
    for _ in range(3):
        open_call(client, bytes(100_000))
    sent = client.data_to_send()
    assert [sum(sizes(sent, stream_id)) for stream_id in (1, 3, 5)] == [INITIAL, 0, 0]
    order: list[int] = []
    client.receive_data(window_update(0, 6 * 16_384), 0.0)
    for kind, _, stream_id, payload in frames(client.data_to_send()):
        assert (kind, len(payload)) == (DATA, 16_384)
        order.append(stream_id)
    assert order == [1, 3, 5, 1, 3, 5]


def test_a_stream_without_a_window_of_its_own_is_passed_over() -> None:
    client = make_client(None, (4, 100))
    client.receive_data(window_update(0, 1), 0.0)
    first = open_call(client, bytes(1000))
    client.receive_data(settings((4, LIMIT)), 0.0)
    client.receive_data(settings((4, 100)), 0.0)
    second = open_call(client, bytes(60))
    assert not client.is_waiting(second)
    assert not client.is_waiting(first)
    client.data_to_send()
    blocked = open_call(client, bytes(1000))
    assert client.is_waiting(blocked)
    assert client._sender.backlog.starved == {}


def test_small_frames_do_not_buy_long_walks() -> None:
    client = make_client(None, (4, LIMIT), (3, 5000))
    for _ in range(1000):
        open_call(client, bytes(2000))
    client.data_to_send()
    waiting = len(client._sender.backlog.starved)
    assert waiting > 900
    client.receive_data(window_update(0, 2005), 0.0)
    assert len(frames(client.data_to_send())) <= 2
    assert len(client._sender.backlog.starved) >= waiting - 2


@pytest.mark.parametrize("stream_id", [0, 1])
def test_a_window_over_the_limit(stream_id: int) -> None:
    client = client_with_call()
    client.receive_data(window_update(stream_id, LIMIT - INITIAL), 0.0)
    if stream_id:
        (event,) = client.receive_data(window_update(stream_id, 1), 0.0)
        assert isinstance(event, StreamReset)
        assert event.is_local
    else:
        with pytest.raises(RemoteProtocolError, match="over the limit"):
            client.receive_data(window_update(stream_id, 1), 0.0)
    assert last_code(client) == 3


def test_settings_that_bring_a_window_over_the_limit() -> None:
    client = client_with_call(None, (4, 1000))
    client.receive_data(window_update(1, LIMIT - 1000), 0.0)
    with pytest.raises(RemoteProtocolError, match="initial window of 1001 bytes"):
        client.receive_data(settings((4, 1001)), 0.0)
    assert last_code(client) == 3


def test_a_stream_that_has_ended_limits_no_window() -> None:
    client = client_with_call(None, (4, 1000))
    client.receive_data(window_update(1, LIMIT - 1000), 0.0)
    client.reset(1, StatusCode.CANCELLED)
    assert client.receive_data(settings((4, LIMIT)), 0.0) == []


@pytest.mark.parametrize("stream_id", [0, 1])
def test_an_update_of_nothing(stream_id: int) -> None:
    client = client_with_call()
    if stream_id:
        (event,) = client.receive_data(window_update(1, 0), 0.0)
        assert isinstance(event, StreamReset)
        assert "WINDOW_UPDATE of 0 bytes" in event.reason
    else:
        with pytest.raises(RemoteProtocolError, match="WINDOW_UPDATE of 0 bytes"):
            client.receive_data(window_update(0, 0), 0.0)
    assert last_code(client) == 1


def test_the_reserved_bit_of_an_update_means_nothing() -> None:
    client = client_with_call(None, (4, 10))
    client.send_message(1, bytes(20), write)
    client.data_to_send()
    client.receive_data(window_update(1, 2**31 + 5), 0.0)
    assert sizes(client.data_to_send(), 1) == [5]


# -- what this side receives

TIGHT = Settings(stream_window=100_000, connection_window=400_000, max_message_bytes=1_000_000, max_streams=4)
FIRST = 65_535


def filled(server: ServerMachine, stream_id: int, *sizes: int) -> list[Event]:
    """What a server makes of messages of these sizes with their prefixes, each in a frame of its own."""
    return server.receive_data(b"".join(data(stream_id, prefixed(bytes(size - 5))) for size in sizes), 0.0)


def test_a_stream_may_not_overrun_its_window() -> None:
    server = server_with_call(TIGHT)
    assert len(filled(server, 1, 16_384, 16_384, 16_384, 16_383)) == 4
    assert credits_of(server.data_to_send()) == {1: 100_000 - FIRST}, "it sends much, and there is room"
    assert len(filled(server, 1, 16_384, 16_384, 1697)) == 3
    with pytest.raises(RemoteProtocolError, match="overran its window of 100000 bytes by 5"):
        filled(server, 1, 5)
    assert last_code(server) == 3


def test_where_there_is_no_room_a_stream_has_what_it_began_with() -> None:
    server = server_with_call(TIGHT)
    server._link.shares.spare = 100_000 - FIRST - 1
    filled(server, 1, 16_384, 16_384, 16_384, 16_383)
    assert credits_of(server.data_to_send()) == {}
    with pytest.raises(RemoteProtocolError, match="overran its window of 65535 bytes by 5"):
        filled(server, 1, 5)


@pytest.mark.parametrize("begins", [True, False])
def test_the_connection_may_not_be_overrun_either(begins: bool) -> None:
    server = server_with_call(TIGHT)
    server._link.flow.granted = 1000
    assert len(filled(server, 1, 900)) == 1
    chunk = data(1, prefixed(bytes(96)))
    if begins:
        chunk = headers(3, REQUEST) + data(3, prefixed(bytes(96)), end=True)
    with pytest.raises(RemoteProtocolError, match="connection's window of 457150 bytes by 1"):
        server.receive_data(chunk, 0.0)
    assert last_code(server) == 3


def test_the_windows_of_all_streams_fit_the_connections() -> None:
    for limits in (Settings(), TIGHT, Settings(max_streams=1), Settings(max_message_bytes=1, connection_window=2**20)):
        server = make_server(limits)
        window = limits.whole_window
        sure = window - window // 8 - 1  # what it has left before credit is worth a frame
        assert window >= limits.connection_window
        assert server._link.shares.spare + limits.max_streams * FIRST <= sure
        assert server._link.shares.spare >= min(8, limits.max_streams) * (limits.stream_window - FIRST)


def test_room_that_a_stream_had_is_for_others_once_its_input_ended() -> None:
    server = make_server(TIGHT)
    before = server._link.shares.spare
    for stream_id in (1, 3, 5, 7):
        server.receive_data(headers(stream_id, REQUEST), 0.0)
        filled(server, stream_id, 16_384, 16_384, 16_384, 16_383)
    assert server._link.shares.spare == before - 4 * (100_000 - FIRST)
    server.receive_data(data(1, b"", end=True), 0.0)
    server.receive_data(data(3, prefixed(b""), end=True), 0.0)
    server.reset(5, StatusCode.ABORTED)
    server.receive_data(frame(RST_STREAM, 0, 7, bytes(4)), 0.0)
    assert server._link.shares.spare == before
    client = client_with_call(TIGHT)
    chunk = headers(1, RESPONSE) + data(1, prefixed(bytes(100_000))[:16_384])
    client.receive_data(chunk, 0.0)
    assert client._link.shares.spare == before - (100_000 - FIRST)
    client.receive_data(headers(1, OK_TRAILERS, end=True), 0.0)
    assert client._link.shares.spare == before


def test_a_client_with_many_calls_makes_its_window_larger() -> None:
    client = make_client(TIGHT)
    for _ in range(4):
        open_call(client)
    assert credits_of(client.data_to_send()) == {}
    open_call(client)
    larger = Settings(stream_window=100_000, connection_window=400_000, max_streams=8).whole_window
    assert credits_of(client.data_to_send()) == {0: larger - TIGHT.whole_window}


def test_credit_comes_back_as_messages_are_taken() -> None:
    server = server_with_call(TIGHT)
    assert len(filled(server, 1, *[4000] * 10)) == 10
    assert credits_of(server.data_to_send()) == {}
    for _ in range(9):
        server.consumed(1, 3995)
    assert credits_of(server.data_to_send()) == {1: 36_000}
    for _ in range(2):
        filled(server, 1, *[4000] * 6)
        for _ in range(6):
            server.consumed(1, 3995)
    assert credits_of(server.data_to_send())[0] >= TIGHT.whole_window // 8
    server.consumed(1, 3995)
    with pytest.raises(LocalProtocolError, match="no unread message"):
        server.consumed(1, 0)
    with pytest.raises(LocalProtocolError, match="could be consumed"):
        server.consumed(3, 0)


def test_padding_is_given_back() -> None:
    server = server_with_call(TIGHT)
    chunk = frame(DATA, PADDED, 1, padded(prefixed(bytes(39)), 255))
    for _ in range(3000):
        server.receive_data(chunk, 0.0)
        server.consumed(1, 39)
    granted = credits_of(server.data_to_send())
    assert 3000 * 300 - granted[1] < TIGHT.stream_window
    assert server.buffered_bytes == 0


def test_padding_alone_is_given_back() -> None:
    server = server_with_call(TIGHT)
    for _ in range(900):
        server.receive_data(frame(DATA, PADDED, 1, padded(b"", 255)), 0.0)
    assert server.buffered_bytes == 0
    assert credits_of(server.data_to_send())[1] >= 900 * 256 - TIGHT.stream_window


def test_padding_within_a_message_is_given_back() -> None:
    server = server_with_call(TIGHT)
    for _ in range(3):
        for byte in prefixed(bytes(1995)):
            server.receive_data(frame(DATA, PADDED, 1, padded(bytes([byte]), 255)), 0.0)
            server.data_to_send()
        server.consumed(1, 1995)
    assert server.buffered_bytes == 0


def test_a_message_longer_than_both_windows_gets_through() -> None:
    pair = make_pair(None, TIGHT)
    message = bytes(range(250)) * 4000
    stream_id = open_call(pair.client, message)
    pair.settle()
    opened = pair.take(pair.server_events, RequestOpened)
    received = opened if opened.has_message else pair.take(pair.server_events, MessageReceived)
    assert content(received) == message
    assert isinstance(pair.client_events.pop(0), MessageSent)
    pair.server.consumed(stream_id, len(message))
    pair.settle()
    assert pair.server.buffered_bytes == 0


def test_many_long_messages_get_through_from_a_peer_that_is_fair_to_all() -> None:
    """As many as the connection's window cannot hold, each a frame at a time: none of them may wait for ever."""
    pair = make_pair(
        None, Settings(connection_window=2**20, stream_window=2**18, max_message_bytes=2**20, max_streams=20)
    )
    message = bytes(2**19)
    for _ in range(20):
        open_call(pair.client, message)
    drain_all(pair)
    assert pair.server.buffered_bytes == 0


def drain_all(pair: Pair) -> None:
    """Moves bytes and takes messages at once until nothing happens any more; every message has to arrive."""
    arrived = 0
    while pair.client.has_output or pair.server.has_output:
        pair.settle()
        for event in pair.server_events:
            if isinstance(event, MessageReceived):
                pair.server.consumed(event.stream_id, event.end - event.start)
                arrived += 1
        pair.server_events.clear()
    assert arrived == 20


def test_what_an_ended_call_left_unread_is_given_back() -> None:
    client = client_with_call()
    chunk = headers(1, RESPONSE) + data(1, prefixed(bytes(1000)))
    client.receive_data(chunk, 0.0)
    (ended,) = client.receive_data(headers(1, OK_TRAILERS, end=True), 0.0)
    assert isinstance(ended, StatusReceived)
    assert not ended.has_message
    assert client.buffered_bytes == 1005
    client.discard(1)
    assert client.buffered_bytes == 0
    client.discard(1)  # once more: no effect
    client.consumed(1, 1000)


def test_what_a_reset_call_left_unread_is_given_back() -> None:
    server = server_with_call()
    server.receive_data(data(1, prefixed(bytes(1000)) + prefixed(bytes(1000))[:500]), 0.0)
    assert server.buffered_bytes == 1505
    server.reset(1, StatusCode.CANCELLED)
    assert server.buffered_bytes == 0
