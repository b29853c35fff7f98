"""Waking the event loop for a queue of libfabric: by the queue's descriptor, or by looking often.

The manual asks for `fi_trywait` before each wait on the descriptor (fi_poll(3)): without it an event that came just
before would wake nobody. So a turn reads the queue, asks, and reads again where it must not wait.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.carrier.rdma.declaration import GETWAIT
from eventflux_runtime.carrier.rdma.library import FFI
from eventflux_runtime.net.watch import Watch, watch_readable

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["QueueWatch"]

_ROUNDS: Final = 4
"""Readings in one turn of the event loop, before everything else gets a turn."""
_BROKEN_S: Final = 0.01


class QueueWatch:
    """One queue that is watched, from `start` to `stop`."""

    def __init__(
        self, fabric: Any, queue: Any, read: Callable[[], bool], reactor: Reactor, poll_s: float = 0.0
    ) -> None:
        """A watch that has not begun.

        Args:
            fabric: the queue's.
            queue: its fid.
            read: reads some of what is there, and tells whether there may be more. Must not raise.
            reactor: of the running event loop.
            poll_s: seconds after something came for which the queue is looked at in each turn of the loop instead.
        """
        self._fabric = fabric
        self._queues = FFI.new("struct fid *[1]", [queue])
        self._queue = queue
        self._read = read
        self._reactor = reactor
        self._poll_s = poll_s
        self._quiet_at = 0.0
        self._is_due = False
        self._is_stopped = False
        self._watch: Watch | None = None

    def start(self) -> None:
        """Begins.

        Raises:
            ConfigError: this event loop cannot watch a descriptor.
            OSError: the queue has none.
        """
        descriptor = FFI.new("int *")
        if self._queue.ops.control(self._queue, GETWAIT, descriptor) < 0:
            raise OSError(errno.ENOTSUP, "this provider's queues have no descriptor to wait for: choose another one")
        self._watch = watch_readable(descriptor[0], self.turn, self._reactor)
        self.turn_soon()

    def stop(self) -> None:
        """Ends; has to come before the queue is closed. A second time does nothing."""
        self._is_stopped = True
        if self._watch is not None:
            self._watch.stop()

    def turn_soon(self) -> None:
        """Has the queue looked at in the loop's next turn."""
        if not self._is_due and not self._is_stopped:
            self._is_due = True
            self._reactor.call_soon(self._due_turn)

    def _due_turn(self) -> None:
        self._is_due = False
        self.turn()

    def turn(self) -> None:
        """Reads what is there, and sleeps where nothing is."""
        for _ in range(_ROUNDS):
            has_more = not self._is_stopped and self._read()
            if self._is_stopped:  # by what was read
                return
            if has_more:
                continue
            if self._poll_s and self._is_polling():
                break
            code = self._fabric.ops.trywait(self._fabric, self._queues, 1)
            if code == 0:
                return
            if code != -errno.EAGAIN:  # it cannot be waited for, so it is looked at now and then
                self._reactor.call_at(self._reactor.now() + _BROKEN_S, self.turn)
                return
        self.turn_soon()

    def note_activity(self) -> None:
        """Something came: more is likely to come soon."""
        if self._poll_s:
            self._quiet_at = self._reactor.now() + self._poll_s

    def _is_polling(self) -> bool:
        return self._reactor.now() < self._quiet_at
