"""Pings: when they are sent, when a peer counts as gone, and what happens to a peer that pings too often."""

from __future__ import annotations

import pytest

from eventflux_runtime.protocol.core.event import ConnectionLost, Event, GoAwayReceived, PongReceived
from eventflux_runtime.protocol.native.core import Connection, LocalProtocolError, RemoteProtocolError, Role, Settings
from eventflux_runtime.protocol.native.core.frame import GOAWAY, MESSAGE, PING, PONG
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import StatusCode
from tests.support.core_pair import METHODS, frame, frames, greeting, make_pair, make_server

PING_ZERO = frame(PING, 0, 0, bytes(8))
PONG_ZERO = frame(PONG, 0, 0, bytes(8))


def client_at(now: float, settings: Settings, server: dict[int, int] | None = None) -> Connection:
    """A client that finished its handshake at this time."""
    client = Connection(Role.CLIENT, settings, now=now)
    client.receive_data(greeting(server, METHODS), now)
    client.data_to_send()
    return client


def test_a_silent_peer_is_pinged_and_its_answer_counts() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0, ping_timeout_s=10.0))
    assert client.next_timer() == 130.0
    assert client.handle_timer(129.9) == []
    assert not client.has_output
    assert client.handle_timer(130.0) == []
    assert client.data_to_send() == PING_ZERO
    assert client.next_timer() == 140.0
    assert client.handle_timer(139.0) == []
    assert not client.has_output, "one ping at a time"
    assert client.receive_data(PONG_ZERO, 139.5) == [], "the keepalive's own pong is no event"
    assert client.next_timer() == 169.5


def test_a_timeout_longer_than_the_interval_does_not_make_pings_rarer() -> None:
    client = client_at(100.0, Settings(ping_interval_s=10.0, ping_timeout_s=60.0))
    assert client.handle_timer(110.0) == []
    assert client.data_to_send() == PING_ZERO
    client.receive_data(PONG_ZERO, 111.0)
    # A driver set its timer when the ping went out, and moves it when it is due.
    silent = client_at(100.0, Settings(ping_interval_s=10.0, ping_timeout_s=60.0))
    silent.handle_timer(110.0)
    assert silent.next_timer() == 120.0
    for now in (120.0, 121.0):
        assert client.next_timer() == 121.0
        assert client.handle_timer(now) == []
    assert client.data_to_send() == PING_ZERO
    for now in range(120, 170, 10):
        assert silent.handle_timer(now) == []
        assert silent.next_timer() == now + 10
    (lost,) = silent.handle_timer(170.0)
    assert isinstance(lost, ConnectionLost)


def test_traffic_makes_pings_needless() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0))
    client.receive_data(PONG_ZERO[:3], 125.0)
    assert client.handle_timer(130.0) == []
    assert not client.has_output
    assert client.next_timer() == 155.0


def test_any_bytes_are_a_sign_of_life() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0, ping_timeout_s=10.0))
    client.handle_timer(130.0)
    client.receive_data(b"\x08", 138.0)
    assert client.handle_timer(150.0) == []
    assert not client.is_closed


def trickle(client: Connection, data: bytes, begin: float, step_s: float) -> list[Event]:
    """Feeds bytes one by one and looks at the timer between them; stops at the first event."""
    now = begin
    for byte in data:
        client.receive_data(bytes([byte]), now)
        if events := client.handle_timer(now + step_s / 2):
            return events
        now += step_s
    return []


def test_a_frame_that_trickles_in_is_given_up() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0, ping_timeout_s=10.0))
    (event,) = trickle(client, frame(PING, payload=bytes(8)) + frame(MESSAGE, payload=bytes(1000)), 100.0, 20.0)
    assert isinstance(event, ConnectionLost)
    assert event.reason == "a frame has begun and did not end within 40 s"
    assert client.is_closed


def test_a_peer_that_sends_one_frame_after_the_other_slowly_is_kept() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0, ping_timeout_s=10.0))
    assert trickle(client, PONG_ZERO * 20, 100.0, 1.0) == []
    assert not client.is_closed


