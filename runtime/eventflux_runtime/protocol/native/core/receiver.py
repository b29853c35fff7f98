"""The receiving half of a connection: bytes become frames, frames become events, and what breaks a rule an error.

A frame that lies whole in the chunk that brought it is parsed in place; only one that is split over chunks is copied.
"""

from __future__ import annotations

from typing import final

from librt.strings import read_i32_le

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import (
    Event,
)
from eventflux_runtime.protocol.native.core.call_frames import CallFrames
from eventflux_runtime.protocol.native.core.control import Control
from eventflux_runtime.protocol.native.core.frame import (
    FIRST_EXTENSION,
    HALF_CLOSE,
    HEADER_BYTES,
    HEADERS,
    HELLO,
    MAX_HELLO_BYTES,
    MESSAGE,
    MIN_FRAME_BYTES,
    OPEN,
    PREFACE,
    STATUS,
    frame_name,
)
from eventflux_runtime.protocol.native.core.link import Link
from eventflux_runtime.protocol.sniff import describe_peer
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Receiver"]


@final
class Receiver:
    """What has arrived and not been understood yet.

    Invariants: `partial` holds the beginning of the next frame and nothing else, fewer than `needed` bytes of it, and
    is empty while there is something `unread`; nothing is parsed any more after the first error.
    """

    __slots__ = (
        "begun_at",
        "calls",
        "control",
        "frame_limit",
        "has_preface",
        "link",
        "needed",
        "partial",
        "unread",
        "unread_from",
    )

    def __init__(self, link: Link, control: Control, calls: CallFrames) -> None:
        self.link = link
        self.control = control
        self.calls = calls
        # Only a server's HELLO lists methods, so a client's is short.
        self.frame_limit: int = MIN_FRAME_BYTES if link.is_server else MAX_HELLO_BYTES
        self.has_preface = False
        self.partial = bytearray()
        self.needed: int = len(PREFACE)
        self.begun_at = 0.0
        """When what is in `partial` began to arrive."""
        self.unread = b""
        """The chunk that was left when there were events enough,"""
        self.unread_from = 0
        """from here on."""

    def receive(self, data: bytes, now: float, events: list[Event], at_most: int) -> None:
        """Parses what arrived, and ahead of it what was left unread; appends to `events` until there are `at_most`.

        Raises:
            RemoteProtocolError: the peer broke the protocol.
        """
        self.control.now = now
        position = 0
        if self.unread:
            position = self.unread_from
            data = self.unread + data if data else self.unread
            self.unread = b""
        while self.partial:
            missing = self.needed - len(self.partial)
            taken = data[position : position + missing]
            self.partial += taken
            position += len(taken)
            if len(taken) < missing:
                if not self.has_preface:
                    self._check_preface(bytes(self.partial))
                return
            whole = bytes(self.partial)
            self.partial.clear()
            self._keep(whole, self._frames(whole, 0, events, at_most))
        position = self._frames(data, position, events, at_most)
        if len(events) < at_most:
            self._keep(data, position)
        elif position < len(data):
            self.unread = data
            self.unread_from = position

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            RemoteProtocolError: a frame had begun.
        """
        left = len(self.partial)
        if left:
            raise RemoteProtocolError(
                f"connection closed in the middle of a frame, after {left} of at least {self.needed} bytes"
            )

    def _keep(self, data: bytes, position: int) -> None:
        """Keeps the beginning of a frame that `data` does not hold whole."""
        left = len(data) - position
        if not left:
            return
        self.partial += data[position:]
        self.begun_at = self.control.now
        if not self.has_preface:
            self.needed = len(PREFACE)
            self._check_preface(data[position:])
        elif left < HEADER_BYTES:
            self.needed = HEADER_BYTES
        else:
            self.needed = HEADER_BYTES + read_i32_le(data, position)

    def _check_preface(self, beginning: bytes) -> None:
        """Checks as much of the preface as there is."""
        if not PREFACE.startswith(beginning[: len(PREFACE)]):
            raise RemoteProtocolError(f"the peer does not speak the eventflux protocol: {describe_peer(beginning)}")
        if len(beginning) >= len(PREFACE):
            self.has_preface = True
            self.control.greet()

    def _frames(self, data: bytes, position: int, events: list[Event], at_most: int) -> int:
        """Handles the whole frames of ``data[position:]``; returns where the first begins that is not handled."""
        size = len(data)
        if not self.has_preface:
            if size - position < len(PREFACE):
                return position
            self._check_preface(data[position:])
            position += len(PREFACE)
        while size - position >= HEADER_BYTES and len(events) < at_most:
            length: int = read_i32_le(data, position)
            kind = data[position + 4]
            if length < 0 or length > self.frame_limit:
                raise RemoteProtocolError(
                    f"frame {frame_name(kind)} of {length & 0xFFFFFFFF} bytes is over the limit of {self.frame_limit}",
                    StatusCode.RESOURCE_EXHAUSTED,
                )
            start = position + HEADER_BYTES
            end = start + length
            if end > size:
                break
            flags = data[position + 5]
            stream_id: int = read_i32_le(data, position + 6)
            position = end
            if self.link.peer is None and kind != HELLO:
                raise RemoteProtocolError(f"{frame_name(kind)} ahead of HELLO")
            if kind == STATUS:
                self.calls.on_status(data, start, end, flags, stream_id, events)
            elif kind == OPEN:
                self.calls.on_open(data, start, end, flags, stream_id, events)
            elif kind == MESSAGE:
                self.calls.on_message(data, start, end, flags, stream_id, events)
            else:
                self._handle_rare(kind, data, start, end, flags, stream_id, events)
        return position

    def _handle_rare(
        self, kind: int, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]
    ) -> None:
        if kind == HALF_CLOSE:
            self.calls.on_half_close(start, end, flags, stream_id, events)
        elif kind == HEADERS:
            self.calls.on_headers(data, start, end, flags, stream_id, events)
        elif kind < FIRST_EXTENSION:
            self.control.handle(kind, data, start, end, flags, stream_id, events)
            if kind == HELLO:
                self.frame_limit = self.link.settings.max_frame_bytes
