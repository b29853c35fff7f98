"""Preface and HELLO: what is announced, what is understood, what is refused."""

from __future__ import annotations

import pytest

from eventflux_runtime.protocol.core.event import ConnectionLost
from eventflux_runtime.protocol.native.core import (
    Connection,
    LocalProtocolError,
    MethodEntry,
    RemoteProtocolError,
    Role,
    Settings,
)
from eventflux_runtime.protocol.native.core.event import HelloReceived
from eventflux_runtime.protocol.native.core.frame import GOAWAY, HELLO, MAX_HELLO_BYTES, MESSAGE, OPEN, PING, PREFACE
from eventflux_runtime.protocol.native.core.handshake import DEFAULTS
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import StatusCode
from tests.support.core_pair import METHODS, frame, frames, greeting, hello, make_client, make_pair, make_server


def new(role: Role) -> Connection:
    """A connection that has received nothing."""
    return Connection(role, Settings(), METHODS if role is Role.SERVER else (), now=0.0)


def test_a_server_speaks_after_the_clients_preface_only() -> None:
    server = new(Role.SERVER)
    assert server.receive_data(PREFACE[:3], 0.0) == []
    assert not server.has_output
    assert server.receive_data(PREFACE[3:], 0.0) == []
    assert server.data_to_send().startswith(PREFACE)
    assert not server.is_ready


def test_settings_left_out_have_their_defaults_and_unknown_ones_are_ignored() -> None:
    server = new(Role.SERVER)
    (event,) = server.receive_data(greeting({77: 5, 65_000: 2**64 - 1}), 0.0)
    assert isinstance(event, HelloReceived)
    peer = event.settings
    assert peer is server.peer_settings
    assert (peer.max_frame_bytes, peer.max_message_bytes, peer.max_streams) == (DEFAULTS[1], DEFAULTS[2], DEFAULTS[3])
    assert (peer.max_metadata_bytes, peer.stream_window) == (DEFAULTS[4], DEFAULTS[5])
    assert (peer.connection_window, peer.min_ping_interval_s) == (DEFAULTS[6], DEFAULTS[7] / 1000)
    assert not peer.has_protobuf
    assert peer.compressions == ()


def test_values_beyond_our_range_count_as_the_greatest() -> None:
    (event,) = new(Role.SERVER).receive_data(greeting(dict.fromkeys(range(1, 8), 2**64 - 1)), 0.0)
    assert isinstance(event, HelloReceived)
    assert event.settings.max_frame_bytes == 16 * 1024 * 1024
    assert event.settings.max_metadata_bytes == 16 * 1024 * 1024 - 1024
    assert event.settings.max_message_bytes == event.settings.connection_window == 2**31 - 1


