"""The frames of a WebSocket (RFC 6455, 5) without I/O, for one that carries a stream of bytes in binary messages.

A message is a piece of the stream, so its fragments are handed on as they come, and nothing is kept but the beginning
of a header or of a control frame: no length that a peer announces costs memory. Extensions are never agreed on.

Invariants: `_begun` is shorter than the longest control frame; once `failure` is set or `close_code` is not 0, nothing
more is read.
"""

from __future__ import annotations

import os
from typing import Final, final

from eventflux_runtime.carrier.websocket.mask import KEY_BYTES, mask_into
from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.rate_limit import RateLimit

__all__ = [
    "GOING_AWAY",
    "INVALID_DATA",
    "MAX_PINGS",
    "NORMAL",
    "NO_STATUS",
    "POLICY_VIOLATION",
    "PROTOCOL_ERROR",
    "UNSUPPORTED_DATA",
    "FrameError",
    "FrameMachine",
]

_CONTINUATION: Final = 0
_TEXT: Final = 1
_BINARY: Final = 2
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_SHORT: Final = 125
"""The longest payload of a control frame, and the longest whose length stands in the second byte."""

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_STATUS: Final = 1005
"""Stands for a close frame without a code; never sent."""
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
_RESERVED_CODES: Final = frozenset({1004, 1005, 1006, 1015})
_KNOWN_CODES: Final = range(1000, 1015)
_FREE_CODES: Final = range(3000, 5000)

MAX_PINGS: Final = 16
"""Pings that wait to be answered; of more, the last ones are, as RFC 6455, 5.5.3 has it."""
_TINY_BYTES: Final = 8
"""A data frame of less brings less than its header takes; the least frame of the native protocol has 10 bytes."""
_TINY_BURST: Final = 1000
_TINY_PER_S: Final = 1000
_KEYS_BYTES: Final = 4096


