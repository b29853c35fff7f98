"""One side of a connection as a machine without I/O: bytes and calls in, events and bytes out.

`now` is always seconds on the driver's clock. The driver

- hands what it receives to `receive_data` and handles the events;
- writes `data_to_send` to the peer after every batch of calls and events, and says by `set_blocked` when the peer takes
  less than that: what the peer makes this side queue is limited, so an unread flood ends the connection;
- calls `handle_timer` when `next_timer` comes; earlier calls do no harm;
- after an error or `ConnectionLost` sends what is left and closes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.event import Event
from eventflux_runtime.protocol.core.output import Written
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["ALL", "Machine", "Role"]

M = TypeVar("M")

ALL: Final = 1 << 30
"""More events than anything that is received at a time can mean."""


class Role(Enum):
    """Which side of a connection this is."""

    CLIENT = "client"
    SERVER = "server"


class Machine:
    """What a driver asks of a protocol. A class and no interface: compiled, asking it costs next to nothing.

    How a call begins differs, so each protocol has an `open` of its own.

    Invariant: once `is_closed`, no call is in flight, nothing is received, and nothing but what is queued already is
    sent; what the application still does with ended calls has no effect.
    """

    __slots__ = ()

    # -- bytes

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` would return anything."""
        raise NotImplementedError

    @property
    def has_plenty(self) -> bool:
        """Whether so much is queued that it should not wait for more."""
        raise NotImplementedError

    @property
    def sent_bytes(self) -> int:
        """Bytes that `data_to_send` has returned so far."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Everything queued for the peer, which is forgotten here."""
        raise NotImplementedError

    def set_blocked(self, is_blocked: bool) -> None:
        """Says whether the peer takes less than was sent. While it does, all answers count as unread."""
        raise NotImplementedError

    @property
    def has_unread(self) -> bool:
        """Whether `receive_data` stopped at its number of events; it goes on when it is called again."""
        raise NotImplementedError

    def receive_data(self, data: bytes, now: float, at_most: int = ALL) -> list[Event]:
        """What the peer's bytes mean. Bytes behind the end of the connection are ignored.

        It stops after `at_most` events; what is left then is read ahead of the next `data`, which may be empty.

        Raises:
            RemoteProtocolError: The peer broke the protocol; what tells it so is queued, the connection is closed. The
                events ahead of the fault are in its `events`.
        """
        raise NotImplementedError

    def receive_eof(self, now: float) -> list[Event]:
        """What the end of the peer's bytes means: `ConnectionLost`.

        Raises:
            RemoteProtocolError: they ended within a frame.
        """
        raise NotImplementedError

    # -- the life of the connection

    @property
    def is_greeted(self) -> bool:
        """Whether the peer has shown that it speaks the protocol."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        raise NotImplementedError

    @property
    def takes_calls(self) -> bool:
        """Server: whether a call that the peer opens now would be taken, while it drains too."""
        raise NotImplementedError

    def drain(self, reason: str) -> None:
        """Tells the peer that no further call is wanted; those in flight go on.

        `takes_calls` says whether calls that cross this are still taken; `LastCallKnown` follows when no longer.

        Raises:
            LocalProtocolError: not connected.
        """
        raise NotImplementedError

    def go_away(self, code: StatusCode, reason: str) -> None:
        """Takes no further calls; calls that cross it are not processed, and the peer knows. `close` is to follow.

        Raises:
            LocalProtocolError: not connected.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Ends the connection on this side at once; call `go_away` first to tell the peer why."""
        raise NotImplementedError

    def heard(self, now: float) -> None:
        """Notes another sign of life than data: a peer that nothing is received from on purpose took some of ours."""
        raise NotImplementedError

    def next_timer(self) -> float | None:
        """When `handle_timer` should be called; None: never.

        It moves later as data arrives, so a driver may wait for the time it saw first and look again then.
        """
        raise NotImplementedError

    def handle_timer(self, now: float) -> list[Event]:
        """Sends a ping, or gives the connection up with `ConnectionLost`, if it is time to."""
        raise NotImplementedError

    # -- calls

    def accepts(self, stream_id: int, compression_id: int) -> bool:
        """Whether the peer reads messages of a call, or of calls to come (0), that are compressed so."""
        raise NotImplementedError

    @property
    def max_message_bytes(self) -> int:
        """Length of a message that the peer takes, decompressed."""
        raise NotImplementedError

    @property
    def written(self) -> Written:
        """What tells the length of the message that was sent last; the same object for the life of the connection."""
        raise NotImplementedError

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool = False,
        compression_id: int = 0,
    ) -> bool:
        """Sends a message on a stream; client: half-closes with it if `end`.

        Returns whether it is queued wholly. If not, it waits for credit, `MessageSent` follows, and until then no
        other message may be sent on the stream. On a stream that has ended, it is dropped.

        Raises:
            MessageTooLarge: over the peer's limit.
            LocalProtocolError: never opened, half-closed by this side, or a message is waiting.
        """
        raise NotImplementedError

    def half_close(self, stream_id: int) -> None:
        """Client: sends no further message. Behind one that waits for credit; on a stream that has ended, nothing.

        Raises:
            LocalProtocolError: never opened, or half-closed before.
        """
        raise NotImplementedError

    def compress(self, stream_id: int, compression_id: int) -> None:
        """Server: says, ahead of all that is sent on a stream, how messages of it may be compressed."""

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """Server: sends initial metadata, at most once and ahead of the first message.

        Raises:
            MetadataTooLarge: over the peer's limit.
            LocalProtocolError: never opened, or too late.
        """
        raise NotImplementedError

    def send_status(
        self,
        stream_id: int,
        status: Status,
        message: Any = None,
        encode: Callable[[Any, BytesWriter], None] | None = None,
        compression_id: int = 0,
    ) -> bool:
        """Server: ends the call, with a last message if there is an `encode`.

        Returns whether it is queued wholly; if not, the message, or one sent before, waits for credit, `MessageSent`
        follows. A status other than OK does not wait: what is left of a waiting message is given up. What does not
        fit the peer's limits is left out of the status, and its text says so.

        Raises:
            MessageTooLarge: over the peer's limit; the call still has to be ended, with a status that says so.
            LocalProtocolError: never opened, or a message waits and there is another one here.
        """
        raise NotImplementedError

    def reset(self, stream_id: int, code: StatusCode, reason: str = "", unprocessed: bool = False) -> None:
        """Breaks a call off on both sides.

        Messages of it that were not taken are dropped; so are those of a call that has ended, which is otherwise left
        alone.

        Raises:
            LocalProtocolError: never opened, or the code is OK.
        """
        raise NotImplementedError

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took a message of `size` bytes, ``end - start`` of its `MessageReceived`, or gave it up.

        Raises:
            LocalProtocolError: the stream has brought no such message that was not taken.
        """
        raise NotImplementedError

    def discard(self, stream_id: int) -> None:
        """The application takes nothing more of a call that has ended: gives the room of its messages back.

        Raises:
            LocalProtocolError: never opened, or still in flight.
        """
        raise NotImplementedError
