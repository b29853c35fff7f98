"""`connect`: from a URL to a channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eventflux_runtime.client.channel import Channel
from eventflux_runtime.client.interceptor import ClientInterceptor
from eventflux_runtime.rpc.argument import config_or_default, refuse_unused_tls, target_endpoints
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.handler import checked_interceptors
from eventflux_runtime.wire.registry import wire_of

__all__ = ["connect"]


def connect(
    target: str | Iterable[str],
    *,
    config: ClientConfig | None = None,
    interceptors: Sequence[ClientInterceptor] = (),
) -> Channel:
    """A channel to a service; enter it with ``async with``. Connections are made when calls need them.

    Args:
        target: a URL (``tcp://host:port``, ``tcps``, ``grpc``, ``grpcs``, ``quic``, ``unix:///path``,
            ``memory://name``), one with a comma-separated host list, or several URLs of one scheme.
        config: every setting; None: the defaults.
        interceptors: run around every call, the first outermost.

    Raises:
        ConfigError: the target is not a URL that this package knows, the configuration is not a `ClientConfig`, it has
            certificates for a wire that is not encrypted, or an interceptor is no async function of its arguments.
        MissingExtraError: the wire needs a package that is not installed; the message names the command.
    """
    settings = config_or_default(config, ClientConfig)
    endpoints = target_endpoints(target)
    refuse_unused_tls(endpoints, settings.tls)
    checked = checked_interceptors(interceptors, "method", "head", "proceed")
    return Channel(endpoints, wire_of(endpoints[0]), settings, checked)
