"""The sending half of a call: at most one message is with the core, waiting for the peer's credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio.lowlevel import checkpoint

from eventflux_runtime.net.waiting import wake_all

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Waiter
    from eventflux_runtime.protocol.driver.session import Session

__all__ = ["Outbox"]

_SENDS_IN_A_ROW: Final = 64


class Outbox:
    """Knows when the next message may go.

    A sender that is cancelled while it waits leaves its message with the core, which sends the rest of it; the next
    sender waits for that.
    """

    __slots__ = ("_in_a_row", "_session", "_waiters", "is_sending")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_sending = False
        """Whether the core has a message that waits for credit."""
        self._waiters: dict[Waiter[None], None] = {}
        """Who waits, for credit or for room in the pipe: the end of the call wakes both."""
        self._in_a_row = 0

    @property
    def is_ready(self) -> bool:
        """Whether a message may go now."""
        return not self.is_sending and not self._session.pipe.is_congested

    async def wait_ready(self) -> None:
        """Waits for the message before to leave and for room in the pipe; returns at the end of the call, too."""
        if self.is_sending:
            await self.wait_sent()
        elif self._session.pipe.is_congested:
            waiter = self._waiter()
            try:
                await self._session.wait_for_room(waiter)
            finally:
                self._waiters.pop(waiter, None)

    async def sent_whole(self) -> None:
        """A message left at once. Now and then other tasks get a turn, so that one fast stream does not starve them."""
        self._in_a_row += 1
        if self._in_a_row >= _SENDS_IN_A_ROW:
            self._in_a_row = 0
            await checkpoint()

    def sending(self) -> None:
        """The core took a message that has to wait for credit."""
        self.is_sending = True

    async def wait_sent(self) -> None:
        """Returns when the core has queued all of it, or the call has ended."""
        while self.is_sending:
            waiter = self._waiter()
            try:
                await waiter
            finally:
                self._waiters.pop(waiter, None)

    def _waiter(self) -> Waiter[None]:
        waiter: Waiter[None] = self._session.reactor.waiter()
        self._waiters[waiter] = None
        return waiter

    def sent(self) -> None:
        """The core has queued the last of it, or the call has ended."""
        self.is_sending = False
        waiters, self._waiters = self._waiters, {}
        wake_all(waiters)
