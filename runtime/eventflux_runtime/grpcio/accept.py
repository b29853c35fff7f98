"""How a server gets its calls from grpcio: one task for each method, that waits for nothing but the next call.

grpcio's own server starts a task for each call that it waits for, and gathers the waits of all methods anew at every
call; that is a fifth of what a call costs it. How it waits is private: it is replaced only where grpcio's server has
the form that is known here, and its own way serves in every other case. What becomes of a call after that is grpcio's
in both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from inspect import signature
from operator import attrgetter
from typing import Any, Final, NoReturn, cast

import grpc
from grpc import aio
from grpc._cython import cygrpc
from grpc.aio import _server as grpc_server

from eventflux_runtime.grpcio.option import Options

__all__ = ["make_server"]

_cygrpc: Final[Any] = cygrpc
_KNOWN_FORM: Final = {
    "AioServer._make_request_call_future": ("self", "method_bytes"),
    "AioServer._request_registered_call": ("self", "method"),
    "AioServer.add_registered_method_handlers": ("self", "method_handlers"),
    "_handle_rpc": ("method_name", "method_resolver", "interceptors", "rpc_state", "loop", "concurrency_exceeded"),
    "_schedule_rpc_coro": ("rpc_coro", "rpc_state", "loop", "method_name"),
}
"""What is replaced and what is called of grpcio's Cython layer, with its parameters."""
_KNOWN_WAITS: Final = {"method_resolver", "pending_futures", "rpc_tasks", "rpc_state", "concurrency_exceeded"}
"""Variables of grpcio's loop over its waits, in the form that takes a failure from any of them and waits anew."""
_KNOWN_SHELL: Final = {
    "Server.__init__": (
        "self",
        "thread_pool",
        "generic_handlers",
        "interceptors",
        "options",
        "maximum_concurrent_rpcs",
        "compression",
    ),
    "_augment_channel_arguments": ("base_options", "compression"),
}
"""The same of grpcio's public server; how it makes Cython's follows from what it is made with itself."""


def make_server(
    handlers: Sequence[grpc.GenericRpcHandler],
    paths: Sequence[str],
    options: Options,
    compression: grpc.Compression | None,
) -> aio.Server:
    """A server of grpcio's that is not started.

    Args:
        handlers: they are asked in turn for the handler of a call, those of unknown methods included.
        paths: ``/service/method`` of all that the handlers are known to serve, where calls are to cost little.
        options: channel arguments.
        compression: of what the server sends.
    """
    if not _IS_FORM_KNOWN:
        return aio.server(handlers=handlers, options=options, compression=compression)
    return cast("aio.Server", _Shell(handlers, paths, options, compression))


class _Server(_cygrpc.AioServer):  # type: ignore[misc] # a class of Cython's, which has no types
    """grpcio's server but for its waits for calls of known methods."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, handlers: Sequence[grpc.GenericRpcHandler], options: Any
    ) -> None:
        super().__init__(loop, None, handlers, (), options, None)
        self._own_loop = loop
        self._resolver = _cygrpc._MethodResolver(list(handlers), {})
        self._calls: set[asyncio.Task[None]] = set()

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
        """What grpcio's loop waits for; of a known method that is no single call, but the failure to get one.

        The loop cancels what it waits for when its server begins to stop. A call that has come in by then would go with
        it, so the task does not: it ends when the core, which stops too, has no call for it any more.
        """
        if method is None:
            waiting: asyncio.Future[Any] = super()._make_request_call_future(None)
            return waiting
        failure: asyncio.Future[Any] = self._own_loop.create_future()
        accepting = self._own_loop.create_task(self._accept(method), name=f"accept {method.decode()}")
        self._calls.add(accepting)
        accepting.add_done_callback(lambda ended: self._accepts_no_more(ended, failure))
        return failure

    def _accepts_no_more(self, ended: asyncio.Task[None], failure: asyncio.Future[Any]) -> None:
        self._calls.discard(ended)
        error = None if ended.cancelled() else ended.exception()
        if failure.done():
            return
        if error is None:
            failure.cancel()
        else:
            failure.set_exception(error)

    async def _accept(self, method: bytes) -> NoReturn:
        loop, path, calls = self._own_loop, method.decode(), self._calls
        while True:
            state = await self._request_registered_call(method)
            call = _cygrpc._handle_rpc(path, self._resolver, (), state, loop, False)
            # It hears of the client's leaving first, and starts the call itself.
            task = loop.create_task(_cygrpc._schedule_rpc_coro(call, state, loop, path), name=path)
            calls.add(task)
            task.add_done_callback(calls.discard)


class _Shell(grpc_server.Server):
    """grpcio's public server, around our own."""

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler],
        paths: Sequence[str],
        options: Options,
        compression: grpc.Compression | None,
    ) -> None:
        # Not by grpcio's own, which would make its own server too, and that lives until it is shut down.
        self._loop = asyncio.get_running_loop()
        arguments = grpc_server._augment_channel_arguments(tuple(options), compression)
        self._server = _Server(self._loop, handlers, arguments)
        # Names alone: the handlers are those of the resolver.
        self._server.add_registered_method_handlers(dict.fromkeys(paths))


def _is_form_known() -> bool:
    try:
        _cygrpc._MethodResolver([], {})
        waits = set(_cygrpc.AioServer._server_main_loop.__code__.co_varnames)
        return waits >= _KNOWN_WAITS and _has(_cygrpc, _KNOWN_FORM) and _has(grpc_server, _KNOWN_SHELL)
    except (AttributeError, TypeError, ValueError):
        return False


def _has(module: object, form: dict[str, tuple[str, ...]]) -> bool:
    return all(tuple(signature(attrgetter(name)(module)).parameters) == form[name] for name in form)


_IS_FORM_KNOWN: Final = _is_form_known()
"""Whether the installed grpcio has the form that is known here."""
