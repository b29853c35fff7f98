"""The `Wire` of grpcio, on its public API alone: a channel for each connection, a server for each endpoint.

It is there for what only grpcio has, its resolvers and xDS, and as an implementation of others beside our own. What its
public API does not tell, this engine does not know:

- It runs on asyncio and uvloop. grpcio has no other event loop.
- No failed call is marked `unprocessed`, other than one that never left this process: whether a handler ran is written
  nowhere but in the text of grpcio's errors. So only idempotent methods are tried again.
- Where a server ends a call while a request is being written to it, grpcio says INTERNAL and loses the status, and the
  responses that were not received.
- A drain is ``server.stop(grace)``: calls that cross grpcio's GOAWAY fail with UNAVAILABLE or CANCELLED.
- grpcio keeps connections until their clients have read. A server that is closed gives up on those after a second.
- A server's stream limit is not told. grpcio queues calls above it.
- Messages are compressed by gzip or not at all. Another algorithm is one that the peer lacks: messages travel plain.
  grpcio decompresses by itself, so its messages count against `max_message_bytes`, not `max_decompressed_bytes`.
- A connection that a server closed because of our pings is made again with the same interval.
- Certificates are always verified, and a server goes on with those that it started with.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from anyio import CancelScope
from grpc import aio

from eventflux_runtime.grpcio.connection import GrpcioConnection, close_channel
from eventflux_runtime.grpcio.listener import GrpcioListener, open_listener
from eventflux_runtime.grpcio.option import channel_credentials, channel_options
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import Unavailable

__all__ = ["WIRE", "GrpcioWire"]

_State = grpc.ChannelConnectivity
_TELL_S: Final = 1.0
"""Seconds that grpcio may take to say why a channel has failed."""


class GrpcioWire:
    """A `Wire` over grpcio."""

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> GrpcioConnection:
        """See `Wire.open`."""
        _check_loop(reactor)
        channel = _channel(endpoint, config)
        settling = asyncio.ensure_future(_settle(channel))
        try:
            await asyncio.wait({settling}, timeout=config.connect_timeout_s)
            if settling.done() and settling.result() is _State.READY:
                return GrpcioConnection(channel, endpoint, reactor, config)
            late = f"no answer within connect_timeout_s={config.connect_timeout_s:g}"
            reason = await _failure_text(channel) if settling.done() else late
            raise Unavailable(f"cannot connect to {endpoint}: {reason}; is it right, and TLS on both sides or neither?")
        except BaseException:
            with CancelScope(shield=True):
                await close_channel(channel, settling)
            raise

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> GrpcioListener:
        """See `Wire.listen`."""
        _check_loop(reactor)
        return await open_listener(endpoint, config, dispatcher, reactor)


def _check_loop(reactor: Reactor) -> None:
    if not reactor.is_asyncio:
        raise ConfigError("grpcio runs on asyncio only: use grpc://, which is the same protocol on every loop")


def _channel(endpoint: Endpoint, config: ClientConfig) -> aio.Channel:
    target = endpoint.path if endpoint.is_resolved_by_protocol else endpoint.address
    options = channel_options(endpoint, config)
    if not endpoint.is_tls:
        return aio.insecure_channel(target, options=options)
    return aio.secure_channel(target, channel_credentials(config.tls), options=options)


async def _settle(channel: aio.Channel) -> grpc.ChannelConnectivity:
    """Connects; the state in which that has succeeded or failed."""
    state = channel.get_state(try_to_connect=True)
    while state in (_State.IDLE, _State.CONNECTING):
        await channel.wait_for_state_change(state)
        state = channel.get_state()
    return state


async def _failure_text(channel: aio.Channel) -> str:
    """Why the channel failed, in grpcio's words: only a call is told, one that fails for lack of a connection."""
    probe: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
    try:
        await probe(b"", timeout=_TELL_S)
    except aio.AioRpcError as error:
        return error.details() or error.code().name
    return "the connection was lost as soon as it was made"


WIRE: Final = GrpcioWire()
