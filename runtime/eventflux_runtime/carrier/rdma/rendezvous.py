"""Large writes by rendezvous: the sender offers memory, the receiver reads it from there, and says when it has.

The sender copies nothing: what is offered is the very bytes that were written, registered until the receiver has read
them. The receiver reads into memory that stays registered, and copies once, because Python's bytes cannot be filled in.

Invariants: no more is offered at a time than `WINDOW_BYTES`; offers are read in any order and told to be read in the
order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from eventflux_runtime.carrier.rdma.declaration import MR_VIRT_ADDR, READ, REMOTE_READ
from eventflux_runtime.carrier.rdma.frame import FrameError, Offer
from eventflux_runtime.carrier.rdma.library import FFI
from eventflux_runtime.carrier.rdma.link import OFFER_BYTES, READ_BYTES, Link, Memory

__all__ = ["LEAST_OFFER_BYTES", "WINDOW_BYTES", "OfferWindow", "Reader", "parts"]

LEAST_OFFER_BYTES: Final = 64 * 1024
"""Bytes from which on it is cheaper to have the peer read them than to copy them into messages."""
WINDOW_BYTES: Final = 4 * OFFER_BYTES
"""Bytes of one connection's writes that are registered at a time."""


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
    """Reads parts of what a peer offers, into memory that is taken when the first offer comes."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free = list(range(link.reads))
        self._memory: Memory | None = None
        self._descriptor: Any = FFI.NULL

    @property
    def has_room(self) -> bool:
        """Whether another read may begin."""
        return bool(self._free)

    def begin(self, part: Offer) -> int:
        """Begins to read one of `parts`; the number of the read, or a negative error, of which -EAGAIN says: later.

        Raises:
            OSError: no more memory can be registered.
        """
        if self._memory is None:
            self._memory, self._descriptor = self._link.memory(self._link.reads * READ_BYTES, READ)
        number = self._free[-1]
        pointer = self._memory.pointer + number * READ_BYTES
        code = self._link.read(number, pointer, self._descriptor, part.address, part.key, part.size)
        if code < 0:
            return code
        return self._free.pop()

    def end(self, number: int, size: int) -> bytes:
        """What a read that has ended has brought."""
        assert self._memory is not None
        start = number * READ_BYTES
        self._free.append(number)
        return bytes(self._memory.view[start : start + size])
