"""Traces and metrics of calls by OpenTelemetry; needs the extra ``otel``."""

from __future__ import annotations

from eventflux_runtime.rpc.errors import MissingExtraError

try:
    from eventflux_runtime.otel.client import client_interceptor
    from eventflux_runtime.otel.server import server_interceptor
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise MissingExtraError("eventflux_runtime.otel", "otel") from missing

__all__ = ["client_interceptor", "server_interceptor"]
