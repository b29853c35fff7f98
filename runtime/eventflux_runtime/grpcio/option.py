"""What our configuration means to grpcio: channel targets and channel arguments.

The arguments' names and units are those of ``grpc/impl/channel_arg_names.h`` in https://github.com/grpc/grpc.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias

import grpc

from eventflux_runtime.grpcio.drain import OUR_AGENT
from eventflux_runtime.net.tls import expected_name
from eventflux_runtime.protocol.ping_backoff import ping_interval_s
from eventflux_runtime.rpc.config import ClientConfig, Compression, KeepaliveConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["Options", "channel_options", "channel_target", "grpc_compression", "is_resolved_by_grpc", "server_options"]

Options: TypeAlias = list[tuple[str, int | str]]

_LONGEST_MS: Final = 2**31 - 1
MIN_CLIENT_PING_MS: Final = 1000
"""Pings that a client may send to our server even without a call: far more often than any sane interval, far less
often than a flood. grpcio's own default of five minutes would cut off a client that looks after its connection."""
MAX_METADATA_BYTES: Final = 64 * 1024
"""Metadata of one direction of a call; grpcio's default of 8 KiB is too tight for error details."""


def is_resolved_by_grpc(endpoint: Endpoint) -> bool:
    """Whether the target goes to grpcio's own resolver and balancer."""
    return endpoint.is_resolved_by_protocol


def channel_target(endpoint: Endpoint) -> str:
    """The target string that grpcio takes for an endpoint."""
    if is_resolved_by_grpc(endpoint):
        return endpoint.path
    if endpoint.is_name:
        return f"dns:///{endpoint.address}"
    return f"ipv{6 if ':' in endpoint.host else 4}:{endpoint.address}"


def channel_options(endpoint: Endpoint, config: ClientConfig) -> Options:
    """The arguments of a client's channel.

    A channel to one address is one connection: it shares none, and its calls are not retried here; the pool does that.
    """
    options: Options = [
        *_size_options(config.max_message_bytes),
        ("grpc.enable_retries", 0),
        # The limit of one attempt to connect. It ends before ours, because grpcio can say what it waited for.
        ("grpc.min_reconnect_backoff_ms", _milliseconds(_attempt_s(config.connect_timeout_s))),
        *_keepalive_options(config.keepalive, ping_interval_s(config, endpoint)),
    ]
    if is_resolved_by_grpc(endpoint):
        return [*options, ("grpc.service_config", _service_config(config))]
    return [
        *options,
        # A draining server turns away none but clients that repeat what came back unread.
        ("grpc.primary_user_agent", OUR_AGENT),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.service_config_disable_resolution", 1),
        *_name_options(endpoint, config),
    ]


def server_options(config: ServerConfig) -> Options:
    """The arguments of a server."""
    return [
        *_size_options(config.max_message_bytes),
        *_keepalive_options(config.keepalive),
        ("grpc.so_reuseport", 0),
        ("grpc.max_concurrent_streams", config.max_calls_per_connection),
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(config.handshake_timeout_s)),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_CLIENT_PING_MS),
        *_age_options(config.max_connection_age_s),
    ]


def grpc_compression(compression: Compression) -> grpc.Compression | None:
    """The name an algorithm has in grpcio; None where it has none, so that messages travel plain."""
    return grpc.Compression.Gzip if compression is Compression.GZIP else None


def _size_options(max_message_bytes: int) -> Options:
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ]


def _keepalive_options(keepalive: KeepaliveConfig | None, interval_s: float | None = None) -> Options:
    if keepalive is None:
        return []
    return [
        ("grpc.keepalive_time_ms", _milliseconds(interval_s or keepalive.interval_s)),
        ("grpc.keepalive_timeout_ms", _milliseconds(keepalive.timeout_s)),
        # grpcio's core arms its keepalive timeout only where one is armed already, which is never; of its two limits
        # for an unanswered ping this is the one that holds, and its default is a minute.
        ("grpc.http2.ping_timeout_ms", _milliseconds(keepalive.timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def _age_options(max_connection_age_s: float | None) -> Options:
    # grpcio varies the age by a tenth itself, and lets calls in flight go on without a limit.
    return [] if max_connection_age_s is None else [("grpc.max_connection_age_ms", _milliseconds(max_connection_age_s))]


def _name_options(endpoint: Endpoint, config: ClientConfig) -> Options:
    """What the server is called, in its certificate and in ``:authority``."""
    name = expected_name(config.tls, endpoint)
    if not endpoint.is_tls or name == endpoint.host:
        return [("grpc.default_authority", endpoint.authority)]
    return [("grpc.default_authority", name), ("grpc.ssl_target_name_override", name)]


def _service_config(config: ClientConfig) -> str:
    # grpcio has no least-loaded balancer outside of xDS; round robin is the nearest.
    policy = "pick_first" if config.balancer == "pick_first" else "round_robin"
    return json.dumps({"loadBalancingConfig": [{policy: {}}]})


def _attempt_s(connect_timeout_s: float) -> float:
    return max(connect_timeout_s / 2, connect_timeout_s - 0.5)


def _milliseconds(seconds: float) -> int:
    return max(1, min(_LONGEST_MS, round(seconds * 1000)))
