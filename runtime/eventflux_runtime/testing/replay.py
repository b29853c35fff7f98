"""Services that answer as a recording says, for clients that are to be tested without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio

from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod, MethodKind
from eventflux_runtime.rpc.rpc_error import FailedPrecondition, RpcError
from eventflux_runtime.rpc.status import Status, StatusCode
from eventflux_runtime.server.service import Service
from eventflux_runtime.testing.difference import difference
from eventflux_runtime.testing.filled_service import filled_service
from eventflux_runtime.testing.recording import (
    LEFT,
    End,
    RecordedCall,
    Request,
    message_of,
    metadata_of,
    plain,
    read_recording,
)

__all__ = ["Replay"]

_PUSHBACK: Final = "grpc-retry-pushback-ms"
_NO_RETRY: Final = Metadata([(_PUSHBACK, "-1")])


class Replay:
    """Serves a recording: ``with Replay("calls.jsonl", GreeterService) as recording``, then ``recording.services``.

    Pass these to `serve_in_memory`, or to any server. A client has to make the calls that were recorded: one that was
    not, or with another request, fails with `FailedPrecondition`, which tells the difference. Leaving the block raises
    an AssertionError for each of these, whether or not the client minded, and for recorded calls that were not made.

    Metadata and deadlines of calls are not compared. Failures are sent with word not to try again, because a recorded
    call is one call, however many attempts it took.

    Attributes:
        services: one for each class, which answer.
    """

    def __init__(
        self,
        path: str | Path,
        *kinds: type,
        in_order: bool = True,
        adjust: Callable[[Any], Any] | None = None,
        wait_s: float = 5.0,
    ) -> None:
        """A replay of a file.

        Args:
            path: what a `Recorder` has written.
            kinds: the generated classes of the services that are called.
            in_order: calls have to begin in the order in which they were recorded. False: a call is answered by the
                first recorded one of the same method, and of the same request where that is only one.
            adjust: applied to requests before they are compared, recorded ones too: takes a message, gives it without
                what differs each time.
            wait_s: seconds to wait for a request of a stream, or for a client to cancel, where that was recorded.

        Raises:
            ConfigError: the file is no recording, or a class is no generated service.
            OSError: the file cannot be read.
        """
        _, calls = read_recording(path)
        self._path = path
        self._left = list(calls.values())
        self._in_order = in_order
        self._adjust: Callable[[Any], Any] = adjust if adjust is not None else _as_it_is
        self._wait_s = wait_s
        self._faults: list[str] = []
        self.services: Sequence[Service] = tuple(filled_service(kind, self._respond) for kind in kinds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check()
        elif self._faults and isinstance(error, Exception):
            raise AssertionError("\n".join(self._faults))

    def check(self) -> None:
        """What leaving the block does.

        Raises:
            AssertionError: other calls were made than the recorded ones.
        """
        faults = [*self._faults, *(f"not made: {call}" for call in self._left)]
        if faults:
            raise AssertionError(f"the calls differ from those in {self._path}:\n" + "\n".join(faults))

    async def _respond(self, name: str, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        method = context.method
        taken: list[Any] = []
        if not method.kind.streams_requests:
            taken.append(await anext(requests))
        recorded = self._take(method, taken)
        end = recorded.end
        if end.initial_metadata:
            await context.send_initial_metadata(metadata_of(end.initial_metadata))
        if end.code == StatusCode.OK.name:
            context.set_trailers(metadata_of(end.trailers))
        awaited = len(recorded.requests)
        for line in recorded.messages:
            if isinstance(line, Request):
                request = taken.pop() if taken else await self._received(requests, recorded)
                self._compare(line.message, request, recorded, method)
                awaited -= 1
                if not awaited and method.kind is MethodKind.CLIENT_STREAMING and end.code == StatusCode.OK.name:
                    await self._refuse_more(requests, recorded)
            else:
                yield message_of(line.message, method.response)
        await self._finish(end, recorded)

    async def _finish(self, end: End, recorded: RecordedCall) -> None:
        if end.cancel_cause in LEFT:
            with anyio.move_on_after(self._wait_s):
                await anyio.sleep_forever()
            raise self._fault(f"{recorded}: the client cancelled it, and did not within {self._wait_s} s")
        status = end.status
        if status.code is not StatusCode.OK:
            trailers = status.trailers if _PUSHBACK in status.trailers else status.trailers | _NO_RETRY
            raise RpcError.from_status(Status(status.code, status.message, status.details, trailers))

    def _take(self, method: AnyMethod, taken: list[Any]) -> RecordedCall:
        """The recorded call that answers this one."""
        path = method.path
        if self._in_order:
            if not self._left:
                raise self._fault(f"one call more than was recorded: {path}")
            if self._left[0].start.method != path:
                raise self._fault(f"{self._left[0]}: found {path}")
            return self._left.pop(0)
        alike = [call for call in self._left if call.start.method == path]
        if not alike:
            raise self._fault(f"one call more of {path} than was recorded")
        for call in alike:
            if not taken or not call.requests or not self._difference(call.requests[0], taken[0], method):
                self._left.remove(call)
                return call
        nearest = self._difference(alike[0].requests[0], taken[0], method)
        raise self._fault(f"no recorded call of {path} has this request; the first that is left:\n{nearest}")

    async def _received(self, requests: AsyncIterator[Any], recorded: RecordedCall) -> Any:
        try:
            with anyio.fail_after(self._wait_s):
                return await anext(requests)
        except TimeoutError:
            raise self._fault(f"{recorded}: no further request came within {self._wait_s} s") from None
        except StopAsyncIteration:
            raise self._fault(f"{recorded}: it has {len(recorded.requests)} requests, and fewer came") from None

    async def _refuse_more(self, requests: AsyncIterator[Any], recorded: RecordedCall) -> None:
        with anyio.move_on_after(self._wait_s):
            async for _ in requests:
                raise self._fault(f"{recorded}: it has {len(recorded.requests)} requests, and more came")
            return
        raise self._fault(f"{recorded}: the requests did not end within {self._wait_s} s")

    def _compare(self, recorded: Any, request: Any, call: RecordedCall, method: AnyMethod) -> None:
        differs = self._difference(recorded, request, method)
        if differs:
            raise self._fault(f"{call}: another request\n{differs}")

    def _difference(self, recorded: Any, request: Any, method: AnyMethod) -> str:
        codec, adjust = method.request, self._adjust
        expected = plain(adjust(message_of(recorded, codec)), codec)
        return difference(expected, plain(adjust(request), codec))

    def _fault(self, text: str) -> FailedPrecondition:
        self._faults.append(text)
        return FailedPrecondition(f"not as recorded: {text}", metadata=_NO_RETRY)


def _as_it_is(message: Any) -> Any:
    return message