class FrameError(ProtocolError):
    """The peer broke the rules of WebSocket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        """The close code that tells it why (RFC 6455, 7.4.1)."""
        self.reason = reason


@final
class FrameMachine:
    """One side of a WebSocket behind its handshake."""

    __slots__ = (
        "_begun",
        "_is_client",
        "_is_final",
        "_is_within",
        "_key",
        "_keys",
        "_keys_used",
        "_left",
        "_length",
        "_opcode",
        "_tiny",
        "close_code",
        "close_reason",
        "failure",
        "pings",
    )

    def __init__(self, *, is_client: bool, now: float) -> None:
        """A machine for either side.

        Args:
            is_client: whether this side is the client, which masks what it sends.
            now: the time in seconds.
        """
        self.failure: FrameError | None = None
        """What the peer did wrong."""
        self.close_code = 0
        """The code that the peer closed with, `NO_STATUS` where it gave none; 0: it did not close."""
        self.close_reason = ""
        self.pings: list[bytes] = []
        """The payloads of the last pings, `MAX_PINGS` at most; whoever answers them clears it."""
        self._is_client = is_client
        self._tiny = RateLimit(_TINY_BURST, _TINY_PER_S, now)
        self._begun = b""
        self._opcode = _CONTINUATION
        self._length = 0
        self._left = 0
        self._is_final = True
        self._is_within = False
        self._key = b""
        self._keys = b""
        self._keys_used = 0

    # -- bytes in

    def receive_data(self, data: bytes, now: float) -> bytes:
        """What the peer sent through the WebSocket; `pings`, `close_code` and `failure` say what else came."""
        if self.failure is not None or self.close_code:
            return b""
        if self._begun:
            data = self._begun + data
            self._begun = b""
        pieces: list[bytes] = []
        try:
            self._read(data, now, pieces)
        except FrameError as error:
            self.failure = error.with_traceback(None)  # which would keep what its frames hold
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read(self, data: bytes, now: float, pieces: list[bytes]) -> None:
        position = 0
        end = len(data)
        while position < end:
            if self._left:
                stop = min(position + self._left, end)
                self._take_payload(pieces, data, position, stop)
                self._left -= stop - position
                position = stop
                continue
            start = self._read_header(data, position, end)
            is_control = self._opcode >= _CLOSE
            if start < 0 or (is_control and start + self._length > end):
                self._begun = data[position:]
                return
            if (is_control or self._length < _TINY_BYTES) and not self._tiny.allows(now):
                text = f"more than {_TINY_PER_S} frames a second bring less than {_TINY_BYTES} bytes: send more at once"
                raise FrameError(POLICY_VIOLATION, text)
            position = start
            if not is_control:
                self._is_within = not self._is_final
                self._left = self._length
                continue
            position += self._length
            payload: list[bytes] = []
            self._take_payload(payload, data, start, position)
            self._take_control(b"".join(payload))
            if self.close_code:
                return

    def _read_header(self, data: bytes, position: int, end: int) -> int:
        """Reads a frame's header and returns where its payload begins; -1: the header is not whole."""
        if end - position < 2:
            return -1
        first = data[position]
        second = data[position + 1]
        self._check(first, second)
        self._opcode = first & 0x0F
        self._is_final = first & _FINAL != 0
        length = second & 0x7F
        start = position + 2
        if length > _SHORT:
            start += 2 if length == _SHORT + 1 else 8
            if start > end:
                return -1
            length = _long_length(data, position + 2, start)
        self._length = length
        if not self._is_client:
            start += KEY_BYTES
            if start > end:
                return -1
            self._key = data[start - KEY_BYTES : start]
        return start

    def _check(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & _RESERVED:
            raise FrameError(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        if opcode > _PONG or _BINARY < opcode < _CLOSE:
            raise FrameError(PROTOCOL_ERROR, f"no frame has the opcode {opcode}")
        if opcode >= _CLOSE:
            if not first & _FINAL:
                raise FrameError(PROTOCOL_ERROR, "a control frame is in fragments")
            if second & 0x7F > _SHORT:
                raise FrameError(PROTOCOL_ERROR, f"a control frame has more than {_SHORT} bytes")
        elif opcode == _CONTINUATION:
            if not self._is_within:
                raise FrameError(PROTOCOL_ERROR, "a fragment continues no message")
        elif self._is_within:
            raise FrameError(PROTOCOL_ERROR, "a message begins within another one")
        elif opcode == _TEXT:
            raise FrameError(UNSUPPORTED_DATA, "text was sent: only binary messages are taken")
        if (second & _MASKED != 0) == self._is_client:
            rule = "a server must not mask its frames" if self._is_client else "a client has to mask its frames"
            raise FrameError(PROTOCOL_ERROR, rule)

    def _take_payload(self, pieces: list[bytes], data: bytes, start: int, stop: int) -> None:
        """Appends a piece of the payload as it was before it was masked."""
        if self._is_client:
            pieces.append(data[start:stop])
            return
        mask_into(pieces, data, start, stop, self._key)
        turn = (stop - start) % KEY_BYTES
        if turn:  # the next piece begins in the middle of the key
            self._key = self._key[turn:] + self._key[:turn]

    def _take_control(self, payload: bytes) -> None:
        if self._opcode == _PING:
            self.pings.append(payload)
            if len(self.pings) > MAX_PINGS:
                del self.pings[0]
        elif self._opcode == _CLOSE:
            self.close_code, self.close_reason = _close_of(payload)

    # -- bytes out

    def encode(self, data: bytes) -> bytes:
        """A binary message."""
        return self._frame(_BINARY, data)

    def encode_pong(self, payload: bytes) -> bytes:
        """The answer to a ping."""
        return self._frame(_PONG, payload)

    def encode_close(self, code: int, reason: str) -> bytes:
        """A close frame, the last one of this side; a reason that is too long loses its end."""
        if code == NO_STATUS:
            return self._frame(_CLOSE, b"")
        text = reason.encode()[: _SHORT - 2].decode(errors="ignore")
        return self._frame(_CLOSE, code.to_bytes(2, "big") + text.encode())

    def _frame(self, opcode: int, payload: bytes) -> bytes:
        size = len(payload)
        mask = _MASKED if self._is_client else 0
        if size <= _SHORT:
            header = bytes((_FINAL | opcode, mask | size))
        elif size < 0x10000:
            header = bytes((_FINAL | opcode, mask | _SHORT + 1, size >> 8, size & 0xFF))
        else:
            header = bytes((_FINAL | opcode, mask | _SHORT + 2)) + size.to_bytes(8, "big")
        if not mask:
            return header + payload
        key = self._next_key()
        parts = [header, key]
        mask_into(parts, payload, 0, size, key)
        return b"".join(parts)

    def _next_key(self) -> bytes:
        """Four bytes that nobody can foresee (RFC 6455, 10.3); asked of the system a thousand at a time."""
        if self._keys_used == len(self._keys):
            self._keys = os.urandom(_KEYS_BYTES)
            self._keys_used = 0
        used = self._keys_used
        self._keys_used = used + KEY_BYTES
        return self._keys[used : used + KEY_BYTES]


def _long_length(data: bytes, start: int, stop: int) -> int:
    """A length of two or of eight bytes."""
    length = int.from_bytes(data[start:stop], "big")
    if stop - start == 2:
        if length <= _SHORT:
            raise FrameError(PROTOCOL_ERROR, f"the length {length} takes more bytes than it needs")
    elif length >> 63:
        raise FrameError(PROTOCOL_ERROR, "a frame announces 2^63 bytes or more")
    elif length < 0x10000:
        raise FrameError(PROTOCOL_ERROR, f"the length {length} takes more bytes than it needs")
    return length


def _close_of(payload: bytes) -> tuple[int, str]:
    """The code and the reason of a close frame."""
    if not payload:
        return NO_STATUS, ""
    if len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "a close frame has one byte: a code has two")
    code = int.from_bytes(payload[:2], "big")
    if code in _RESERVED_CODES or not (code in _KNOWN_CODES or code in _FREE_CODES):
        raise FrameError(PROTOCOL_ERROR, f"no close frame may have the code {code}")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "the reason of a close frame is not UTF-8") from None
