"""Makes the calls of a run: so many at a time, or so many a second.

Without a rate the load is *closed*: a call begins when another one has ended. With one it is *open*: call n is due
n/rate seconds after the start, whatever becomes of those before. One that cannot begin when it is due, because as many
as may be are in flight, is timed from when it was due. So a server that stalls is charged for all the calls that it
held up, and not only for those it had; leaving them out is called coordinated omission.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import anyio

from eventflux_node.bench.order import BenchOrder
from eventflux_node.bench.raw import RawRequest
from eventflux_node.bench.tally import Tally
from eventflux_runtime import AnyMethod, BidiStream, Channel, MethodKind, RpcError

__all__ = ["run_load"]

_GRACE_S: Final = 1.0
"""What unary calls in flight have at the end of a run; streams, which may have no end, have none."""
_HOPELESS: Final = 100
"""So many failures, and at least one for each call in flight, without one success: the run is given up."""
_LATE_NS: Final = 1_000_000
"""A call that begins so far behind its time was held up; less is the precision of timers."""


async def run_load(
    channels: Sequence[Channel],
    method: AnyMethod,
    requests: Sequence[RawRequest],
    order: BenchOrder,
    tally: Tally,
) -> None:
    """Makes the calls of an order, those of its warm-up left out, and counts them in `tally`.

    Args:
        channels: calls are spread over them.
        method: of `raw_method`.
        requests: the messages of a call that streams them, in turn; another call sends the first.
        order: how many, how fast.
        tally: is told all, and stopped at the end, also where that is a cancellation.

    Raises:
        RpcError: call after call failed and none succeeded.
    """
    load = _Load(order, tally)
    calls = [_call_of(channel, method, requests, order, tally) for channel in channels]
    grace = _GRACE_S if method.kind is MethodKind.UNARY else 0.0
    deadline = anyio.current_time() + order.duration_s + grace if order.duration_s is not None else float("inf")
    work = load.closed if order.rate is None else load.opened
    try:
        with anyio.CancelScope(deadline=deadline):
            async with anyio.create_task_group() as tasks:
                for number in range(order.concurrency):
                    tasks.start_soon(work, calls[number % len(calls)])
    finally:
        load.finish()
    if load.hopeless is not None:
        raise load.hopeless


class _Load:
    """What the workers of a run share."""

    def __init__(self, order: BenchOrder, tally: Tally) -> None:
        self._order = order
        self._tally = tally
        self._begun = 0
        self._limit = order.count if order.count is not None else 1 << 62
        span = int(order.duration_s * 1e9) if order.duration_s is not None else 1 << 62
        self._until = tally.started_at + span
        self._last_end = tally.started_at
        self.hopeless: RpcError | None = None

    async def closed(self, call: Callable[[], Awaitable[None]]) -> None:
        """One call after the other."""
        clock = time.perf_counter_ns
        now = clock()
        while now < self._until and self._begun < self._limit:
            self._begun += 1
            started = now
            if await self._made(call):
                now = clock()
                self._last_end = now
                self._tally.succeeded(now - started)
            elif self.hopeless is not None:
                return
            else:
                now = clock()

    async def opened(self, call: Callable[[], Awaitable[None]]) -> None:
        """The next call that is due, when it is."""
        clock = time.perf_counter_ns
        interval = 1e9 / (self._order.rate or 1.0)
        while self._begun < self._limit:
            due = self._tally.started_at + int(self._begun * interval)
            if due >= self._until:
                return
            self._begun += 1
            now = clock()
            if now < due:
                await anyio.sleep((due - now) / 1e9)
                started = clock()  # how late a timer wakes is no fault of the server's
            else:
                started = due
                self._tally.late += now - due > _LATE_NS
            if await self._made(call):
                now = clock()
                self._last_end = now
                self._tally.succeeded(now - started)
            elif self.hopeless is not None:
                return

    async def _made(self, call: Callable[[], Awaitable[None]]) -> bool:
        """Whether a call ended with OK."""
        tally = self._tally
        tally.in_flight += 1
        try:
            await call()
        except RpcError as error:
            tally.in_flight -= 1
            tally.failed(error)
            if not tally.calls and tally.failed_calls >= max(_HOPELESS, self._order.concurrency):
                self.hopeless = error
            return False
        tally.in_flight -= 1  # and not in a `finally`: a call that is broken off stays counted
        return True

    def finish(self) -> None:
        """The run is over: what is still in flight was broken off."""
        now = time.perf_counter_ns()
        self._tally.unfinished = self._tally.in_flight
        is_whole = self._order.duration_s is not None and now >= self._until
        self._tally.stop(max(self._last_end, self._until) if is_whole else now)


def _call_of(
    channel: Channel, method: AnyMethod, requests: Sequence[RawRequest], order: BenchOrder, tally: Tally
) -> Callable[[], Awaitable[None]]:
    """A function that makes one call."""
    timeout_s, metadata = order.timeout_s, order.metadata
    first = requests[0]
    count = order.messages

    async def unary() -> None:
        await channel.unary(method, first, timeout_s=timeout_s, metadata=metadata)
        tally.sent_messages += 1

    async def server_streaming() -> None:
        async with channel.server_streaming(method, first, timeout_s=timeout_s, metadata=metadata) as stream:
            tally.sent_messages += 1
            async for _ in stream:
                pass

    async def client_streaming() -> None:
        async with channel.client_streaming(method, timeout_s=timeout_s, metadata=metadata) as stream:
            await _send_all(stream, requests, count, tally)
            await stream.finish()

    async def bidi() -> None:
        async with channel.bidi(method, timeout_s=timeout_s, metadata=metadata) as stream:
            await _exchange(stream, requests, count, tally)

    made: dict[MethodKind, Callable[[], Awaitable[None]]] = {
        MethodKind.UNARY: unary,
        MethodKind.SERVER_STREAMING: server_streaming,
        MethodKind.CLIENT_STREAMING: client_streaming,
        MethodKind.BIDI: bidi,
    }
    return made[method.kind]


async def _send_all(stream: Any, requests: Sequence[RawRequest], count: int, tally: Tally) -> None:
    """Sends the requests of a call, or those that the server wants to have."""
    for number in range(count):
        try:
            await stream.send(requests[number % len(requests)])
        except anyio.ClosedResourceError:
            return
        tally.sent_messages += 1


async def _exchange(stream: BidiStream[Any, Any], requests: Sequence[RawRequest], count: int, tally: Tally) -> None:
    """Sends and receives at the same time. Raises RpcError."""
    failure: RpcError | None = None

    async def send() -> None:
        try:
            await _send_all(stream, requests, count, tally)
            await stream.end()
        except (RpcError, anyio.ClosedResourceError):
            return  # the receiving side hears how the call ended

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        try:
            async for _ in stream:
                pass
        except RpcError as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