@pytest.mark.parametrize(("key", "value"), [(1, 16_383), (2, 0), (5, 16_383), (6, 16_383), (1, 0)])
def test_values_below_the_least_are_refused(key: int, value: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{value}, below the protocol's least of"):
        new(Role.SERVER).receive_data(greeting({key: value}), 0.0)


def test_a_greater_minor_version_is_fine() -> None:
    (event,) = new(Role.SERVER).receive_data(PREFACE + frame(HELLO, payload=hello(version=(1, 7))), 0.0)
    assert isinstance(event, HelloReceived)
    assert (event.settings.version_major, event.settings.version_minor) == (1, 7)


@pytest.mark.parametrize("major", [0, 2, 65_535])
def test_another_major_version_is_refused(major: int) -> None:
    server = new(Role.SERVER)
    with pytest.raises(
        RemoteProtocolError, match=rf"version {major}\.3 of the protocol, this side 1\.0: upgrade"
    ) as caught:
        server.receive_data(PREFACE + frame(HELLO, payload=hello(version=(major, 3))), 0.0)
    assert caught.value.code == StatusCode.UNIMPLEMENTED
    said = frames(server.data_to_send())
    assert [kind for kind, *_ in said] == [HELLO, GOAWAY]
    assert said[1][3][4] == StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "cut short"),
        (hello()[:-1], "cut short"),
        (hello() + b"\x00", "1 bytes behind its last field"),
        (hello(methods=METHODS), "a client listed 2 methods"),
        (b"\x01\x00\x00\x00\x00\x00\x05\x01", "compression takes 1 bytes, 0 are left"),
    ],
)
def test_a_malformed_hello_of_a_client(payload: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        new(Role.SERVER).receive_data(PREFACE + frame(HELLO, payload=payload), 0.0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (hello(methods=(METHODS[0], METHODS[0])), "lists the method '/shop.Stock/Get' twice"),
        (hello()[:-2] + b"\x00\x80", "lists 32768 methods, over the limit of 32767"),
        (hello()[:-2] + b"\x01\x00\x02\x00\xff\xfe" + bytes(8), "method path is not UTF-8"),
        (hello(methods=METHODS)[:-1], "fingerprint takes 8 bytes, 7 are left"),
    ],
)
def test_a_malformed_hello_of_a_server(payload: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        new(Role.CLIENT).receive_data(PREFACE + frame(HELLO, payload=payload), 0.0)


def test_fingerprints_are_unsigned() -> None:
    pair = make_pair()
    peer = pair.client.peer_settings
    assert peer is not None
    assert peer.methods == METHODS
    assert peer.methods[1].fingerprint == 0xFFFFFFFFFFFFFFFE
    assert peer.find_method("/shop.Stock/Watch") == 1
    assert peer.find_method("/shop.Stock/Sell") == -1
    assert "0x1122334455667788" in repr(peer.methods[0])
    assert len({*METHODS, *peer.methods}) == 2


def test_hello_comes_once_and_first() -> None:
    with pytest.raises(RemoteProtocolError, match="PING ahead of HELLO"):
        new(Role.SERVER).receive_data(PREFACE + frame(PING, 0, 0, bytes(8)), 0.0)
    with pytest.raises(RemoteProtocolError, match="HELLO for a second time"):
        make_server().receive_data(frame(HELLO, payload=hello()), 0.0)


def test_a_hello_may_be_longer_than_a_frame_but_has_a_limit_of_its_own() -> None:
    methods = [MethodEntry(f"/package.Service/{'M' * 60}{n}", n) for n in range(5000)]
    server = Connection(Role.SERVER, Settings(), methods, now=0.0)
    client = new(Role.CLIENT)
    server.receive_data(client.data_to_send(), 0.0)
    data = server.data_to_send()
    assert len(data) > 5 * 65_536
    client.receive_data(data, 0.0)
    assert client.peer_settings is not None
    assert client.peer_settings.find_method(methods[4321].path) == 4321
    with pytest.raises(RemoteProtocolError, match="HELLO of 16385 bytes is over the limit of 16384"):
        new(Role.SERVER).receive_data(PREFACE + frame(HELLO, 0, 0, bytes(16_385)), 0.0)
    with pytest.raises(RemoteProtocolError, match="is over the limit of 1048576"):
        new(Role.CLIENT).receive_data(PREFACE + (MAX_HELLO_BYTES + 1).to_bytes(4, "little") + bytes(6), 0.0)
    with pytest.raises(RemoteProtocolError, match="MESSAGE of 65537 bytes is over the limit of 65536"):
        client.receive_data(frame(MESSAGE, 0, 1, bytes(65_537)), 0.0)
    with pytest.raises(ConfigError, match="over the 1048576 of a HELLO: serve fewer methods"):
        Connection(Role.SERVER, Settings(), [MethodEntry("/" + "m" * 300 + str(n), n) for n in range(4000)], now=0.0)


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        ([MethodEntry("/a.B/C", 1), MethodEntry("/a.B/C", 2)], "/a.B/C is served twice"),
        ([MethodEntry("a.B/C", 1)], "not of the form"),
        ([MethodEntry(f"/a.B/{n}", n) for n in range(32_768)], "32768 methods are more"),
    ],
)
def test_methods_that_cannot_be_listed(methods: list[MethodEntry], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Connection(Role.SERVER, Settings(), methods, now=0.0)


def test_a_client_offers_no_methods() -> None:
    with pytest.raises(LocalProtocolError, match="only a server"):
        Connection(Role.CLIENT, Settings(), METHODS, now=0.0)


@pytest.mark.parametrize("role", list(Role))
def test_another_protocol_is_named(role: Role) -> None:
    for data, words in (
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "grpc://"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", "grpc://"),
        (b"\x16\x03\x01\x02\x00\x01", "tcps://"),
        (b"\x15\x03\x03\x00\x02\x02", "tcps://"),
        (b"\x00\x00\x00\x20\x04\x00\x00\x00\x00\x00\x00\x01", "EventFlux peer"),
        (b"SSH-2.0-OpenSSH", "check that the address"),
    ):
        connection = new(role)
        connection.data_to_send()
        with pytest.raises(RemoteProtocolError, match="does not speak the eventflux protocol: .*" + words):
            connection.receive_data(data, 0.0)
        assert not connection.has_output, "a peer that speaks something else is told nothing"
        for position in range(len(data)):
            connection = new(role)
            try:
                connection.receive_data(data[:position], 0.0)
            except RemoteProtocolError:
                assert position > 0
                break
        else:
            raise AssertionError("a wrong preface was never refused")


def test_the_handshake_has_a_time_limit() -> None:
    server = Connection(Role.SERVER, Settings(handshake_timeout_s=3.0), METHODS, now=100.0)
    assert server.next_timer() == 103.0
    server.receive_data(PREFACE, 102.0)
    server.data_to_send()
    assert server.handle_timer(102.9) == []
    (event,) = server.handle_timer(103.0)
    assert isinstance(event, ConnectionLost)
    assert event.is_timeout
    assert event.reason == "the peer did not finish the handshake within 3 s"
    assert [kind for kind, *_ in frames(server.data_to_send())] == [GOAWAY]
    assert server.next_timer() is None
    assert server.handle_timer(200.0) == []


def test_a_silent_peer_is_told_nothing_when_the_handshake_times_out() -> None:
    server = Connection(Role.SERVER, Settings(), METHODS, now=0.0)
    server.handle_timer(10.0)
    assert server.is_closed
    assert not server.has_output


def test_the_handshake_limit_is_off_once_it_is_over() -> None:
    assert make_server().next_timer() is None
    assert make_client().next_timer() is None


def test_eof_during_the_handshake() -> None:
    client = new(Role.CLIENT)
    (event,) = client.receive_eof(0.0)
    assert isinstance(event, ConnectionLost)
    assert not event.is_timeout
    assert "during the handshake" in event.reason


def test_nothing_is_sent_before_the_handshake_is_over() -> None:
    client = new(Role.CLIENT)
    assert not client.can_open
    with pytest.raises(LocalProtocolError, match="handshake"):
        client.open(0, -1, EMPTY_METADATA, None, None)
    with pytest.raises(LocalProtocolError, match="handshake"):
        client.go_away()
    with pytest.raises(LocalProtocolError, match="handshake"):
        client.ping(b"12345678")


def test_open_needs_a_method_that_was_listed() -> None:
    client = make_client()
    for method_id in (-1, 2, 70_000):
        with pytest.raises(LocalProtocolError, match=f"method id {method_id} is none of the 2"):
            client.open(method_id, -1, EMPTY_METADATA, None, None)
    server = make_server()
    with pytest.raises(RemoteProtocolError, match="OPEN of method 2: 2 methods were listed"):
        server.receive_data(frame(OPEN, 0, 1, b"\x02\x00" + bytes(8)), 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_frame_bytes": 1000},
        {"max_frame_bytes": 2**24 + 1},
        {"max_message_bytes": 0},
        {"max_streams": 0},
        {"max_metadata_bytes": 65_000},
        {"stream_window": 1000},
        {"connection_window": 2**19},
        {"max_resets_per_s": 0},
        {"max_reply_bytes": 10},
        {"min_ping_interval_s": 0.0},
        {"ping_interval_s": float("inf")},
        {"ping_timeout_s": -1.0},
        {"handshake_timeout_s": float("nan")},
        {"compressions": (5,)},
        {"compressions": (1, 1)},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"^{name}"):
        Settings(**wrong)  # type: ignore[arg-type]  # each is of its field's type
