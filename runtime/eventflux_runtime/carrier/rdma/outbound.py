"""What leaves to a peer: what was written, in messages or offered to be read from here, ACKs, and the last word.

Invariants: bytes leave in the order in which they were written; a message leaves only with a receive buffer at the
peer, and with one of this side's buffers for it; CLOSE leaves when everything that was written has, and was read. A
buffer that is under way is not in `_free`.
"""

from __future__ import annotations

import errno
from collections import deque

from eventflux_runtime.carrier.rdma.credit import CreditMachine
from eventflux_runtime.carrier.rdma.frame import (
    ACK,
    CLOSE,
    DATA,
    HEADER,
    HEADER_BYTES,
    OFFER,
    Hello,
    encode_offer,
)
from eventflux_runtime.carrier.rdma.link import Link
from eventflux_runtime.carrier.rdma.rendezvous import LEAST_OFFER_BYTES, OfferWindow

__all__ = ["Outbound"]


class Outbound:
    """One direction of one connection."""

    def __init__(self, link: Link, hello: Hello, owed: CreditMachine) -> None:
        """Nothing is written yet; `hello` is the peer's."""
        self.window = OfferWindow(link, hello.offer_bytes)
        self.is_close_sent = False
        """Whether the last word has left."""
        self.waiting_bytes = 0
        """Bytes written that are neither on their way nor offered."""
        self._link = link
        self._owed = owed
        self._most_bytes = min(link.buffer_bytes, hello.buffer_bytes) - HEADER_BYTES
        self._output: deque[bytes] = deque()
        self._start = 0
        """Bytes of the first of `_output` that have left."""
        self._free = list(range(link.depth, link.depth + link.sends))
        self._carried = [0] * (link.depth + link.sends)
        """Bytes of the stream in each buffer that is under way."""
        self._gone = 0
        self._is_closing = False
        self._close_number = -1
        """The send that carries CLOSE; -1: it has not left."""

    def write(self, data: bytes) -> None:
        """Keeps bytes for `pump`."""
        self._output.append(data)
        self.waiting_bytes += len(data)

    def close(self) -> None:
        """Nothing more will be written."""
        self._is_closing = True

    def clear(self) -> None:
        """Forgets what was written."""
        self._output.clear()
        self.waiting_bytes = 0

    def sent(self, number: int) -> int:
        """A send has ended; the bytes of the stream that it carried."""
        self._free.append(number)
        if number == self._close_number:
            self.is_close_sent = True
        return self._carried[number]

    def take_gone(self) -> int:
        """Bytes that left since the last time with no send that is to end."""
        gone, self._gone = self._gone, 0
        return gone

    def pump(self) -> bool:
        """Sends what may be sent now; False: the provider has no room for it.

        Raises:
            OSError: the connection has ended.
        """
        owed = self._owed
        has_room = True
        while has_room and self._output and self._free and owed.can_send_data and self._may_send_next():
            has_room = self._send_next()
        if not has_room or not self._free:
            return has_room
        is_all = not self._output and not self.window.count
        if self._is_closing and self._close_number < 0 and is_all and owed.can_send_data:
            number = self._free[-1]
            has_room = self._send(CLOSE, 0, 0)
            if has_room:
                self._close_number = number
        elif owed.wants_ack and owed.available:
            has_room = self._send(ACK, 0, 0)
        return has_room

    def _is_for_offer(self, rest: int) -> bool:
        return rest >= LEAST_OFFER_BYTES and self.window.most_bytes > 0

    def _may_send_next(self) -> bool:
        return self.window.has_room or not self._is_for_offer(len(self._output[0]) - self._start)

    def _send_next(self) -> bool:
        """Sends a message of what was written; False: the provider has no room."""
        first = self._output[0]
        rest = len(first) - self._start
        if self._is_for_offer(rest):
            return self._send_offer(first, min(rest, self.window.most_bytes))
        size = self._fill()
        if not self._send(DATA, size, size):
            return False
        while size:
            rest = len(self._output[0]) - self._start
            self._consume(min(size, rest))
            size -= min(size, rest)
        return True

    def _consume(self, size: int) -> None:
        """So many bytes of the first that was written have left."""
        self._start += size
        self.waiting_bytes -= size
        if self._start == len(self._output[0]):
            self._output.popleft()
            self._start = 0

    def _fill(self) -> int:
        """Copies what was written into the next buffer, up to what is long enough to be offered; the bytes."""
        view = self._link.view
        position = self._link.offset(self._free[-1]) + HEADER_BYTES
        room = self._most_bytes
        start = self._start
        for data in self._output:
            rest = len(data) - start
            if self._is_for_offer(rest):
                break
            size = min(rest, room)
            view[position : position + size] = data[start : start + size] if size < len(data) else data
            position += size
            room -= size
            start = 0
            if not room:
                break
        return self._most_bytes - room

    def _send_offer(self, data: bytes, size: int) -> bool:
        try:
            offer = self.window.offer(data, self._start, size)
        except OSError:  # no more memory can be locked: it goes in messages, then
            self.window.give_up()
            return True
        start = self._link.offset(self._free[-1]) + HEADER_BYTES
        body = encode_offer(offer)
        self._link.view[start : start + len(body)] = body
        if not self._send(OFFER, len(body), 0):
            self.window.take_back()
            return False
        self._consume(size)
        return True

    def _send(self, kind: int, size: int, carried: int) -> bool:
        """Sends the next buffer, whose body has so many bytes; False: the provider has no room."""
        link = self._link
        number = self._free[-1]
        returned, read = self._owed.spend()
        HEADER.pack_into(link.view, link.offset(number), kind, 0, returned, read, 0)
        total = HEADER_BYTES + size
        # The end of CLOSE has to be heard, because it is that of everything before it.
        is_injected = total <= link.inject_bytes and kind != CLOSE
        code = link.inject(number, total) if is_injected else link.send(number, total)
        if code < 0:
            self._owed.unspend(returned, read)
            if code != -errno.EAGAIN:
                link.check(code, "cannot send")
            return False
        if is_injected:
            self._gone += carried
        else:
            self._free.pop()
            self._carried[number] = carried
        return True
