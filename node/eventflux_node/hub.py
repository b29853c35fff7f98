"""The hub of a node: hands each message to every subscription that wants it, and loses none silently.

Invariants:

- A subscription delivers each publisher's events in the order in which they were published, each once, without a gap;
  where it can go on no longer, it says so by an error after the last event before the gap.
- A subscription holds at most its buffer of events. While it is full, publishers of what it wants wait, first come
  first served; once one has waited `patience_s`, the subscription is cut off and nobody waits for it any more.
- A subscription leaves the hub when its context is left, and closing the hub ends every subscription.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

import anyio

from eventflux_node.filter import Filter
from eventflux_runtime import ResourceExhausted, RpcError, Unavailable
from eventflux_transport import Message

__all__ = ["Hub", "Subscription"]


class Subscription:
    """The events of one subscriber, as an async iterable for one task; made by `Hub.subscribe`."""

    def __init__(self, wanted: Filter, size: int) -> None:
        self._wanted = wanted
        self._size = size
        self._held: deque[Message] = deque()
        self._room = anyio.Semaphore(size)
        self._arrival: anyio.Event | None = None
        self._end: RpcError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next event; waits for it.

        Raises:
            ResourceExhausted: the subscriber fell behind; what came before was delivered, what follows was not.
            Unavailable: the node stops.
        """
        while not self._held:
            if self._end is not None:
                raise self._end
            self._arrival = anyio.Event()
            await self._arrival.wait()
        message = self._held.popleft()
        self._room.release()
        return message

    @property
    def is_full(self) -> bool:
        """Whether the next event would make its publisher wait."""
        return len(self._held) >= self._size

    async def put(self, message: Message, patience_s: float) -> None:
        """Takes a message if it is wanted, waiting for room; ends the subscription when that takes too long."""
        if self._end is not None or not self._wanted.matches(message):
            return
        try:
            self._room.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(patience_s) as scope:
                await self._room.acquire()
            if scope.cancelled_caught:
                self.end(_fell_behind(self._size, patience_s))
        if self._end is None:
            self._held.append(message)
            self._wake()

    def end(self, reason: RpcError) -> None:
        """Takes nothing more; iteration raises the reason after what is held."""
        if self._end is not None:
            return
        self._end = reason
        for _ in range(self._room.statistics().tasks_waiting):
            self._room.release()
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None:
            self._arrival.set()


class Hub:
    """Every subscription of a node, and the way in for its events."""

    def __init__(self, *, buffer_events: int = 4096, patience_s: float = 10.0) -> None:
        self._buffer_events = buffer_events
        self._patience_s = patience_s
        self._subscriptions: set[Subscription] = set()
        self._is_closed = False

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return len(self._subscriptions)

    @property
    def is_held_up(self) -> bool:
        """Whether a subscription is full, so that publishers wait."""
        return any(subscription.is_full for subscription in self._subscriptions)

    @contextmanager
    def subscribe(self, wanted: Filter, buffer_events: int = 0) -> Generator[Subscription]:
        """A subscription for as long as the context is open.

        Args:
            wanted: which events.
            buffer_events: how many events it may hold; 0, or more than the hub's own limit, means that limit.

        Raises:
            Unavailable: the hub is closed.
        """
        if self._is_closed:
            raise _stopping()
        subscription = Subscription(wanted, min(buffer_events or self._buffer_events, self._buffer_events))
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.end(_stopping())

    async def publish(self, message: Message) -> None:
        """Hands a message to every subscription that wants it; waits while one of them is full.

        Raises:
            Unavailable: the hub is closed.
        """
        if self._is_closed:
            raise _stopping()
        for subscription in tuple(self._subscriptions):
            await subscription.put(message, self._patience_s)

    def close(self) -> None:
        """Ends every subscription with Unavailable after what it holds, and takes no event any more."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.end(_stopping())


def _stopping() -> Unavailable:
    return Unavailable("the node is stopping: connect to another, or again once it is back")


def _fell_behind(size: int, patience_s: float) -> ResourceExhausted:
    return ResourceExhausted(
        f"the subscriber fell behind: its buffer of {size} events kept a publisher waiting for {patience_s} s; "
        "read faster, narrow the filter or ask for a larger batch_size, then subscribe again"
    )
