"""Two machines do whatever two programs may do, in any order; a model says what has to arrive."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventflux_runtime.protocol.core.error import StreamsExhausted
from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    MessageSent,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened, SettingsReceived
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from tests.support.http2_pair import PATH, content, new_client, settings, window_update, write

WINDOW = 80_000
MAX_MESSAGE = 200_000
SMALL = Settings(
    max_message_bytes=MAX_MESSAGE,
    max_streams=6,
    max_metadata_bytes=4096,
    stream_window=WINDOW,
    connection_window=WINDOW,
)
SIZES = st.one_of(st.integers(0, 600), st.integers(15_000, 17_000), st.integers(60_000, 90_000), st.just(MAX_MESSAGE))


@dataclass
class Direction:
    """What one side of a call sent, and how much of it the other side has to have seen."""

    sent: deque[bytes] = field(default_factory=deque)
    ended: bool = False
    seen_end: bool = False
    waiting: bool = False
    unread: deque[int] = field(default_factory=deque)


@dataclass
class Call:
    """The model of one call."""

    stream_id: int
    metadata: Metadata
    opened: bool = False
    over: bool = False
    server_over: bool = False
    has_answered: bool = False
    status: Status | None = None
    headers: Metadata = EMPTY_METADATA
    requests: Direction = field(default_factory=Direction)
    responses: Direction = field(default_factory=Direction)


class TwoMachines(RuleBasedStateMachine):
    """Rules are what programs do, what the network does, and when applications read."""

    @initialize()
    def connect(self) -> None:
        self.client = new_client(SMALL)
        self.server = ServerMachine(SMALL, now=0.0)
        self.to_server = bytearray()
        self.to_client = bytearray()
        self.calls: dict[int, Call] = {}
        self.counter = 0
        self.deliver_all()
        self.route = self.client.route(PATH)

    def payload(self, size: int) -> bytes:
        """Bytes of their own for every message, so that a swap or a mix-up shows."""
        self.counter += 1
        stamp = self.counter.to_bytes(4, "little")
        return (stamp * (size // 4 + 1))[:size]

    # What the network does.

    def collect(self) -> None:
        self.to_server += self.client.data_to_send()
        self.to_client += self.server.data_to_send()

    @rule(share=st.floats(0.0, 1.0), at_most=st.integers(1, 20))
    def deliver_to_server(self, share: float, at_most: int) -> None:
        self.collect()
        size = int(len(self.to_server) * share) + 1
        data = bytes(self.to_server[:size])
        del self.to_server[:size]
        self.on_server(self.server.receive_data(data, 0.0, at_most))
        while self.server.has_unread:
            self.on_server(self.server.receive_data(b"", 0.0, at_most))

    @rule(share=st.floats(0.0, 1.0), at_most=st.integers(1, 20))
    def deliver_to_client(self, share: float, at_most: int) -> None:
        self.collect()
        size = int(len(self.to_client) * share) + 1
        data = bytes(self.to_client[:size])
        del self.to_client[:size]
        self.on_client(self.client.receive_data(data, 0.0, at_most))
        while self.client.has_unread:
            self.on_client(self.client.receive_data(b"", 0.0, at_most))

    @rule()
    def deliver_all(self) -> None:
        self.collect()
        while self.to_server or self.to_client:
            self.deliver_to_server(1.0, 1000)
            self.deliver_to_client(1.0, 1000)
            self.collect()

    @rule(window=st.integers(0, 65_535), is_client=st.booleans())
    def squeeze(self, window: int, is_client: bool) -> None:
        """As if the other side had changed the window that streams begin with."""
        self.collect()
        if is_client:
            self.to_client += settings((4, window))
        else:
            self.to_server += settings((4, window))

    # What the programs do.

    def pick(self, data: st.DataObject, calls: list[Call]) -> Call:
        return data.draw(st.sampled_from(calls))

    def client_side(self) -> list[Call]:
        return [call for call in self.calls.values() if not call.over]

    def client_senders(self) -> list[Call]:
        return [call for call in self.client_side() if not call.requests.ended and not call.requests.waiting]

    def server_side(self) -> list[Call]:
        return [call for call in self.calls.values() if call.opened and not call.server_over]

    def server_senders(self) -> list[Call]:
        return [call for call in self.server_side() if not call.responses.waiting]

    @rule(size=SIZES, has_message=st.booleans(), end=st.booleans(), has_metadata=st.booleans())
    def open(self, size: int, has_message: bool, end: bool, has_metadata: bool) -> None:
        metadata = Metadata([("key", "text"), ("raw-bin", b"\x00\xff")]) if has_metadata else EMPTY_METADATA
        message = self.payload(size)
        encode = write if has_message else None
        try:
            stream_id = self.client.open(self.route, -1, metadata, message, encode, end)
        except StreamsExhausted:
            assert len(self.client_side()) == SMALL.max_streams
            return
        call = self.calls[stream_id] = Call(stream_id, metadata)
        if has_message:
            call.requests.sent.append(message)
            call.requests.waiting = self.client.is_waiting(stream_id)
        call.requests.ended = end

    @precondition(lambda self: self.client_senders())
    @rule(data=st.data(), size=SIZES, end=st.booleans())
    def send_request(self, data: st.DataObject, size: int, end: bool) -> None:
        call = self.pick(data, self.client_senders())
        message = self.payload(size)
        call.requests.sent.append(message)
        call.requests.ended = end
        call.requests.waiting = not self.client.send_message(call.stream_id, message, write, end)

    @precondition(lambda self: any(not call.requests.ended for call in self.client_side()))
    @rule(data=st.data())
    def half_close(self, data: st.DataObject) -> None:
        call = self.pick(data, [call for call in self.client_side() if not call.requests.ended])
        self.client.half_close(call.stream_id)
        call.requests.ended = True

    @precondition(lambda self: any(not call.has_answered for call in self.server_senders()))
    @rule(data=st.data())
    def send_headers(self, data: st.DataObject) -> None:
        call = self.pick(data, [call for call in self.server_senders() if not call.has_answered])
        call.headers = Metadata([("initial", str(call.stream_id))])
        call.has_answered = True
        self.server.send_headers(call.stream_id, call.headers)

    @precondition(lambda self: self.server_senders())
    @rule(data=st.data(), size=SIZES)
    def send_response(self, data: st.DataObject, size: int) -> None:
        call = self.pick(data, self.server_senders())
        message = self.payload(size)
        call.responses.sent.append(message)
        call.has_answered = True
        call.responses.waiting = not self.server.send_message(call.stream_id, message, write)

    @precondition(lambda self: self.server_senders())
    @rule(data=st.data(), size=SIZES, has_message=st.booleans(), trailers=st.booleans())
    def finish(self, data: st.DataObject, size: int, has_message: bool, trailers: bool) -> None:
        call = self.pick(data, self.server_senders())
        status = Status(StatusCode.OK, "", (), Metadata([("t", "1")])) if trailers else OK_STATUS
        message = self.payload(size)
        if has_message:
            call.responses.sent.append(message)
        whole = self.server.send_status(call.stream_id, status, message, write if has_message else None)
        call.status = status
        call.responses.waiting = not whole
        call.server_over = True
        if whole:
            self.server_left(call)

    @precondition(lambda self: any(call.responses.waiting for call in self.server_side()))
    @rule(data=st.data())
    def finish_behind(self, data: st.DataObject) -> None:
        call = self.pick(data, [call for call in self.server_side() if call.responses.waiting])
        assert not self.server.send_status(call.stream_id, OK_STATUS)
        call.status = OK_STATUS
        call.server_over = True

    @precondition(lambda self: self.server_side())
    @rule(data=st.data(), by_reset=st.booleans())
    def abort(self, data: st.DataObject, by_reset: bool) -> None:
        call = self.pick(data, self.server_side())
        status = Status(StatusCode.ABORTED, f"call {call.stream_id}")
        if by_reset:
            self.server.reset(call.stream_id, status.code, status.message)
        else:
            assert self.server.send_status(call.stream_id, status)
        call.status = status
        call.server_over = True
        self.server_left(call)

    @precondition(lambda self: any(not call.has_answered for call in self.server_side()))
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        call = self.pick(data, [call for call in self.server_side() if not call.has_answered])
        self.server.reset(call.stream_id, StatusCode.UNAVAILABLE, unprocessed=True)
        call.server_over = True
        self.server_left(call)

    @precondition(lambda self: self.client_side())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call = self.pick(data, self.client_side())
        self.client.reset(call.stream_id, StatusCode.CANCELLED)
        call.over = True
        call.requests.waiting = False
        call.responses.unread.clear()

    def server_left(self, call: Call) -> None:
        call.requests.unread.clear()
        call.responses.waiting = False

    # When the applications read.

    @rule(data=st.data())
    def server_reads(self, data: st.DataObject) -> None:
        calls = [call for call in self.calls.values() if call.requests.unread]
        if calls:
            call = self.pick(data, calls)
            self.server.consumed(call.stream_id, call.requests.unread.popleft())

    @rule(data=st.data())
    def client_reads(self, data: st.DataObject) -> None:
        calls = [call for call in self.calls.values() if call.responses.unread]
        if calls:
            call = self.pick(data, calls)
            self.client.consumed(call.stream_id, call.responses.unread.popleft())

    @rule(data=st.data())
    def client_discards(self, data: st.DataObject) -> None:
        calls = [call for call in self.calls.values() if call.over and call.responses.unread]
        if calls:
            call = self.pick(data, calls)
            self.client.discard(call.stream_id)
            call.responses.unread.clear()

    # What has to arrive.

    def on_server(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, SettingsReceived):
                continue
            call = self.calls[event.stream_id]
            if isinstance(event, RequestOpened):
                assert not call.opened
                assert event.metadata == call.metadata
                call.opened = True
                if event.has_message:
                    assert content(event) == call.requests.sent.popleft()
            elif isinstance(event, MessageReceived):
                assert content(event) == call.requests.sent.popleft()
                call.requests.unread.append(event.end - event.start)
            elif isinstance(event, MessageSent):
                assert call.responses.waiting
                call.responses.waiting = False
                if call.server_over:
                    self.server_left(call)
            elif isinstance(event, StreamReset):
                assert event.code == StatusCode.CANCELLED
                assert call.over
                call.server_over = True
                self.server_left(call)
            else:
                assert isinstance(event, HalfClosed)
            if isinstance(event, HalfClosed) or getattr(event, "end_stream", False):
                assert call.requests.ended
                assert not call.requests.sent
                assert not call.requests.seen_end
                call.requests.seen_end = True

    def on_client(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, SettingsReceived):
                continue
            call = self.calls[event.stream_id]
            assert not call.over, "an event of a call that has ended here"
            if isinstance(event, HeadersReceived):
                assert event.metadata == call.headers
            elif isinstance(event, MessageReceived):
                assert content(event) == call.responses.sent.popleft()
                call.responses.unread.append(event.end - event.start)
            elif isinstance(event, MessageSent):
                assert call.requests.waiting
                call.requests.waiting = False
            elif isinstance(event, StatusReceived):
                assert event.status == call.status
                if event.has_message:
                    assert content(event) == call.responses.sent.popleft()
                if event.status.code == StatusCode.OK:
                    assert not call.responses.sent
                call.over = True
                call.requests.waiting = False
            else:
                assert isinstance(event, StreamReset)
                assert (event.code, event.unprocessed) == (StatusCode.UNAVAILABLE, True)
                call.over = True
                call.requests.waiting = False
                call.responses.unread.clear()

    @invariant()
    def memory_is_bounded(self) -> None:
        if not hasattr(self, "calls"):
            return
        for machine, directions in (
            (self.server, [call.requests for call in self.calls.values()]),
            (self.client, [call.responses for call in self.calls.values()]),
        ):
            unread = sum(size + 5 for direction in directions for size in direction.unread)
            assert unread <= machine.buffered_bytes <= SMALL.whole_window + MAX_MESSAGE + 16 * 1024
            assert machine._link.shares.spare >= 0

    def teardown(self) -> None:
        """Once the applications read everything, nothing is left waiting: no deadlock, no credit lost."""
        if not hasattr(self, "calls"):
            return
        self.squeeze(65_535, is_client=True)
        self.squeeze(65_535, is_client=False)
        for _ in range(1000):
            self.deliver_all()
            for call in self.calls.values():
                while call.requests.unread:
                    self.server.consumed(call.stream_id, call.requests.unread.popleft())
                while call.responses.unread:
                    self.client.consumed(call.stream_id, call.responses.unread.popleft())
            if not self.client.has_output and not self.server.has_output:
                break
        for call in self.calls.values():
            assert not call.requests.waiting, call
            assert not call.responses.waiting, call
            assert call.over or not call.server_over, call
            if not call.over:
                assert not call.requests.sent, call
                assert not call.responses.sent, call
                assert call.requests.seen_end == call.requests.ended, call
                self.client.reset(call.stream_id, StatusCode.CANCELLED)
                call.over = True
        self.deliver_all()
        self.everything_is_given_back()

    def everything_is_given_back(self) -> None:
        """And a long message each way still gets through."""
        for machine in (self.client, self.server):
            assert machine.active_streams == 0
            assert machine.buffered_bytes == 0
            link = machine._link
            assert link.lingering == {}
            assert machine._sender.backlog.waiting == {}
            assert link.shares.spare >= 6 * (WINDOW - 65_535)
        self.open(MAX_MESSAGE, True, True, False)
        self.deliver_all()
        call = self.calls[max(self.calls)]
        call.responses.sent.append(bytes(MAX_MESSAGE))
        call.responses.waiting = not self.server.send_message(call.stream_id, bytes(MAX_MESSAGE), write)
        self.deliver_all()
        assert call.requests.unread == call.responses.unread == deque([MAX_MESSAGE])
        assert self.client.receive_data(window_update(0, 1), 0.0) == []


TwoMachines.TestCase.settings = profile(max_examples=60, stateful_step_count=60, deadline=None)
TestTwoMachines = TwoMachines.TestCase
