"""A trunk: one QUIC connection, of either side, whose streams are lanes.

qh3 has the protocol, without I/O and with the time as a parameter. This module moves its datagrams, keeps its timer and
makes pipes of its streams. What is written outside a read leaves at once, because the protocols inside gather what they
write in a turn; what is written while datagrams are read leaves when all of them were.

Invariant: a trunk that is over has no timer, its lanes end, and its owner is told once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from qh3.quic.connection import QuicConnection, QuicConnectionError
from qh3.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    PingAcknowledged,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from eventflux_runtime.carrier.quic.pipe import QuicPipe
from eventflux_runtime.carrier.quic.pulse import Pulse, RestlessTimer, TailProbe
from eventflux_runtime.carrier.quic.streams import ClientStreams, EarlyEvents
from eventflux_runtime.carrier.quic.tls import handshake_error
from eventflux_runtime.carrier.quic.transmit import is_bare, send_transmits
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.udp import Address, Origin, UdpSocket
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["DONE", "REFUSED", "Trunk", "TrunkOwner"]

T = TypeVar("T")

DONE: Final = 0
"""The code of an end that nothing is wrong with; the codes are this carrier's own (RFC 9000, 20.2)."""
REFUSED: Final = 2
"""The code of a connection that is not wanted."""
_BLOCKED_S: Final = 0.01
_LATER_S: Final = 60.0
_UNASKED: Final = 1 << 40
"""The numbers from here on are of pings whose answers nobody waits for."""
_NO_STREAM: Final = 1 << 61
"""The number of a stream that nobody will open."""
_HOLD_SLACK_BYTES: Final = 16 * 1024 * 1024
"""What a lane that is paused may hold beyond one message: the windows of the protocol inside, and to spare."""


class TrunkOwner(Protocol):
    """Who has a trunk. Callbacks must not raise."""

    def on_established(self, trunk: Trunk) -> None:
        """The handshake is over."""

    def on_lane(self, trunk: Trunk, lane: QuicPipe) -> None:
        """The peer began a stream. It is started, or aborted."""

    def on_lane_gone(self, trunk: Trunk, lane: QuicPipe) -> None:
        """A lane is gone."""

    def on_id(self, trunk: Trunk, connection_id: bytes, *, is_issued: bool) -> None:
        """The peer may from now on call this connection so, or does not any more."""

    def on_over(self, trunk: Trunk, error: Exception | None) -> None:
        """The connection is over, and its lanes were told."""


