"""A gRPC client over a plain socket that sends whatever it is given, and notes what the server has to say to it."""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from hpack import Decoder, HPACKDecodingError

from tests.support.http2_frame import CONTINUATION, DATA, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, frame, settings
from tests.support.mute import raw_socket

__all__ = ["HostileClient", "Outcome"]

READ_BYTES: Final = 256 * 1024
STALLED_S: Final = 0.5
"""A server that takes nothing for so long has stopped reading."""
HEADER_BYTES: Final = 9
FENCE: Final = b"settled?"


@dataclass
class Outcome:
    """What became of an attack. `counts` is how many frames of each kind came, `statuses` the values of grpc-status."""

    sent: int = 0
    received: int = 0
    took_s: float = 0.0
    is_closed: bool = False
    counts: dict[int, int] = field(default_factory=dict)
    data_bytes: int = 0
    goaways: list[tuple[int, bytes]] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)


class HostileClient:
    """One connection. All of it blocks: call it in a thread."""

    def __init__(self, url: str, *parameters: tuple[int, int], greets: bool = True) -> None:
        self.outcome = Outcome()
        self._buffer = b""
        self._is_settled = False
        self._decoder = Decoder()
        self._decoder.max_header_list_size = 1 << 20
        self.sock = raw_socket(url)
        if greets:
            self.sock.sendall(PREFACE + settings(*parameters))
        self.sock.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def attack(
        self,
        chunks: Iterable[bytes],
        *,
        reads: bool = True,
        most_bytes: int = 64 * 1024 * 1024,
        most_s: float = 2.0,
    ) -> Outcome:
        """Sends until the server closes or stops reading, or until the chunks, the bytes or the seconds are used up.

        Args:
            chunks: what is sent.
            reads: whether to read meanwhile; if not, reading begins when there is nothing more to send.
            most_bytes: sent at most.
            most_s: seconds at most.
        """
        began = time.monotonic()
        outcome = self.outcome
        self._pour(iter(chunks), reads, most_bytes, began + most_s)
        outcome.took_s = time.monotonic() - began
        return outcome

    def _pour(self, chunks: Iterator[bytes], reads: bool, most_bytes: int, until: float) -> None:
        outcome = self.outcome
        view = memoryview(b"")
        while not outcome.is_closed and time.monotonic() < until and outcome.sent < most_bytes:
            if not view:
                view = memoryview(next(chunks, b""))
                if not view:
                    return
            readable, writable, _ = select.select([self.sock] if reads else [], [self.sock], [], STALLED_S)
            if not readable and not writable:
                return
            if readable:
                self._read_once()
            if writable and not outcome.is_closed:
                view = view[self._send(view) :]

    def _send(self, view: memoryview) -> int:
        try:
            sent = self.sock.send(view)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self.listen(0.2)  # what the server said before it closed may still lie here
            self.outcome.is_closed = True
            return 0
        self.outcome.sent += sent
        return sent

    def settle(self, seconds: float = 10.0) -> Outcome:
        """Returns when the server has taken all that was sent, which it says by answering a ping; or has closed.

        Raises:
            TimeoutError: it did neither.
        """
        until = time.monotonic() + seconds
        self.attack(iter([frame(PING, 0, 0, FENCE)]), most_bytes=1 << 40, most_s=seconds)
        while not (self._is_settled or self.outcome.is_closed):
            self.listen(0.05)
            if time.monotonic() > until:
                raise TimeoutError("the server does not answer")
        return self.outcome

    def listen(self, seconds: float, until: Callable[[Outcome], bool] = lambda outcome: False) -> Outcome:
        """Reads for so long, or until the server closes, or until what is waited for has come."""
        end = time.monotonic() + seconds
        while not (self.outcome.is_closed or until(self.outcome)) and (left := end - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                self._read_once()
        return self.outcome

    def _read_once(self) -> None:
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.outcome.is_closed = True
            return
        self.outcome.received += len(data)
        self._buffer += data
        position = 0
        while len(self._buffer) - position >= HEADER_BYTES:
            end = position + HEADER_BYTES + int.from_bytes(self._buffer[position : position + 3], "big")
            if end > len(self._buffer):
                break
            kind = self._buffer[position + 3]
            self._on_frame(kind, self._buffer[position + HEADER_BYTES : end])
            position = end
        self._buffer = self._buffer[position:]

    def _on_frame(self, kind: int, payload: bytes) -> None:
        outcome = self.outcome
        outcome.counts[kind] = outcome.counts.get(kind, 0) + 1
        if kind == DATA:
            outcome.data_bytes += len(payload)
        elif kind == PING:
            self._is_settled = self._is_settled or payload == FENCE
        elif kind == GOAWAY:
            outcome.goaways.append((int.from_bytes(payload[4:8], "big"), payload[8:]))
        elif kind == RST_STREAM:
            outcome.resets.append(struct.unpack(">I", payload)[0])
        elif kind in (HEADERS, CONTINUATION):
            self._on_block(payload)

    def _on_block(self, block: bytes) -> None:
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKDecodingError:
            return  # part of a block that is longer than a frame: none of those that are looked at
        self.outcome.statuses += [value.decode() for name, value, *_ in fields if name == b"grpc-status"]
