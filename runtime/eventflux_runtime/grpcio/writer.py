"""Writing a stream of requests behind the one who sends them, so that a wait to send can be given up.

grpcio ends a call whose ``write`` is cancelled. Its ``write`` also puts INTERNAL in place of the status with which the
server ended the call meanwhile, so messages are handed to the layer below it, which does not.

Invariants: at most `WRITE_BEHIND` messages wait beside the one that grpcio holds; nothing is written after the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from grpc import aio

from eventflux_runtime.net.waiting import wake, wake_all

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["WRITE_BEHIND", "WriteBehind"]

_log: Final = logging.getLogger("eventflux_runtime.client")

WRITE_BEHIND: Final = 2
"""Messages taken from the sender ahead of grpcio: the next is encoded while one is written."""


class WriteBehind:
    """A queue between the tasks that send and the one that writes to grpcio."""

    __slots__ = (
        "_call",
        "_has_ended",
        "_items",
        "_on_broken",
        "_reactor",
        "_senders",
        "_work",
        "is_broken",
        "is_stopped",
    )

    def __init__(self, reactor: Reactor, call: Any, on_broken: Callable[[], None]) -> None:
        self.is_broken = False
        """Whether grpcio took a message no more: the server has ended the call."""
        self.is_stopped = False
        """Whether nothing will be written any more."""
        self._reactor = reactor
        self._call = call
        self._on_broken = on_broken
        self._items: deque[bytes] = deque()
        self._has_ended = False
        self._work: Waiter[None] | None = None
        self._senders: list[Waiter[None]] = []

    # -- the sender's side

    async def wait_for_room(self) -> None:
        """Returns when another message fits, or none will ever be written again."""
        while len(self._items) >= WRITE_BEHIND and not self.is_stopped:
            waiter = self._reactor.waiter()
            self._senders.append(waiter)
            await waiter

    def put(self, message: bytes) -> None:
        """Takes a message."""
        self._items.append(message)
        self._wake_writer()

    def end(self) -> None:
        """No message follows."""
        self._has_ended = True
        self._wake_writer()

    def stop(self) -> None:
        """The call has ended: whoever waits is woken, what waits is dropped."""
        self.is_stopped = True
        self._call = None  # so that whoever keeps our call does not keep grpcio's
        self._items.clear()
        self._wake_writer()
        self._wake_senders()

    def _wake_writer(self) -> None:
        wake(self._work)

    def _wake_senders(self) -> None:
        senders, self._senders = self._senders, []
        wake_all(senders)

    # -- the writing task's side

    async def run(self) -> None:
        """Writes until the end of the stream or of the call."""
        call = self._call
        if call is None:
            return
        try:
            await call.wait_for_connection()
            while not self.is_stopped:
                if self._items:
                    await call._cython_call.send_serialized_message(self._items.popleft())
                    self._wake_senders()
                elif self._has_ended:
                    await call.done_writing()
                    return
                else:
                    self._work = self._reactor.waiter()
                    await self._work
        except (aio.AioRpcError, aio.InternalError, asyncio.CancelledError):
            # The call has ended; why is for its reading side to say.
            self.is_broken = True
            self._on_broken()
        except Exception:  # noqa: BLE001 - logged; let out of this task, it would end the channel
            _log.exception("writing the requests of a call failed within this process")
            self.is_broken = True
            self._on_broken()
        finally:
            self.stop()