def test_a_short_keepalive_leaves_a_frame_the_time_of_a_handshake() -> None:
    settings = Settings(ping_interval_s=0.1, ping_timeout_s=0.1, handshake_timeout_s=5.0)
    client = client_at(100.0, settings)
    assert trickle(client, frame(MESSAGE, payload=bytes(1000))[:48], 100.0, 0.1) == []
    (event,) = trickle(client, bytes(100), 104.8, 0.1)
    assert isinstance(event, ConnectionLost)


def test_a_peer_that_does_not_answer_is_given_up() -> None:
    client = client_at(100.0, Settings(ping_interval_s=30.0, ping_timeout_s=10.0))
    client.open(0, -1, EMPTY_METADATA, None, None)
    client.handle_timer(131.0)
    client.data_to_send()
    (event,) = client.handle_timer(141.0)
    assert isinstance(event, ConnectionLost)
    assert event.is_timeout
    assert event.reason == "the peer sent nothing for 41 s, not even to a ping"
    assert client.is_closed
    assert client.active_streams == 0
    assert [kind for kind, *_ in frames(client.data_to_send())] == [GOAWAY]


def test_without_an_interval_there_are_no_timers() -> None:
    client = client_at(0.0, Settings())
    assert client.next_timer() is None
    assert client.handle_timer(1e9) == []
    assert not client.has_output


def test_the_peers_least_interval_is_respected() -> None:
    client = client_at(0.0, Settings(ping_interval_s=1.0), {7: 20_000})
    assert client.next_timer() == 20.0
    client = client_at(0.0, Settings(ping_interval_s=50.0), {7: 20_000})
    assert client.next_timer() == 50.0


def test_a_ping_of_the_driver_comes_back_as_an_event() -> None:
    pair = make_pair()
    pair.server.ping(b"\0\0\0\0\0\0\0\1")
    pair.settle()
    assert pair.take(pair.server_events, PongReceived).payload == b"\0\0\0\0\0\0\0\1"
    for payload in (bytes(8), b"short", b"too long!"):
        with pytest.raises(LocalProtocolError, match="8 bytes"):
            pair.client.ping(payload)


def test_pings_above_the_rate_end_the_connection() -> None:
    pair = make_pair(server=Settings(min_ping_interval_s=2.0))
    for number in range(10):
        pair.server.receive_data(PING_ZERO, number * 0.01)
    assert [kind for kind, *_ in frames(pair.server.data_to_send())] == [PONG] * 10
    with pytest.raises(RemoteProtocolError, match="too_many_pings: this side wants at most one every 2 s") as caught:
        pair.server.receive_data(PING_ZERO, 0.2)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
    pair.to_client()
    event = pair.take(pair.client_events, GoAwayReceived)
    assert event.is_too_many_pings
    assert event.code == StatusCode.RESOURCE_EXHAUSTED


def test_pings_at_the_rate_go_on_for_ever() -> None:
    server = make_server(Settings(min_ping_interval_s=2.0))
    for number in range(1000):
        server.receive_data(PING_ZERO, number * 2.0)
        server.data_to_send()
    for _ in range(10):
        server.receive_data(PING_ZERO, 5000.0)
    with pytest.raises(RemoteProtocolError, match="too_many_pings"):
        server.receive_data(PING_ZERO, 5000.0)


def test_a_peer_that_never_reads_its_pongs_is_disconnected() -> None:
    server = make_server(Settings(min_ping_interval_s=0.001, max_reply_bytes=1024))
    with pytest.raises(RemoteProtocolError, match="1026 bytes of answers unread, over the limit of 1024"):
        for number in range(100):
            server.receive_data(PING_ZERO, number * 1.0)
    server = make_server(Settings(min_ping_interval_s=0.001, max_reply_bytes=1024))
    for number in range(100):
        server.receive_data(PING_ZERO, number * 1.0)
        server.data_to_send()
