"""What our configuration means to grpcio: channel arguments and credentials.

The arguments' names and units are those of ``grpc/impl/channel_arg_names.h`` in https://github.com/grpc/grpc.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from eventflux_runtime.net.tls import client_context, expected_name, server_context
from eventflux_runtime.rpc.checked import FilePath
from eventflux_runtime.rpc.config import ClientConfig, KeepaliveConfig, ServerConfig, TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["channel_credentials", "channel_options", "server_credentials", "server_options"]

_Options: TypeAlias = list[tuple[str, int | str]]

MIN_CLIENT_PING_MS: Final = 1000
"""Pings that a client may send to our server even without a call: far more often than any sane interval, far less
often than a flood. grpcio's own default of five minutes would cut off a client that looks after its connection."""
MAX_METADATA_BYTES: Final = 64 * 1024
"""Metadata of one direction of a call; grpcio's default of 8 KiB is too tight for error details."""


def channel_options(endpoint: Endpoint, config: ClientConfig) -> _Options:
    """The arguments of a client's channel: one connection that shares nothing, or what grpcio resolves and balances."""
    # Calls are repeated by the pool.
    options = [*_common(config.max_message_bytes, config.keepalive), ("grpc.enable_retries", 0)]
    if endpoint.is_resolved_by_protocol:
        # grpcio has no least-loaded balancer outside of xDS; round robin is the nearest.
        policy = "pick_first" if config.balancer == "pick_first" else "round_robin"
        return [*options, ("grpc.service_config", json.dumps({"loadBalancingConfig": [{policy: {}}]}))]
    options += [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    name = expected_name(config.tls, endpoint)
    if not endpoint.is_tls or name == endpoint.host:
        return [*options, ("grpc.default_authority", endpoint.authority)]
    return [*options, ("grpc.default_authority", name), ("grpc.ssl_target_name_override", name)]


def server_options(config: ServerConfig) -> _Options:
    """The arguments of a server."""
    options = [
        *_common(config.max_message_bytes, config.keepalive),
        ("grpc.so_reuseport", int(config.reuse_port)),
        ("grpc.max_concurrent_streams", config.max_calls_per_connection),
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(config.handshake_timeout_s)),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_CLIENT_PING_MS),
    ]
    if config.max_connection_age_s is not None:
        # grpcio varies the age by a tenth itself, and lets calls in flight go on without a limit.
        options.append(("grpc.max_connection_age_ms", _milliseconds(config.max_connection_age_s)))
    return options


def _common(max_message_bytes: int, keepalive: KeepaliveConfig | None) -> _Options:
    options: _Options = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ]
    if keepalive is None:
        return options
    return [
        *options,
        ("grpc.keepalive_time_ms", _milliseconds(keepalive.interval_s)),
        ("grpc.keepalive_timeout_ms", _milliseconds(keepalive.timeout_s)),
        # Of its two limits for an unanswered ping, grpcio's core keeps this one, whose default is a minute.
        ("grpc.http2.ping_timeout_ms", _milliseconds(keepalive.timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def _milliseconds(seconds: float) -> int:
    return max(1, min(2**31 - 1, round(seconds * 1000)))


def channel_credentials(config: TlsConfig | None) -> grpc.ChannelCredentials:
    """The credentials of a connecting side, as the files are now. Raises ConfigError where they are not fit for use."""
    tls = config if config is not None else TlsConfig()
    if tls.insecure_skip_verify:
        raise ConfigError("grpcio cannot skip verification: give TlsConfig.ca_file instead, or use grpcs://")
    client_context(config, ("h2",))  # grpcio would say nothing of a broken file but that the handshake failed
    # Where the system keeps its authorities in no single file, grpcio's own list stands in.
    ca_file = tls.ca_file or ssl.get_default_verify_paths().cafile
    return grpc.ssl_channel_credentials(_content(ca_file), _content(tls.key_file), _content(tls.cert_file))


def server_credentials(config: TlsConfig | None) -> grpc.ServerCredentials:
    """The credentials of a listening side, as the files are now. Raises ConfigError where they are not fit for use."""
    server_context(config, ("h2",))
    assert config is not None
    pair = (_content(config.key_file) or b"", _content(config.cert_file) or b"")
    return grpc.ssl_server_credentials([pair], _content(config.ca_file), config.require_client_cert)


def _content(path: FilePath | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path!r} cannot be read: {error.strerror}") from None
