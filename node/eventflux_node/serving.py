"""A node as a process: a `NodeService` on its endpoints from start to drain."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from eventflux_node.hub import Hub
from eventflux_node.service import NodeService
from eventflux_runtime import Server, ServerConfig, serve_forever

__all__ = ["serve_node"]


async def serve_node(
    endpoints: Sequence[str],
    *,
    config: ServerConfig,
    node_id: str,
    cluster_id: str = "",
    buffer_events: int = 4096,
    patience_s: float = 10.0,
) -> int:
    """Serves until SIGTERM or SIGINT, then drains.

    Prints one line ``listening on URL`` for each endpoint once all are bound.

    Args:
        endpoints: URLs to listen on.
        config: the server's settings.
        node_id: how the node calls itself.
        cluster_id: the cluster it belongs to; empty: none.
        buffer_events: how many events the node holds for one subscriber at most.
        patience_s: seconds a full subscriber may hold up its publishers before it is cut off.

    Returns:
        the exit code, 0.

    Raises:
        ConfigError: an endpoint cannot be served.
    """
    hub = Hub(buffer_events=buffer_events, patience_s=patience_s)
    service = NodeService(
        node_id=node_id,
        cluster_id=cluster_id,
        version=importlib.metadata.version("eventflux-transport"),
        hub=hub,
    )

    def announce(server: Server) -> None:
        for url in server.endpoints:
            print(f"listening on {url}", flush=True)

    # Subscriptions have no end of their own: unless the hub ends them, a drain would wait its whole grace time.
    await serve_forever([service], *endpoints, config=config, on_started=announce, on_draining=hub.close)
    return 0
