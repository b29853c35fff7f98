"""Servers that complained of too many pings, and how often they are pinged since.

Invariant: an interval only grows; the endpoint that complained least recently is forgotten first.
"""

from __future__ import annotations

from typing import Final

from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["PING_BACKOFF", "PingBackoff", "ping_interval_s"]

FACTOR: Final = 2.0
"""How much longer the interval becomes at each complaint, as gRPC's proposal A8 has it."""
MAX_ENDPOINTS: Final = 1024


class PingBackoff:
    """What the next connection to an endpoint has to know of those before it."""

    def __init__(self) -> None:
        self._intervals_s: dict[Endpoint, float] = {}

    def interval_s(self, endpoint: Endpoint, configured_s: float) -> float:
        """Seconds of silence before a ping to this endpoint: what is configured, or more."""
        return max(configured_s, self._intervals_s.get(endpoint, 0.0))

    def complained(self, endpoint: Endpoint, used_s: float) -> float:
        """A server broke off a connection that was pinged at an interval; the new one.

        Several connections may be broken off at once: what counts is how often each was pinged, not how many they are.
        """
        interval_s = self.interval_s(endpoint, used_s * FACTOR)
        self._intervals_s.pop(endpoint, None)
        self._intervals_s[endpoint] = interval_s
        while len(self._intervals_s) > MAX_ENDPOINTS:
            del self._intervals_s[next(iter(self._intervals_s))]
        text = "%s complains of too many pings: the next come after %g s of silence"
        CLIENT_LOG.warning(text, endpoint, interval_s, key=str(endpoint))
        return interval_s


PING_BACKOFF: Final = PingBackoff()
"""The process's own: what one channel learned of a server holds for all."""


def ping_interval_s(config: ClientConfig, endpoint: Endpoint) -> float | None:
    """Seconds of silence before a new connection to an endpoint pings; None: it never does."""
    return None if config.keepalive is None else PING_BACKOFF.interval_s(endpoint, config.keepalive.interval_s)
