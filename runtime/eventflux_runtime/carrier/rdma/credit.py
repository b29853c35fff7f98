"""Whose receive buffers are free: what may be sent, and what has to be given back. Without I/O.

Each side posts `depth` receive buffers, and a message takes one. Who has dealt with a message gives its buffer back by
a number in the header of the next one. Without such a buffer a message must not be sent: RDMA has no room of its own
to keep it.

Invariants: `available` is never more than the buffers that the peer has posted and that nothing is on the way to. The
last `RESERVE` of them are for ACKs alone, so both sides can always give back, whatever data waits. A buffer that data
took is kept back while reading is paused; those of ACKs never are, and two of them are reason enough to give them
back. Each ACK gives at least one, so ACKs about ACKs halve until they end, and never can both sides be without any
while nothing is on its way.
"""

from __future__ import annotations

from typing import Final

from eventflux_runtime.carrier.rdma.frame import FrameError

__all__ = ["RESERVE", "CreditMachine"]

RESERVE: Final = 4
"""Buffers at the peer that data leaves free for ACKs; less than `frame.LEAST_DEPTH`."""
_ACKS: Final = 2


class CreditMachine:
    """One side of one connection."""

    __slots__ = ("_control", "_data", "_done", "_held", "_threshold", "available", "is_paused", "peer_depth")

    def __init__(self, depth: int, peer_depth: int) -> None:
        """Both sides have posted what they said, and nothing is on the way.

        Args:
            depth: this side's receive buffers.
            peer_depth: the peer's.
        """
        self.available = peer_depth
        self.peer_depth = peer_depth
        self.is_paused = False
        """Whether reading is paused; see `resume`."""
        self._threshold = max(1, (depth - RESERVE) // 2)
        self._data = 0
        self._control = 0
        self._held = 0
        self._done = 0

    @property
    def can_send_data(self) -> bool:
        """Whether anything but an ACK may be sent."""
        return self.available > RESERVE

    @property
    def wants_ack(self) -> bool:
        """Whether an ACK is due, where nothing else is to be sent."""
        return self._done > 0 or self._data >= self._threshold or self._control >= _ACKS

    def receive(self, returned: int) -> None:
        """The peer gives buffers back.

        Raises:
            FrameError: more than it has.
        """
        self.available += returned
        if self.available > self.peer_depth:
            raise FrameError(f"it gives back {returned} buffers, which makes {self.available} of {self.peer_depth}")

    def spend(self) -> tuple[int, int]:
        """A message is sent now: what its header gives back, and how many offers it says are read."""
        returned, read = self._data + self._control, self._done
        self._data = self._control = self._done = 0
        self.available -= 1
        return returned, read

    def unspend(self, returned: int, read: int) -> None:
        """The message that was to be sent was not taken."""
        self._data += returned
        self._done += read
        self.available += 1

    def take_ack(self) -> None:
        """An ACK has been dealt with."""
        self._control += 1

    def take_data(self) -> None:
        """A message of data has been dealt with."""
        if self.is_paused:
            self._held += 1
        else:
            self._data += 1

    def take_offer(self) -> None:
        """What an offer led to has been read."""
        self._done += 1
        self._data += 1

    def resume(self) -> None:
        """Reading goes on: what was kept back is given back."""
        self.is_paused = False
        self._data += self._held
        self._held = 0
