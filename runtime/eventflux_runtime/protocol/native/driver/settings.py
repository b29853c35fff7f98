"""The wire core's settings from a client's or a server's configuration."""

from __future__ import annotations

from typing import Any, Final

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.protocol.native.core.settings import Settings
from eventflux_runtime.protocol.native.driver.packing import offered_compressions
from eventflux_runtime.protocol.ping_backoff import ping_interval_s
from eventflux_runtime.rpc.config import ClientConfig, KeepaliveConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["client_settings", "server_settings"]

_WINDOW_MARGIN: Final = 16 * 1024 * 1024
"""Room on a connection beside one message of the greatest length, so that a slow reader of that one blocks nobody."""


def client_settings(config: ClientConfig, endpoint: Endpoint) -> Settings:
    """What a connecting side announces.

    Raises:
        MissingExtraError: the configured compression is not installed.
    """
    require_compression(config.compression)
    limits = _limits(config.max_message_bytes, config.keepalive)
    limits["ping_interval_s"] = ping_interval_s(config, endpoint)
    return Settings(**limits, handshake_timeout_s=config.connect_timeout_s)


def server_settings(config: ServerConfig) -> Settings:
    """What a listening side announces.

    Raises:
        MissingExtraError: the configured compression is not installed.
    """
    require_compression(config.compression)
    return Settings(
        **_limits(config.max_message_bytes, config.keepalive),
        max_streams=config.max_calls_per_connection,
        handshake_timeout_s=config.handshake_timeout_s,
    )


def _limits(max_message_bytes: int, keepalive: KeepaliveConfig | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "max_message_bytes": max_message_bytes,
        "connection_window": min(2**31 - 1, max_message_bytes + _WINDOW_MARGIN),
        "has_protobuf": True,
        "compressions": offered_compressions(),
    }
    if keepalive is not None:
        settings["ping_interval_s"] = keepalive.interval_s
        settings["ping_timeout_s"] = keepalive.timeout_s
    return settings
