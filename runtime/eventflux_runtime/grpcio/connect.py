"""Opening a gRPC connection: one channel, connected before it is handed out, or an error that says why it is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import grpc
from anyio import CancelScope
from grpc import aio

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.grpcio.connection import GrpcConnection, gone
from eventflux_runtime.grpcio.credential import channel_credentials
from eventflux_runtime.grpcio.diagnosis import explain
from eventflux_runtime.grpcio.drain import DRAIN_NOTICES
from eventflux_runtime.grpcio.option import channel_options, channel_target, is_resolved_by_grpc
from eventflux_runtime.grpcio.relay import Relay, open_relay
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.rpc_error import Unavailable

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["open_connection"]

_State = grpc.ChannelConnectivity
_SETTLED: Final = (_State.READY, _State.TRANSIENT_FAILURE, _State.SHUTDOWN)


async def open_connection(endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> GrpcConnection:
    """See `Wire.open`; on asyncio only."""
    require_compression(config.compression)
    waited_s = await DRAIN_NOTICES.wait(endpoint, config.connect_timeout_s / 2)
    if waited_s:
        config = replace(config, connect_timeout_s=config.connect_timeout_s - waited_s)
    options = channel_options(endpoint, config)
    if not endpoint.is_tls:
        channel = aio.insecure_channel(channel_target(endpoint), options=options)
    elif config.tls is not None and config.tls.insecure_skip_verify:
        return await _open_unverified(endpoint, config, reactor)
    else:
        credentials = channel_credentials(config.tls)
        channel = aio.secure_channel(channel_target(endpoint), credentials, options=options)
    return await _connected(channel, endpoint, config, reactor, None)


async def _open_unverified(endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> GrpcConnection:
    assert config.tls is not None
    try:
        async with asyncio.timeout(config.connect_timeout_s):
            relay = await open_relay(endpoint, config.tls, reactor)
    except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
        reason = await explain(endpoint, config, None if isinstance(error, TimeoutError) else str(error))
        raise Unavailable(f"cannot connect to {endpoint}: {reason}") from error
    options = [*channel_options(endpoint, config), ("grpc.http2_scheme", "https")]
    channel = aio.insecure_channel(relay.target, options=options)
    return await _connected(channel, endpoint, config, reactor, relay)


async def _connected(
    channel: aio.Channel, endpoint: Endpoint, config: ClientConfig, reactor: Reactor, relay: Relay | None
) -> GrpcConnection:
    """The connection over a channel once it is connected; without one, everything is closed again.

    Raises:
        Unavailable: it did not connect in time.
    """
    settling = asyncio.ensure_future(_settle(channel))
    connection: GrpcConnection | None = None
    try:
        await asyncio.wait({settling}, timeout=config.connect_timeout_s)
        if settling.done() and settling.result() is _State.READY:
            connection = GrpcConnection(channel, endpoint, reactor, config, relay)
            connection.supervise(is_resolved_by_grpc(endpoint))
            return connection
        text = await _failure_text(channel) if settling.done() else None
        reason = await explain(endpoint, config, text)
        raise Unavailable(f"cannot connect to {endpoint}: {reason}")
    finally:
        if connection is None:
            with CancelScope(shield=True):
                await channel.close()
                await gone(settling)
                if relay is not None:
                    await relay.aclose()


async def _settle(channel: aio.Channel) -> grpc.ChannelConnectivity:
    state = channel.get_state(try_to_connect=True)
    while state not in _SETTLED:
        await channel.wait_for_state_change(state)
        state = channel.get_state()
    return state


async def _failure_text(channel: aio.Channel) -> str | None:
    """Why the channel failed: only a call is told, one that fails at once because there is no connection."""
    try:
        probe: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        await probe(b"", timeout=1.0)
    except aio.AioRpcError as error:
        return error.details()
    return None