class Trunk:
    """One QUIC connection. A `LaneOwner`."""

    def __init__(
        self,
        quic: QuicConnection,
        sock: UdpSocket,
        reactor: Reactor,
        owner: TrunkOwner,
        peer: Peer,
        log: LimitedLog,
        max_message_bytes: int,
    ) -> None:
        """A connection that nothing was received for, nor sent.

        Args:
            quic: of the right side.
            sock: where its datagrams go; not owned.
            reactor: the event loop's.
            owner: is told of everything.
            peer: the other side.
            log: for what is out of order.
            max_message_bytes: the longest message of the protocol inside.
        """
        self.sock = sock
        self.reactor = reactor
        self.peer = peer
        self.origin: Origin | None = None
        """Where it was last heard from; None: where the socket is connected to."""
        self.address: Address | None = None
        """Where the socket is connected to, if it is a server's own for this connection."""
        self.lanes: dict[int, QuicPipe] = {}
        self.is_established = False
        self.is_over = False
        self.pulse = Pulse(reactor, self._send_ping, self.lose)
        self._tail = TailProbe(reactor, self._send_two_pings, self._is_owed_an_ack)
        self._quic = quic
        self._is_client = quic.configuration.is_client
        self._owner = owner
        self._log = log
        self._max_held_bytes = max_message_bytes + _HOLD_SLACK_BYTES
        self._watched: set[QuicPipe] = set()
        self._is_look_due = False
        self._streams = ClientStreams()
        self._timer = RestlessTimer(reactor, self._on_timer)
        self._is_reading = False
        self._has_new = False
        """Whether something was written since the last flush."""
        self._may_be_closed = False
        self._early = EarlyEvents()

    # -- datagrams

    def begin(self, origin: Origin) -> None:
        """Sends the first datagrams of a client."""
        self._quic.connect(origin.address, now=self.reactor.now())
        self.flush()

    def receive(self, data: bytes, size: int, origin: Origin) -> None:
        """Takes datagrams of one size; `end_batch` has to follow in the same turn."""
        if self.is_over:
            return
        now = self.reactor.now()
        self._is_reading = True
        self._may_be_closed = True
        if len(data) <= size:
            self._ask(self._quic.receive_many_datagrams, [data], origin.address, now)
        else:
            self._ask(self._quic.receive_gro_buffer, data, size, origin.address, now)
        self.pulse.heard_at = now
        self._tail.heard(now)
        self._take_events()

    def end_batch(self) -> None:
        """What was read is dealt with: sends what came of it."""
        self._is_reading = False
        self.flush()
        if self._may_be_closed and not self.is_over:
            self._look_whether_closed()

    def flush(self) -> None:
        """Sends what there is to send now."""
        if self.is_over or self._is_reading or self.sock.is_blocked:
            return
        transmits = self._ask(self._quic.datagrams_to_send, self.reactor.now())
        if transmits is None:
            return
        if transmits:
            if not self._has_new and not is_bare(transmits):
                self._tail.lost()
            send_transmits(self.sock, transmits, self.origin)
        self._has_new = False
        if self._watched and not self._is_look_due:
            self._is_look_due = True
            self.reactor.call_soon(self._look_at_lanes)
        self._timer.arm(self._quic.get_timer())

    def _look_at_lanes(self) -> None:
        self._is_look_due = False
        for lane in list(self._watched):
            if not lane.look():
                self._watched.discard(lane)

    def _look_whether_closed(self) -> None:
        """Ends at once what the peer has closed: qh3 would say so only after the time of three probes (RFC 9000, 10.2).

        Its public API does not tell, but refuses whatever is asked of such a connection.
        """
        self._may_be_closed = False
        try:
            self._quic.stop_stream(_NO_STREAM, DONE)
        except QuicConnectionError:
            when = self._quic.get_timer()
            self._ask(self._quic.handle_timer, self.reactor.now() if when is None else when)
            self._take_events()
            if not self.is_over:
                self._finish(ConnectionResetError("the connection was closed"))
        except ValueError:
            return  # there is no such stream, but a connection

    # -- time

    def _on_timer(self) -> None:
        when = self._quic.get_timer()
        now = self.reactor.now()
        if when is None or when > now:
            self._timer.arm(when)
            return
        self._ask(self._quic.handle_timer, now)
        self._take_events()
        self.flush()
        if self.sock.is_blocked and not self.is_over:
            # Nothing was sent, and the time has not moved; `UdpSocket` calls when there is room.
            self._timer.arm(now + _BLOCKED_S)

    def _is_owed_an_ack(self) -> bool:
        # It tells of one packet when that has waited for the peer's longest delay, so it is asked as of later.
        later = self.reactor.now() + _LATER_S
        return not self.is_over and bool(self._ask(self._quic.should_wait_for_ack, later))

    def _send_two_pings(self) -> None:
        """In two packets: the second one is acknowledged at once (RFC 9000, 13.2.2)."""
        self._send_ping(_UNASKED)
        self._send_ping(_UNASKED + 1)

    def _send_ping(self, number: int) -> None:
        if self.is_over:
            return
        try:
            self._quic.send_ping(number)
        except QuicConnectionError:
            self._look_whether_closed()
        self.flush()

    # -- events

    def _take_events(self) -> None:
        while not self.is_over:
            event = self._quic.next_event()
            if event is None:
                return
            if self.is_established or not self._early.holds(event):
                self._take(event)
            elif self._early.is_too_much:
                self.close(REFUSED, "too much early data")

    def _take(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            if not event.end_stream:
                self._may_be_closed = False
            lane = self._lane_of(event.stream_id)
            if lane is not None:
                lane.on_data(event.data, is_end=event.end_stream)
        elif isinstance(event, StreamReset | StopSendingReceived):
            lane = self.lanes.get(event.stream_id)
            if lane is not None:
                lane.on_reset(event.error_code)
        elif isinstance(event, ConnectionIdIssued | ConnectionIdRetired):
            self._owner.on_id(self, event.connection_id, is_issued=isinstance(event, ConnectionIdIssued))
        elif isinstance(event, PingAcknowledged):
            self.pulse.answered(event.uid)
        elif isinstance(event, HandshakeCompleted):
            self._on_handshake(event)
        elif isinstance(event, ConnectionTerminated):
            self._on_terminated(event)

    def _on_handshake(self, event: HandshakeCompleted) -> None:
        chosen, wanted = event.alpn_protocol, self._quic.configuration.alpn_protocols
        if wanted is None or chosen not in wanted:  # none was chosen: it is required (RFC 9001, 8.1)
            self.close(0x100 + 120, "no application protocol")
            return
        self.is_established = True
        self._owner.on_established(self)
        for held in self._early.taken():
            if not self.is_over:
                self._take(held)

    def _on_terminated(self, event: ConnectionTerminated) -> None:
        if not self.is_established:
            self._finish(handshake_error(event, self._quic))
            return
        reason = event.reason_phrase or ("" if event.error_code == DONE else f"error {event.error_code:#x}")
        text = "the connection is over" if not reason else f"the connection is over: {reason}"
        self._finish(ConnectionResetError(text))

    def _lane_of(self, stream_id: int) -> QuicPipe | None:
        lane = self.lanes.get(stream_id)
        if lane is not None:
            return lane
        if self._is_client or not self._streams.begins(stream_id):
            return None  # one that is gone, or of a kind that nobody here opens
        lane = self.lanes[stream_id] = QuicPipe(self, stream_id, self.peer, self._max_held_bytes)
        self._owner.on_lane(self, lane)
        return lane

    @property
    def certified_until(self) -> float | None:
        """When the certificate that the peer has shown is over, in seconds since 1970; None: it has shown none."""
        certificate = self._quic.get_peercert()
        return None if certificate is None else float(certificate.not_valid_after)

    # -- lanes

    @property
    def has_room(self) -> bool:
        """Whether the peer allows another stream now. qh3 counts one that it refuses, so it has to be asked before."""
        return self._quic.get_next_available_stream_id() // 4 < self._quic.max_concurrent_bidi_streams

    def open_lane(self) -> QuicPipe:
        """A lane of a new stream; its owner has seen that there is room."""
        stream_id = self._quic.get_next_available_stream_id()
        lane = self.lanes[stream_id] = QuicPipe(self, stream_id, self.peer, self._max_held_bytes)
        self._quic.send_stream_data(stream_id, b"")  # the next one gets another number
        return lane

    def send(self, lane: QuicPipe, data: bytes, *, is_end: bool = False) -> None:
        """See `LaneOwner.send`."""
        if self.is_over:
            return
        try:
            self._quic.send_stream_data(lane.stream_id, data, is_end)
            self._has_new = True
            self._tail.sent()
        except (QuicConnectionError, ValueError) as error:
            lane.end(ConnectionResetError(f"the stream is over: {error}"))
            self._look_whether_closed()
        self.flush()

    def unsent(self, lane: QuicPipe) -> int:
        """See `LaneOwner.unsent`."""
        return 0 if self.is_over else self._quic.get_send_buffer_size(lane.stream_id)

    def reset(self, lane: QuicPipe, code: int) -> None:
        """See `LaneOwner.reset`."""
        if self.is_over:
            return
        with suppress(QuicConnectionError, ValueError):  # this half is over
            self._quic.reset_stream(lane.stream_id, code)
        self.stop(lane, code)

    def stop(self, lane: QuicPipe, code: int) -> None:
        """See `LaneOwner.stop`."""
        if self.is_over:
            return
        with suppress(QuicConnectionError, ValueError):  # this half is over
            self._quic.stop_stream(lane.stream_id, code)
        self.flush()

    def watch(self, lane: QuicPipe) -> None:
        """See `LaneOwner.watch`."""
        self._watched.add(lane)

    def forget(self, lane: QuicPipe) -> None:
        """See `LaneOwner.forget`."""
        if self.lanes.pop(lane.stream_id, None) is not None:
            self._watched.discard(lane)
            self._owner.on_lane_gone(self, lane)

    # -- the end

    def close(self, code: int = DONE, reason: str = "", error: Exception | None = None) -> None:
        """Ends the connection, and tells the peer why. `error` is why for the lanes."""
        if self.is_over:
            return
        self._is_reading = False
        with suppress(QuicConnectionError):  # the peer was first
            self._quic.close(error_code=code, reason_phrase=reason)
        self.flush()
        self._finish(error)

    def _ask(self, operation: Callable[..., T], *args: Any) -> T | None:
        """What the library returns; where it fails on what a peer has sent, None, and this connection alone is over."""
        try:
            return operation(*args)
        except Exception as error:  # noqa: BLE001 - whatever it fails with
            self._log.warning("the QUIC connection with %s failed within this process", self.peer.address, error=error)
            self._finish(ConnectionError(f"the QUIC connection failed within this process: {error}"))
            return None

    def lose(self, error: Exception) -> None:
        """Ends the connection without a word: nobody would hear it."""
        self._finish(error)

    def _finish(self, error: Exception | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._is_reading = False
        self._timer.cancel()
        self.pulse.stop()
        self._tail.stop()
        for lane in list(self.lanes.values()):
            lane.end(error)
        self._owner.on_over(self, error)
