"""Our machines and those of others, h2 and nghttp2, in both roles: they understand each other, in whatever order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from tests.support.http2_foreign import FOREIGN, H2, Foreign, Ngh2
from tests.support.http2_pair import PATH, REQUEST, RESPONSE, content, new_client, open_call, prefixed, write

Machine = ClientMachine | ServerMachine

LIMITS = Settings(max_message_bytes=10**6, max_streams=100)
SIZES = st.one_of(st.integers(0, 500), st.sampled_from([16_379, 16_380, 70_000]))
FAILED = Status(StatusCode.NOT_FOUND, "no such thing: é", (), Metadata([("k", "v"), ("raw-bin", b"\x00\xff")]))


@dataclass
class Plan:
    """One call: the lengths of what each side sends, and whether it goes wrong."""

    request_sizes: list[int]
    response_sizes: list[int]
    has_initial: bool
    fails: bool
    is_cancelled: bool
    stream_id: int = 0

    @property
    def requests(self) -> list[bytes]:
        return [payload(size, place) for place, size in enumerate(self.request_sizes)]

    @property
    def responses(self) -> list[bytes]:
        return [payload(size, place + 7) for place, size in enumerate(self.response_sizes)]


def payload(size: int, seed: int) -> bytes:
    """Bytes that differ from those of other seeds."""
    return (seed.to_bytes(2, "big") * (size // 2 + 1))[:size]


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    return [
        Plan(
            request_sizes=draw(st.lists(SIZES, max_size=4)),
            response_sizes=draw(st.lists(SIZES, max_size=4)),
            has_initial=draw(st.booleans()),
            fails=draw(st.integers(0, 3)) == 0,
            is_cancelled=draw(st.integers(0, 5)) == 0,
        )
        for _ in range(draw(st.integers(1, 5)))
    ]


class Network:
    """Moves bytes between our machine and a foreign one, to ours in pieces of some size, and takes messages at once."""

    def __init__(self, ours: Machine, foreign: Foreign, piece: int) -> None:
        self.ours = ours
        self.foreign = foreign
        self.piece = piece
        self.events: list[Event] = []

    def settle(self) -> None:
        """Until both have nothing more to say."""
        while True:
            to_foreign = self.ours.data_to_send()
            self.foreign.receive(to_foreign)
            assert not self.foreign.fault
            to_ours = self.foreign.output()
            for start in range(0, len(to_ours), self.piece):
                self._take(self.ours.receive_data(to_ours[start : start + self.piece], 0.0))
            if not to_ours and not to_foreign:
                return

    def _take(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, MessageReceived):
                self.ours.consumed(event.stream_id, event.end - event.start)

    def send_all(self, stream_id: int, messages: list[bytes]) -> None:
        """Sends messages one behind the other, each as soon as the one before has left."""
        for message in messages:
            self.ours.send_message(stream_id, message, write)
            while self.ours.is_waiting(stream_id):
                self.settle()

    def messages(self, stream_id: int) -> list[bytes]:
        """What came on a stream, whichever events brought it."""
        return [
            content(event)
            for event in self.events
            if event.stream_id == stream_id
            and isinstance(event, (RequestOpened, MessageReceived, StatusReceived))
            and (isinstance(event, MessageReceived) or event.has_message)
        ]

    def last(self, stream_id: int) -> Event:
        """The last event of a stream."""
        return [event for event in self.events if event.stream_id == stream_id][-1]


def is_end(event: Event) -> bool:
    return isinstance(event, HalfClosed) or getattr(event, "end_stream", False)


@pytest.mark.parametrize("kind", FOREIGN)
@given(made=plans(), piece=st.sampled_from([7, 1000, 10**6]))
@settings(max_examples=20, deadline=None)
def test_a_foreign_client(kind: type[H2 | Ngh2], made: list[Plan], piece: int) -> None:
    server = ServerMachine(LIMITS, now=0.0)
    client = kind(is_client=True)
    network = Network(server, client, piece)
    network.settle()
    for plan in made:
        plan.stream_id = client.request([*REQUEST, ("k", "v")], end=not plan.requests)
        if plan.requests:
            client.send(plan.stream_id, b"".join(map(prefixed, plan.requests)), end=True)
    network.settle()
    for plan in made:
        stream_id = plan.stream_id
        assert network.messages(stream_id) == plan.requests
        assert is_end(network.last(stream_id))
        if plan.is_cancelled:
            server.send_headers(stream_id, EMPTY_METADATA)
            client.reset(stream_id, 8)
            network.settle()
            reset = network.last(stream_id)
            assert isinstance(reset, StreamReset)
            assert reset.code == StatusCode.CANCELLED
            continue
        if plan.has_initial:
            server.send_headers(stream_id, Metadata([("initial", "1")]))
        network.send_all(stream_id, plan.responses)
        server.send_status(stream_id, FAILED if plan.fails else OK_STATUS)
        network.settle()
        seen = client.streams[stream_id]
        assert seen.messages() == plan.responses
        assert seen.is_ended
        assert (":status", "200") in seen.head
        assert (("initial", "1") in seen.head) == plan.has_initial
        trailers = dict(seen.trailers or seen.head)
        assert trailers["grpc-status"] == ("5" if plan.fails else "0")
        if plan.fails:
            assert trailers["grpc-message"] == "no such thing: %C3%A9"
            assert trailers["raw-bin"] == "AP8"
    assert server.active_streams == 0
    assert server.buffered_bytes == 0


@pytest.mark.parametrize("kind", FOREIGN)
@given(made=plans(), piece=st.sampled_from([7, 1000, 10**6]))
@settings(max_examples=20, deadline=None)
def test_a_foreign_server(kind: type[H2 | Ngh2], made: list[Plan], piece: int) -> None:
    client = new_client(LIMITS)
    server = kind(is_client=False)
    network = Network(client, server, piece)
    network.settle()
    for place, plan in enumerate(made):
        plan.stream_id = client.open(client.route(PATH), 10**6, Metadata([("k", str(place))]), b"", None, False)
        network.send_all(plan.stream_id, plan.requests)
        client.half_close(plan.stream_id)
    network.settle()
    for place, plan in enumerate(made):
        stream_id = plan.stream_id
        seen = server.streams[stream_id]
        assert seen.messages() == plan.requests
        assert seen.is_ended
        assert {(":path", PATH), ("te", "trailers"), ("k", str(place)), ("grpc-timeout", "1S")} <= {
            (name, "1S" if name == "grpc-timeout" else value) for name, value in seen.head
        }
        if plan.is_cancelled:
            client.reset(stream_id, StatusCode.CANCELLED)
            network.settle()
            assert seen.reset == 8
            continue
        status = [("grpc-status", "5" if plan.fails else "0"), ("grpc-message", "%C3%A9"), ("raw-bin", "AP8=")]
        if not plan.responses and not plan.has_initial:
            server.respond(stream_id, [*RESPONSE, *status], end=True)
        else:
            server.respond(stream_id, [*RESPONSE, ("initial", "1")], end=False)
            server.send(stream_id, b"".join(map(prefixed, plan.responses)), end=False)
            server.trail(stream_id, status)
            network.settle()
            heads = [event for event in network.events if isinstance(event, HeadersReceived)]
            assert (heads[-1].stream_id, heads[-1].metadata) == (stream_id, Metadata([("initial", "1")]))
        network.settle()
        assert network.messages(stream_id) == plan.responses
        ended = network.last(stream_id)
        assert isinstance(ended, StatusReceived)
        assert ended.status.code == (StatusCode.NOT_FOUND if plan.fails else StatusCode.OK)
        assert ended.status.message == "é"
        assert ended.status.trailers == Metadata([("raw-bin", b"\x00\xff")])
    assert client.active_streams == 0
    assert client.buffered_bytes == 0


def test_a_foreign_side_that_makes_windows_smaller() -> None:
    # h2 itself miscounts windows that it made smaller while there was data in them, so it is no judge here.
    client = new_client(LIMITS)
    server = Ngh2(is_client=False)
    network = Network(client, server, 1000)
    network.settle()
    stream_id = open_call(client, bytes(50_000))
    network.settle()
    server.squeeze(100)
    network.settle()
    client.send_message(stream_id, bytes(100_000), write, True)
    second = open_call(client, bytes(10_000), end=True)
    network.settle()
    server.squeeze(30_000)
    network.settle()
    assert server.streams[stream_id].messages() == [bytes(50_000), bytes(100_000)]
    assert server.streams[second].messages() == [bytes(10_000)]


def test_a_foreign_client_is_drained() -> None:
    # To h2 a connection is over with the first GOAWAY, even for calls in flight.
    server = ServerMachine(LIMITS, now=0.0)
    client = Ngh2(is_client=True)
    network = Network(server, client, 1000)
    network.settle()
    stream_id = client.request(REQUEST, end=True)
    network.settle()
    server.drain("maintenance")
    assert server.takes_calls
    network.settle()
    assert client.last_call == stream_id, "the answer to our ping came by itself"
    server.send_status(stream_id, OK_STATUS)
    network.settle()
    assert client.streams[stream_id].is_ended


@pytest.mark.parametrize("kind", FOREIGN)
def test_pings_both_ways(kind: type[H2 | Ngh2]) -> None:
    client = new_client(LIMITS)
    server = kind(is_client=False)
    network = Network(client, server, 1000)
    network.settle()
    client.ping(b"are you?")
    server.connection.ping(b"12345678")
    network.settle()
    assert server.pongs == [b"12345678"]
    assert [type(event).__name__ for event in network.events] == ["SettingsReceived", "PongReceived"]
