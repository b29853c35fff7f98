"""What a peer sends, put into its order: bytes that came in messages, and bytes that are read from the peer's memory.

Invariants: what stands behind an offer waits until that is read; its receive buffers are not given back until it is
delivered, so what waits is bounded by what the peer may send. While reading is paused no read begins. After `stop`
nothing is delivered, and offers count as read without being read.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable

from eventflux_runtime.carrier.rdma.credit import CreditMachine
from eventflux_runtime.carrier.rdma.frame import FrameError, Offer
from eventflux_runtime.carrier.rdma.link import Link
from eventflux_runtime.carrier.rdma.rendezvous import Reader, parts

__all__ = ["Inbound"]


class _Pending:
    """A part of an offer that was not delivered."""

    __slots__ = ("data", "has_begun", "is_last", "part")

    def __init__(self, part: Offer, is_last: bool) -> None:
        self.part = part
        self.is_last = is_last
        """Whether the whole offer has been read with it."""
        self.has_begun = False
        self.data: bytes | None = None


class Inbound:
    """One direction of one connection."""

    def __init__(self, link: Link, owed: CreditMachine, now: Callable[[], float]) -> None:
        """Nothing has arrived yet; `now` is the loop's clock."""
        self.is_at_end = False
        """Whether the peer's last byte has been delivered."""
        self.most_bytes = link.hello.offer_bytes
        self._link = link
        self._credits = owed
        self._reader = Reader(link, now)
        self._waiting: deque[bytes | _Pending] = deque()
        self._reading: dict[int, _Pending] = {}
        self._is_closed_by_peer = False
        self._is_stopped = False
        self._deliver: Callable[[bytes], None] | None = None

    def start(self, deliver: Callable[[bytes], None]) -> None:
        """Says where bytes go; those that came before wait for `advance`."""
        self._deliver = deliver

    def stop(self) -> None:
        """Delivers no more."""
        self._is_stopped = True

    def take(self, data: bytes) -> None:
        """Bytes came in a message.

        Raises:
            FrameError: the peer has said that none follow.
        """
        self._check_open()
        if self._waiting or self._deliver is None:
            self._waiting.append(data)
        else:
            self._credits.take_data()
            if not self._is_stopped:
                self._deliver(data)

    def take_offer(self, offer: Offer) -> None:
        """Bytes wait at the peer.

        Raises:
            FrameError: it has said that none follow.
        """
        self._check_open()
        end = offer.address + offer.size
        self._waiting.extend(_Pending(part, part.address + part.size == end) for part in parts(offer))

    def take_close(self) -> None:
        """No bytes follow.

        Raises:
            FrameError: the peer says so a second time.
        """
        self._check_open()
        self._is_closed_by_peer = True

    def _check_open(self) -> None:
        if self._is_closed_by_peer:
            raise FrameError("a message behind the one that said that none follows")

    def end_read(self, number: int) -> None:
        """A read from the peer's memory has ended."""
        pending = self._reading.pop(number)
        pending.data = self._reader.end(number)

    def advance(self) -> bool:
        """Delivers what is next and here, and begins to read what is not; False: the provider had no room to read.

        Raises:
            OSError: a read cannot begin.
        """
        waiting = self._waiting
        while waiting and (self._deliver is not None or self._is_stopped):
            first = waiting[0]
            if isinstance(first, bytes):
                data = first
                self._credits.take_data()
            elif first.data is None and (first.has_begun or not self._is_stopped):
                break
            else:
                data = first.data or b""
                if first.is_last:
                    self._credits.take_offer()
            waiting.popleft()
            if self._deliver is not None and not self._is_stopped:
                self._deliver(data)
        if self._is_closed_by_peer and not waiting and (self._deliver is not None or self._is_stopped):
            self.is_at_end = True
        return self._credits.is_paused or self._is_stopped or self._begin_reads()

    def _begin_reads(self) -> bool:
        for item in self._waiting:
            if not self._reader.has_room:
                break
            if isinstance(item, _Pending) and not item.has_begun:
                number = self._reader.begin(item.part)
                if number == -errno.EAGAIN:
                    return False
                self._link.check(number, "cannot read from the peer's memory")
                item.has_begun = True
                self._reading[number] = item
        return True
