"""Large writes by rendezvous: the sender offers memory, the receiver reads it from there, and says when it has.

Nobody copies: what is offered is the very bytes that were written, registered until the receiver has read them, and
the receiver reads into the very bytes that are delivered. Only the memory of operations under way is registered.

Invariants: no more is offered at a time than `WINDOW_BYTES`; offers are read in any order and told to be read in the
order in which they came.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from eventflux_runtime.carrier.rdma.declaration import MR_VIRT_ADDR, REMOTE_READ
from eventflux_runtime.carrier.rdma.frame import FrameError, Offer
from eventflux_runtime.carrier.rdma.library import FFI
from eventflux_runtime.carrier.rdma.link import OFFER_BYTES, READ_BYTES, Link

__all__ = ["LEAST_OFFER_BYTES", "REFUSED_S", "WINDOW_BYTES", "OfferWindow", "Reader", "parts"]

LEAST_OFFER_BYTES: Final = 64 * 1024
"""Bytes from which on it is cheaper to have the peer read them than to copy them into messages."""
WINDOW_BYTES: Final = 4 * OFFER_BYTES
"""Bytes of one connection's writes that are registered at a time."""
REFUSED_S: Final = 1.0
"""Seconds for which memory to read into may be refused: other connections give some back."""


class OfferWindow:
    """What a sender has offered, and the peer has not read."""

    def __init__(self, link: Link, most_bytes: int) -> None:
        """A window with nothing in it.

        Args:
            link: whose peer reads.
            most_bytes: what the peer reads of one offer; 0: it takes none.
        """
        self._link = link
        self.most_bytes = min(most_bytes, OFFER_BYTES) if link.can_read else 0
        self._offers: deque[tuple[Any, Any, int]] = deque()
        self.bytes = 0

    @property
    def count(self) -> int:
        """Offers that the peer has not read."""
        return len(self._offers)

    @property
    def has_room(self) -> bool:
        """Whether another offer fits."""
        return self.bytes + self.most_bytes <= WINDOW_BYTES

    def offer(self, data: bytes, start: int, size: int) -> Offer:
        """Offers a part of some bytes, which stay as they are until they are read.

        Raises:
            OSError: no more memory can be registered.
        """
        whole = FFI.from_buffer("char[]", data)
        pointer = whole + start
        region = self._link.register(pointer, size, REMOTE_READ)
        self._offers.append((region, whole, size))
        self.bytes += size
        is_by_address = self._link.domain.mr_mode & MR_VIRT_ADDR
        return Offer(int(FFI.cast("uintptr_t", pointer)) if is_by_address else 0, region.key, size)

    def give_up(self) -> None:
        """Makes no more offers: memory cannot be registered."""
        self.most_bytes = 0

    def take_back(self) -> None:
        """The last offer was not sent."""
        region, _, size = self._offers.pop()
        self.bytes -= size
        self._link.unregister(region)

    def done(self, count: int) -> int:
        """The peer has read the oldest offers; their bytes.

        Raises:
            FrameError: there are not so many.
        """
        if count > len(self._offers):
            raise FrameError(f"it has read {count} offers, and {len(self._offers)} were made")
        before = self.bytes
        for _ in range(count):
            region, _, size = self._offers.popleft()
            self.bytes -= size
            self._link.unregister(region)
        return before - self.bytes


def parts(offer: Offer) -> Iterator[Offer]:
    """What is read of an offer at a time, in order."""
    for start in range(0, offer.size, READ_BYTES):
        yield Offer(offer.address + start, offer.key, min(READ_BYTES, offer.size - start))


class Reader:
    """Reads parts of what a peer offers."""

    def __init__(self, link: Link, now: Callable[[], float]) -> None:
        """Nothing is read yet; `now` is the loop's clock."""
        self._link = link
        self._now = now
        self._free = list(range(link.reads))
        self._refused_at: float | None = None
        """Since when no memory can be registered."""

    @property
    def has_room(self) -> bool:
        """Whether another read may begin."""
        return bool(self._free)

    def begin(self, part: Offer) -> int:
        """Begins to read one of `parts`; the number of the read, or a negative error, of which -EAGAIN says: later.

        Raises:
            OSError: no memory could be registered for `REFUSED_S`.
        """
        number = self._free[-1]
        try:
            code = self._link.read(number, part.size, part.address, part.key)
        except OSError:
            now = self._now()
            if self._refused_at is None:
                self._refused_at = now
            elif now >= self._refused_at + REFUSED_S:
                raise
            return -errno.EAGAIN
        self._refused_at = None
        return self._free.pop() if code == 0 else code

    def end(self, number: int) -> bytes:
        """What a read that has ended has brought."""
        self._free.append(number)
        return self._link.taken(number)
