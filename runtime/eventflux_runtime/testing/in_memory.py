"""A server of some services and a channel to it, over the network inside the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Final, TypedDict, Unpack

from anyio.from_thread import start_blocking_portal

from eventflux_runtime.blocking.channel import BlockingChannel
from eventflux_runtime.blocking.connect import connect as connect_blocking
from eventflux_runtime.client.channel import Channel
from eventflux_runtime.client.interceptor import ClientInterceptor
from eventflux_runtime.connect import connect
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.serve import serve
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.server import Server
from eventflux_runtime.server.service import Service
from eventflux_runtime.testing.endpoint import memory_endpoint
from eventflux_runtime.testing.server_error import raise_server_errors

__all__ = ["InMemoryOptions", "serve_in_memory", "serve_in_memory_blocking"]

_SERVER: Final = ServerConfig(drain_grace_s=0, reflection=False)


class InMemoryOptions(TypedDict, total=False):
    """How services are served to a test, and called by it."""

    server_config: ServerConfig
    """Of the server; without it, handlers that still run at the end are cancelled at once, and nothing is reflected."""
    server_interceptors: Sequence[ServerInterceptor]
    """Run around every handler, the first outermost."""
    client_config: ClientConfig
    """Of the channel."""
    client_interceptors: Sequence[ClientInterceptor]
    """Run around every call, the first outermost."""
    is_grpc: bool
    """Speak gRPC in between, and not the native protocol."""
    raise_errors: bool
    """False: bugs of handlers are only logged, as they are in production. See `raise_server_errors`."""


@asynccontextmanager
async def serve_in_memory(*services: Service, **options: Unpack[InMemoryOptions]) -> AsyncIterator[Channel]:
    """A channel to services that are served inside the process, for ``async with``.

    Works on asyncio, uvloop and trio, with any plugin for async tests or none. The call takes the way that it takes in
    production but for the socket: encoded, framed, with deadlines, metadata, errors and cancellation.

    Raises:
        ConfigError: as `serve` and `connect`.
        BaseException: at the end, what a handler raised that is no `RpcError`.
    """
    url = _url(options)
    with _errors(options):
        async with (
            _server(url, services, options),
            connect(
                url, config=options.get("client_config"), interceptors=options.get("client_interceptors", ())
            ) as channel,
        ):
            yield channel


@contextmanager
def serve_in_memory_blocking(*services: Service, **options: Unpack[InMemoryOptions]) -> Iterator[BlockingChannel]:
    """The same for tests without an event loop: the services run in a thread, and blocking clients call them.

    Raises:
        ConfigError: as `serve` and `connect`.
        BaseException: at the end, what a handler raised that is no `RpcError`.
    """
    url = _url(options)
    with (
        _errors(options),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_server(url, services, options)),
        connect_blocking(
            url, config=options.get("client_config"), interceptors=options.get("client_interceptors", ())
        ) as channel,
    ):
        yield channel


def _url(options: InMemoryOptions) -> str:
    known = InMemoryOptions.__annotations__
    for name in options:
        if name not in known:
            raise ConfigError(f"there is no option {name!r} to serve in memory: there are {', '.join(sorted(known))}")
    return ("grpc+" if options.get("is_grpc", False) else "") + memory_endpoint()


def _errors(options: InMemoryOptions) -> AbstractContextManager[None]:
    return raise_server_errors() if options.get("raise_errors", True) else nullcontext()


def _server(url: str, services: Sequence[Service], options: InMemoryOptions) -> Server:
    interceptors = options.get("server_interceptors", ())
    return serve(services, url, config=options.get("server_config", _SERVER), interceptors=interceptors)
