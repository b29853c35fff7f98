"""How a unary call of the client gets through grpcio: without grpcio's call object and task where that is possible.

grpcio's public call object starts a task for each call and copies its metadata several times. The layer of Cython
below it does all the work, and can be awaited in the caller's own task. It is private: it is used only while
grpcio's own code calls it in the form that is known here, and the public way does the same in every other case.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeAlias

import grpc
from grpc import aio
from grpc._cython import cygrpc
from grpc.aio import _call as grpc_call

from eventflux_runtime.rpc.metadata import MetadataValue
from eventflux_runtime.rpc.method import AnyMethod, keep_for

__all__ = ["DirectUnary", "HeardMetadata", "PublicUnary", "UnaryCalls", "UnaryMethod", "has_known_form"]

_Pairs: TypeAlias = tuple[tuple[str, MetadataValue], ...]

_CANCELLED: Final = "cancelled by this client"
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_NO_RESPONSE: Final = "the server ended the call with OK and sent no response"
_KNOWN_FORM: Final = (
    "self",
    "request",
    "deadline",
    "metadata",
    "credentials",
    "wait_for_ready",
    "channel",
    "method",
    "request_serializer",
    "response_deserializer",
    "loop",
    "registered_call_handle",
)
"""What grpcio's own call object is made with; how it calls Cython follows from that."""
_KNOWN_PARTS: Final = ("_channel", "_method", "_registered_call_handle")


class HeardMetadata:
    """The metadata of a response, as grpcio gives it."""

    __slots__ = ("initial", "trailing")

    def __init__(self) -> None:
        self.initial: Iterable[tuple[str, Any]] | None = None
        self.trailing: Iterable[tuple[str, Any]] | None = None


class UnaryMethod(Protocol):
    """One method on one channel."""

    async def __call__(self, data: bytes, timeout_s: float | None, pairs: _Pairs, heard: HeardMetadata | None) -> bytes:
        """Makes a call; the response's metadata goes to `heard`, if given.

        Raises:
            aio.AioRpcError: the call failed.
            asyncio.CancelledError: the task was cancelled, which cancels the call, or the channel was closed.
        """


class DirectUnary:
    """A `UnaryMethod` on grpcio's Cython layer, in the caller's task.

    `active` holds the calls in flight, because closing the channel does not end these.
    """

    __slots__ = ("_active", "_handle", "_path", "_start")

    def __init__(self, multi_callable: Any, active: set[Any]) -> None:
        self._start: Any = multi_callable._channel.call
        self._path: bytes = multi_callable._method
        self._handle: int = multi_callable._registered_call_handle
        self._active = active

    async def __call__(self, data: bytes, timeout_s: float | None, pairs: _Pairs, heard: HeardMetadata | None) -> bytes:
        """See `UnaryMethod.__call__`."""
        deadline = None if timeout_s is None else time.time() + timeout_s
        call = self._start(self._path, deadline, None, None, self._handle)
        self._active.add(call)
        try:
            reply: bytes | None = await call.unary_unary(data, pairs, cygrpc.build_census_context())
        finally:
            self._active.discard(call)
            if not call.done():
                call.cancel(_CANCELLED)
        if reply is None:
            if call.is_locally_cancelled():
                raise asyncio.CancelledError
            raise _error(await call.initial_metadata(), await call.status())
        if heard is not None:
            heard.initial = await call.initial_metadata()
            heard.trailing = (await call.status()).trailing_metadata()
        return reply


class PublicUnary:
    """A `UnaryMethod` on grpcio's public API."""

    __slots__ = ("_compression", "_multi_callable")

    def __init__(self, multi_callable: Any, compression: grpc.Compression | None) -> None:
        self._multi_callable = multi_callable
        self._compression = compression

    async def __call__(self, data: bytes, timeout_s: float | None, pairs: _Pairs, heard: HeardMetadata | None) -> bytes:
        """See `UnaryMethod.__call__`."""
        call = self._multi_callable(data, timeout=timeout_s, metadata=pairs or None, compression=self._compression)
        reply: bytes | None = await call
        if reply is None:
            raise _no_response()
        if heard is not None:
            heard.initial = await call.initial_metadata()
            heard.trailing = await call.trailing_metadata()
        return reply


class UnaryCalls:
    """The unary calls of one channel."""

    def __init__(self, channel: aio.Channel) -> None:
        self._plain: dict[AnyMethod, UnaryMethod] = {}
        self._compressed: dict[AnyMethod, UnaryMethod] = {}
        self._active: set[Any] = set()
        self._channel: Any = channel

    def method(self, method: AnyMethod, compression: grpc.Compression | None) -> UnaryMethod:
        """What makes the calls of one method."""
        known = self._plain if compression is None else self._compressed
        found = known.get(method)
        if found is None:
            # As generated stubs do: a path that the channel knows beforehand costs less in each call.
            multi_callable = self._channel.unary_unary(method.path, _registered_method=True)
            # grpcio asks its core for compression in metadata of its own, which only its public way makes.
            is_direct = compression is None and has_known_form(multi_callable)
            found = DirectUnary(multi_callable, self._active) if is_direct else PublicUnary(multi_callable, compression)
            keep_for(method, found, known)
        return found

    def close(self) -> None:
        """Ends the calls in flight that closing the channel would not end, and lets go of the channel."""
        for call in tuple(self._active):
            call.cancel(_CANCELLED)
        self._plain.clear()
        self._compressed.clear()
        self._channel = None


def has_known_form(multi_callable: object) -> bool:
    """Whether the installed grpcio has the form that `DirectUnary` knows."""
    return _IS_FORM_KNOWN and all(hasattr(multi_callable, part) for part in _KNOWN_PARTS)


def _error(initial: Any, status: Any) -> aio.AioRpcError:
    code = _CODES.get(status.code(), grpc.StatusCode.UNKNOWN)
    if code is grpc.StatusCode.OK:
        return _no_response()
    return aio.AioRpcError(
        code,
        aio.Metadata.from_tuple(initial),
        aio.Metadata.from_tuple(status.trailing_metadata()),
        details=status.details(),
        debug_error_string=status.debug_error_string(),
    )


def _no_response() -> aio.AioRpcError:
    return aio.AioRpcError(grpc.StatusCode.INTERNAL, aio.Metadata(), aio.Metadata(), details=_NO_RESPONSE)


_IS_FORM_KNOWN: Final = tuple(inspect.signature(grpc_call.UnaryUnaryCall.__init__).parameters) == _KNOWN_FORM
