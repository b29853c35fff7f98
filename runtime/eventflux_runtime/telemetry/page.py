"""The page that Prometheus reads from a port: the stats of its server, and how the process is."""

from __future__ import annotations

from eventflux_runtime.rpc.stats import ServerStats
from eventflux_runtime.rpc.web import Page
from eventflux_runtime.telemetry.process import process_text
from eventflux_runtime.telemetry.prometheus import PROMETHEUS_CONTENT_TYPE, prometheus_text

__all__ = ["metrics_page"]


def metrics_page(stats: ServerStats) -> Page:
    """The page now."""
    return Page(
        body=(prometheus_text(stats) + process_text()).encode(),
        content_type=PROMETHEUS_CONTENT_TYPE,
        headers=(("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")),
    )
