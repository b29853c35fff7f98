"""Makes the calls of a recording, and compares what a server answers with what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from eventflux_runtime.client.channel import Channel
from eventflux_runtime.message.redaction import REDACTED
from eventflux_runtime.rpc.call_head import ResponseInfo
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod, MethodKind
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import OK_STATUS, Status
from eventflux_runtime.testing.difference import difference
from eventflux_runtime.testing.filled_service import filled_service
from eventflux_runtime.testing.recording import (
    LEFT,
    End,
    RecordedCall,
    Request,
    Response,
    Start,
    message_of,
    metadata_of,
    pairs_of,
    plain,
    plain_status,
    read_recording,
)

__all__ = ["verify_recording"]

_NOTHING: Final = object()


async def verify_recording(
    path: str | Path,
    channel: Channel,
    *kinds: type,
    metadata: MetadataLike | None = None,
    adjust: Callable[[Any], Any] | None = None,
    wait_s: float = 5.0,
) -> None:
    """Makes the recorded calls on a channel, in the recorded order, and compares responses, statuses and trailers.

    Calls whose requests never left are passed over. Streams that their client cancelled are cancelled where they were.

    Args:
        path: what a `Recorder` has written.
        channel: to the server.
        kinds: the generated classes of the services that are called.
        metadata: sent with every call, besides what was recorded and not redacted.
        adjust: applied to responses before they are compared, recorded ones too: takes a message, gives it without what
            differs each time, such as times and numbers.
        wait_s: seconds that each step of a call may take.

    Raises:
        AssertionError: the server answered otherwise; it tells all differences.
        ConfigError: the file is no recording, a method in it is of none of the services, or the channel is not open.
        OSError: the file cannot be read.
    """
    lines, calls = read_recording(path)
    known = _methods_of(kinds)
    methods = {number: _method(known, recorded) for number, recorded in calls.items()}
    faults: list[str] = []
    way = _Way(channel, Metadata.of(metadata), adjust if adjust is not None else _as_it_is, wait_s, faults)
    live: dict[int, _LiveCall] = {}
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks, AsyncExitStack() as streams:
        try:
            for line in lines:
                if isinstance(line, Start):
                    call = _LiveCall(calls[line.call], methods[line.call], way)
                    if call.can_be_made:
                        live[line.call] = call
                        await call.start(streams)
                elif isinstance(line, Request | Response | End) and line.call in live:
                    await live[line.call].step(line, tasks, streams)
        except Exception as error:  # noqa: BLE001 - raised below, where it is not made a group of
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if faults:
        raise AssertionError(f"the server answers otherwise than in {path}:\n" + "\n".join(faults))


@dataclass(frozen=True)
class _Way:
    """How the calls of a recording are made and compared."""

    channel: Channel
    metadata: Metadata
    adjust: Callable[[Any], Any]
    wait_s: float
    faults: list[str]


class _LiveCall:
    """One call of a recording, made anew step by step."""

    def __init__(self, recorded: RecordedCall, method: AnyMethod, way: _Way) -> None:
        self._recorded = recorded
        self._method: AnyMethod = method
        self._way = way
        self._channel = way.channel
        self._unsent = len(recorded.requests)
        self._stream: Any = None
        self._done = anyio.Event()
        self._reply: Any = _NOTHING
        self._status: Status | None = None
        """How it has ended; None: it has not, or by a stream's end that nobody has received."""
        self._failure: Exception | None = None
        """What kept a unary call from being made."""
        self._is_given_up = False

    @property
    def can_be_made(self) -> bool:
        """Whether the request of a method with one left, when it was recorded."""
        return self._method.kind.streams_requests or bool(self._recorded.requests)

    @property
    def _options(self) -> dict[str, Any]:
        start = self._recorded.start
        by_deadline = self._recorded.end.cancel_cause == "deadline"
        sent = metadata_of([pair for pair in start.metadata if pair[1] != REDACTED])
        return {"metadata": sent | self._way.metadata, "timeout_s": start.timeout_s if by_deadline else None}

    async def start(self, streams: AsyncExitStack) -> None:
        """Begins it, if its requests are a stream."""
        kind, channel, method = self._method.kind, self._channel, self._method
        if kind.streams_requests:
            make = channel.bidi if kind is MethodKind.BIDI else channel.client_streaming
            await self._enter(make(method, **self._options), streams)

    async def step(self, line: Request | Response | End, tasks: TaskGroup, streams: AsyncExitStack) -> None:
        """Does what one line says."""
        if self._is_given_up:
            return
        try:
            with anyio.fail_after(self._way.wait_s):
                if isinstance(line, Request):
                    await self._send(message_of(line.message, self._method.request), tasks, streams)
                elif isinstance(line, Response):
                    await self._receive(line.message)
                else:
                    await self._end(line)
        except TimeoutError:
            self._give_up(f"nothing came within {self._way.wait_s} s: {_shown(line)} was recorded")

    async def _enter(self, stream: Any, streams: AsyncExitStack) -> None:
        try:
            self._stream = await streams.enter_async_context(stream)
        except RpcError as error:
            self._status = error.status

    async def _send(self, request: Any, tasks: TaskGroup, streams: AsyncExitStack) -> None:
        self._unsent -= 1
        if self._method.kind is MethodKind.UNARY:
            tasks.start_soon(self._unary, request)
        elif self._method.kind is MethodKind.SERVER_STREAMING:
            await self._enter(self._channel.server_streaming(self._method, request, **self._options), streams)
        elif self._status is None:
            try:
                await self._stream.send(request)
                if not self._unsent and self._method.kind is MethodKind.BIDI:
                    await self._stream.end()
            except RpcError as error:
                self._status = error.status
            except anyio.ClosedResourceError:
                pass  # it has ended with OK, which its next line may say too

    async def _unary(self, request: Any) -> None:
        response = ResponseInfo()
        try:
            self._reply = await self._channel.unary(self._method, request, response=response, **self._options)
            self._status = Status(trailers=response.trailers)
        except RpcError as error:
            self._status = error.status
        except Exception as error:  # noqa: BLE001 - raised by the next step
            self._failure = error
        self._done.set()

    async def _receive(self, recorded: Any) -> None:
        codec = self._method.response
        reply = await self._next()
        if reply is _NOTHING:
            status = self._status if self._status is not None else OK_STATUS
            self._give_up(f"ended with {status.code.name}: {status.message!r}, where a response was recorded")
            return
        expected = plain(self._way.adjust(message_of(recorded, codec)), codec)
        differs = difference(expected, plain(self._way.adjust(reply), codec))
        if differs:
            self._fault(f"another response\n{differs}")

    async def _next(self) -> Any:
        """The next response, or that there is none."""
        if self._method.kind is MethodKind.UNARY:
            await self._done.wait()
            if self._failure is not None:
                raise self._failure
            reply, self._reply = self._reply, _NOTHING
            return reply
        if self._status is not None:
            return _NOTHING
        try:
            if self._method.kind is MethodKind.CLIENT_STREAMING:
                reply = await self._stream.finish()
                self._status = self._stream.status
            else:
                reply = await self._stream.receive()
        except RpcError as error:
            self._status = error.status
        except anyio.EndOfStream:
            self._status = self._stream.status
        else:
            return reply
        return _NOTHING

    async def _end(self, end: End) -> None:
        if end.cancel_cause in LEFT:
            if self._stream is not None:
                self._stream.cancel()
            return
        more = await self._next()
        if more is not _NOTHING:
            self._give_up(f"one response more than was recorded:\n{plain(more, self._method.response)}")
            return
        status = self._status if self._status is not None else OK_STATUS
        trailers = metadata_of([pair for pair in end.trailers if pair[1] != REDACTED])
        expected = end.status
        if plain_status(expected) != plain_status(status):
            self._fault(f"another status\n{difference(_plain(expected), _plain(status))}")
        missing = [pair for pair in trailers.pairs if pair not in status.trailers.pairs]
        if missing:
            self._fault(f"without the trailers {pairs_of(Metadata(missing))}")

    def _fault(self, text: str) -> None:
        self._way.faults.append(f"{self._recorded}: {text}")

    def _give_up(self, text: str) -> None:
        self._fault(text)
        self._is_given_up = True
        if self._stream is not None:
            self._stream.cancel()


def _methods_of(kinds: tuple[type, ...]) -> dict[str, AnyMethod]:
    services = [filled_service(kind, _never) for kind in kinds]
    return {binding.method.path: binding.method for service in services for binding in service._bindings()}


def _never(*_arguments: object) -> Any:
    raise AssertionError("nobody calls this service")


def _method(methods: dict[str, AnyMethod], recorded: RecordedCall) -> AnyMethod:
    found = methods.get(recorded.start.method)
    if found is None:
        raise ConfigError(f"{recorded}: none of the services has this method; give the class of the one that has")
    return found


def _as_it_is(message: Any) -> Any:
    return message


def _plain(status: Status) -> dict[str, Any]:
    code, message, details = plain_status(status)
    return {"code": code, "message": message, "details": details}


def _shown(line: Request | Response | End) -> str:
    return {Request: "that a request is taken", Response: "a response", End: "its end"}[type(line)]
