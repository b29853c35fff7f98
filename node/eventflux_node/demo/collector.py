"""A subscriber that keeps what it receives, and tells how that differs from what was to be received."""

from __future__ import annotations

import time
from collections.abc import Sequence

from anyio.abc import TaskStatus

from eventflux_node.filter import Filter
from eventflux_runtime import connect
from eventflux_transport import EventFilter, EventRequest, Message, MessageType, TransportClient

__all__ = ["END_TYPE", "Collector"]

END_TYPE = MessageType.METADATA
"""The type of the message that ends a run; no reading has it."""


class Collector:
    """One subscriber on a connection of its own."""

    def __init__(self, name: str, wanted: EventFilter) -> None:
        self.name = name
        self.received: list[Message] = []
        self.last_arrival = 0.0
        """When the last event came, on the clock of `time.perf_counter`."""
        self._request = EventRequest(node_id=name, filter=wanted)

    async def run(self, url: str, *, task_status: TaskStatus[None]) -> None:
        """Receives until the run ends; reports itself started once every later event will reach it.

        Raises:
            RpcError: the subscription failed.
        """
        async with connect(url) as channel, TransportClient(channel).stream_events(self._request) as events:
            await events.initial_metadata()
            task_status.started()
            async for event in events:
                if event.message_type == END_TYPE:
                    return
                self.received.append(event)
                self.last_arrival = time.perf_counter()

    def faults(self, sent: Sequence[Message]) -> list[str]:
        """How what was received differs from those messages of `sent` that the filter wants; empty: it does not."""
        wanted = Filter.of(self._request.filter)
        expected = [message for message in sent if wanted.matches(message)]
        if self.received == expected:
            return []
        got, due = [message.id for message in self.received], [message.id for message in expected]
        missing, repeated, foreign = len(set(due) - set(got)), len(got) - len(set(got)), len(set(got) - set(due))
        if missing or repeated or foreign:
            return [f"{self.name}: {missing} events missing, {repeated} repeated, {foreign} not asked for"]
        if got != due:
            return [f"{self.name}: events out of order"]
        changed = sum(here != there for here, there in zip(self.received, expected, strict=True))
        return [f"{self.name}: {changed} events changed on the way"]
