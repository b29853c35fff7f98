"""The hub of a node: hands each message to every subscription that wants it, and loses none silently.

Invariants:

- A subscription delivers each publisher's events in the order in which they were published, each once, without a gap;
  where it can go on no longer, it says so by an error after the last event before the gap.
- A subscription holds at most its buffer of events. While it is full, publishers of what it wants wait, first come
  first served; once one has waited `patience_s`, the subscription is cut off and nobody waits for it any more.
- A publisher waits for all full subscriptions at once, and `patience_s` at most for all together. Those that have room
  get the event before it waits.
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


class _Delivery:
    """A message on its way into subscriptions that are full.

    Invariant: `done` is set as soon as no line has it any more.
    """

    __slots__ = ("_lines", "done", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.done = anyio.Event()
        self._lines = 0

    def queued(self) -> None:
        """It stands in one more line."""
        self._lines += 1

    def left(self) -> None:
        """It has left a line."""
        self._lines -= 1
        if not self._lines:
            self.done.set()


class Subscription:
    """The events of one subscriber, as an async iterable for one task; made by `Hub.subscribe`.

    Invariant: deliveries stand in line only while it is full.
    """

    def __init__(self, wanted: Filter, size: int) -> None:
        self.size = size
        """How many events it may hold."""
        self._wanted = wanted
        self._held: deque[Message] = deque()
        self._line: deque[_Delivery] = deque()
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
        if self._line:
            delivery = self._line.popleft()
            self._held.append(delivery.message)
            delivery.left()
        return message

    @property
    def is_full(self) -> bool:
        """Whether the next event would make its publisher wait."""
        return len(self._held) >= self.size

    def offer(self, delivery: _Delivery) -> bool:
        """Takes a message if it is wanted; False: there is no room, and it stands in line now."""
        if self._end is not None or not self._wanted.matches(delivery.message):
            return True
        if self.is_full:
            self._line.append(delivery)
            delivery.queued()
            return False
        self._held.append(delivery.message)
        self._wake()
        return True

    def withdraw(self, delivery: _Delivery) -> bool:
        """Takes a message out of the line; whether it stood there."""
        try:
            self._line.remove(delivery)
        except ValueError:
            return False
        delivery.left()
        return True

    def end(self, reason: RpcError) -> None:
        """Takes nothing more; iteration raises the reason after what is held."""
        if self._end is not None:
            return
        self._end = reason
        while self._line:
            self._line.popleft().left()
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
    def subscription_count(self) -> int:
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
        delivery = _Delivery(message)
        full = [subscription for subscription in self._subscriptions if not subscription.offer(delivery)]
        if full:
            await self._wait_for(full, delivery)

    async def _wait_for(self, full: list[Subscription], delivery: _Delivery) -> None:
        """Waits until all have taken the message, and cuts off those that are too slow."""
        try:
            with anyio.move_on_after(self._patience_s):
                await delivery.done.wait()
        finally:
            # In one step for all, before anybody else runs: what was in line for so long goes into none of them.
            late = [subscription for subscription in full if subscription.withdraw(delivery)]
        for subscription in late:
            subscription.end(_fell_behind(subscription.size, self._patience_s))

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
