"""A node's service and its hub, made in the process that serves them: the one of the command, or a worker."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from eventflux_node.hub import Hub
from eventflux_node.log import LogSettings
from eventflux_node.service import NodeService
from eventflux_node.shared_hub import SharedHub
from eventflux_runtime import Service

__all__ = ["NodePlace"]


@dataclass
class NodePlace:
    """What a node is told, on its way into that process."""

    node_id: str
    cluster_id: str
    buffer_events: int
    patience_s: float
    log: LogSettings
    folder: str = ""
    """Where the workers of one node find each other; empty: there are none."""
    _hub: Hub | None = field(default=None, init=False)

    @asynccontextmanager
    async def services(self) -> AsyncGenerator[Sequence[Service]]:
        """The node's service, on the event loop that serves it.

        Raises:
            ConfigError: the folder of the workers does not take a socket.
        """
        if not self.folder:
            self._hub = Hub(buffer_events=self.buffer_events, patience_s=self.patience_s)
            yield [self._service(self._hub)]
            return
        self.log.set_up()  # a worker begins with none
        hub = SharedHub(Path(self.folder), buffer_events=self.buffer_events, patience_s=self.patience_s)
        self._hub = hub
        async with hub.taking_part():
            yield [self._service(hub)]

    def close_hub(self) -> None:
        """Ends every subscription."""
        if self._hub is not None:
            self._hub.close()

    def _service(self, hub: Hub) -> NodeService:
        version = importlib.metadata.version("eventflux-transport")
        return NodeService(node_id=self.node_id, cluster_id=self.cluster_id, version=version, hub=hub)
