"""One stream of messages each way, between the task that runs the call and those that use the connection.

Invariants: only the owner's task touches the call; a message is handed to the call by one task at a time; messages that
have arrived can still be received after the call has ended; once it has, nothing waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import anyio

from eventflux_runtime.peer.mailbox import Mailbox
from eventflux_runtime.peer.payload import PayloadCodec
from eventflux_runtime.peer.transport import Link
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.errors import CodecError, TransportError
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, ResourceExhausted, RpcError, Unavailable

__all__ = ["StreamLink"]

M = TypeVar("M")

INBOX_MESSAGES: Final = 16
"""Messages that arrive before somebody receives them; beyond that the sender's window fills."""
INBOX_BYTES: Final = 1024 * 1024
"""Bytes of such messages, and one message more."""
CLOSE_GRACE_S: Final = 5.0
"""Seconds that the peer has to end its side of a connection that this side closes."""


class _Outgoing(Generic[M]):
    """A message on its way into the call, and what became of it."""

    def __init__(self, message: M) -> None:
        self.message = message
        self.done = anyio.Event()
        self.error: Exception | None = None

    def settle(self, error: Exception | None) -> None:
        """Wakes the sender."""
        self.error = error
        self.done.set()


class StreamLink(Link[M]):
    """A `Link` over a bidirectional call, or part of one."""

    def __init__(self, address: str, payloads: PayloadCodec[M], timeout_s: float) -> None:
        self.error: TransportError | None = None
        self.address = address
        self.accepted: tuple[Compression, ...] = ()
        """What the peer announced that it decompresses."""
        self.last_heard: float = anyio.current_time()
        """When the last message arrived, on the loop's clock."""
        self._payloads = payloads
        self._timeout_s = timeout_s
        self._inbox: Mailbox[M] = Mailbox(INBOX_MESSAGES, INBOX_BYTES, payloads.size_of)
        self._outbox: Mailbox[_Outgoing[M]] = Mailbox(1)
        self._is_discarding = False
        self._ended = anyio.Event()

    # -- the side of those who use the connection

    @property
    def is_open(self) -> bool:
        """See `Link.is_open`."""
        return not self._outbox.is_ended

    async def send(self, message: M) -> None:
        """See `Link.send`."""
        outgoing = _Outgoing(self._payloads.pack(self._payloads.stamp(message), self.accepted))
        try:
            with anyio.fail_after(self._timeout_s):
                await self._outbox.put(outgoing)
                await outgoing.done.wait()
        except TimeoutError:
            was_sent = "it may arrive later"
            if self._outbox.withdraw(outgoing):
                was_sent = "it was not sent"
            raise DeadlineExceeded(
                f"{self.address} took no message within request_timeout_ms={self._timeout_s * 1000:g} ({was_sent})"
            ) from None
        except anyio.get_cancelled_exc_class():
            self._outbox.withdraw(outgoing)
            raise
        if outgoing.error is not None:
            raise outgoing.error

    async def receive(self) -> M:
        """See `Link.receive`."""
        try:
            with anyio.fail_after(self._timeout_s):
                return await self._inbox.get()
        except TimeoutError:
            raise DeadlineExceeded(
                f"{self.address} sent no message within request_timeout_ms={self._timeout_s * 1000:g}"
            ) from None

    async def aclose(self) -> None:
        """See `Link.aclose`. What was sent is still delivered, unless the peer takes longer than `CLOSE_GRACE_S`."""
        self._is_discarding = True
        closed = Unavailable(f"the connection to {self.address} was closed on this side: connect again")
        self._inbox.end(closed)
        self._inbox.clear()
        self._outbox.end(closed)
        await self._ended.wait()

    # -- the owner's side

    async def run(
        self,
        receive: Callable[[], Awaitable[M]],
        send: Callable[[M], Awaitable[None]],
        end: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Moves messages between the call and those who wait, until either side ends it.

        Args:
            receive: the next message of the call; raises anyio.EndOfStream at its end.
            send: hands one message to the call.
            end: half-closes the call, after which the peer's end is waited for; None: the call ends when `run` returns.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._move_out, send, end, tasks.cancel_scope)
                await self._move_in(receive)
                tasks.cancel_scope.cancel()
        finally:
            self.fail(Unavailable(f"the connection to {self.address} has ended: connect again"), is_orderly=True)
            self._ended.set()

    async def _move_in(self, receive: Callable[[], Awaitable[M]]) -> None:
        try:
            while True:
                message = self._payloads.unpack(await receive())
                self.last_heard = anyio.current_time()
                await self._deliver(message)
        except anyio.EndOfStream:
            self.fail(Unavailable(f"{self.address} closed the connection: connect again"), is_orderly=True)
        except (RpcError, CodecError) as error:
            if not self._is_discarding:
                self.fail(error)

    async def _deliver(self, message: M) -> None:
        try:
            await self._inbox.put(message)
        except TransportError:
            if not self._is_discarding:
                raise

    async def _move_out(
        self,
        send: Callable[[M], Awaitable[None]],
        end: Callable[[], Awaitable[None]] | None,
        scope: anyio.CancelScope,
    ) -> None:
        while (outgoing := await self._next_out()) is not None:
            error: Exception | None = Unavailable(f"the connection to {self.address} has ended: connect again")
            try:
                await send(outgoing.message)
                error = None
            except (CodecError, ResourceExhausted) as refusal:
                error = refusal  # of this message: nothing of it was sent
            except (RpcError, anyio.ClosedResourceError) as failure:
                # The call has ended; the receiving side gets to know why.
                error = failure if isinstance(failure, RpcError) else error
            finally:
                outgoing.settle(error)
        if end is not None:
            with anyio.move_on_after(CLOSE_GRACE_S):
                await _ending(end)
                await anyio.sleep_forever()
        scope.cancel()

    async def _next_out(self) -> _Outgoing[M] | None:
        try:
            return await self._outbox.get()
        except TransportError:
            return None

    def fail(self, error: TransportError, *, is_orderly: bool = False) -> None:
        """Ends the link: whoever waits gets the error, receivers after what has arrived."""
        if not is_orderly and not self._inbox.is_ended:
            self.error = error
        self._inbox.end(error)
        self._outbox.end(error)
        for outgoing in self._outbox.clear():
            outgoing.settle(error)


async def _ending(end: Callable[[], Awaitable[None]]) -> None:
    try:
        await end()
    except (RpcError, anyio.ClosedResourceError):
        return  # it has ended already
