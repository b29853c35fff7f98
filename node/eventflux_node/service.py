"""The service of a node: acknowledges messages, hands them to subscribers, and tells how the node is doing."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Final

from eventflux_node.filter import Filter
from eventflux_node.gauge import MachineGauge, RateGauge
from eventflux_node.header import ACKNOWLEDGED_ID_HEADER, SUBSCRIBED_METADATA
from eventflux_node.hub import Hub
from eventflux_runtime import Context, InvalidArgument
from eventflux_transport import (
    ClusterInfo,
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    NodeHealth,
    NodeStatus,
    TransportService,
)

__all__ = ["NodeService"]

_EVENTFLUX_FRAMES_METADATA: Final = "eventflux-frames"
"""The metadata that the runtime gives to calls of peers that speak EventFlux's own TCP frames."""

_MEMORY_LIMIT_PERCENT: Final = 95.0
"""Above this much memory in use, a node calls itself degraded: the machine is about to refuse more."""


class NodeService(TransportService):
    """One node. `hub` may be shared with other parts of the process that publish or subscribe.

    Acknowledgments are messages of their own: a fresh id, type ACKNOWLEDGMENT, EventFlux's payload ``ACK``, and the id
    of the message they answer in the header `ACKNOWLEDGED_ID_HEADER`. They are sent once every subscriber that wants
    the message has room for it.

    EventFlux's own TCP frames have neither that type nor fields for times and nodes, so a peer that speaks them gets a
    CONTROL message with the same header, and the node's name in the header ``source_node``.
    """

    def __init__(self, *, node_id: str, version: str, cluster_id: str = "", hub: Hub | None = None) -> None:
        self.hub = hub if hub is not None else Hub()
        self._node_id = node_id
        self._version = version
        self._cluster_id = cluster_id
        self._rate = RateGauge(time.monotonic)
        self._machine = MachineGauge()
        self._started = time.monotonic()
        self._peers: Counter[str] = Counter()

    async def send_message(self, request: Message, context: Context) -> Message:
        """Takes one message; the answer is its acknowledgment."""
        with self._serving(context):
            await self._accept(request)
        return self._acknowledgment(request, _EVENTFLUX_FRAMES_METADATA in context.metadata)

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Takes messages and acknowledges each, in order."""
        with self._serving(context):
            async for request in requests:
                await self._accept(request)
                yield self._acknowledgment(request)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """Streams every event that the request's filter wants, from now on.

        ``batch_size`` is how many events the node may hold for this subscriber; 0: the node's own limit.

        Raises:
            InvalidArgument: the filter or the batch size makes no sense.
            ResourceExhausted: the subscriber fell behind.
            Unavailable: the node stops.
        """
        if request.batch_size < 0:
            raise InvalidArgument(f"batch_size must be 0 or more, not {request.batch_size}")
        wanted = Filter.of(request.filter)
        with self._serving(context), self.hub.subscribe(wanted, request.batch_size) as subscription:
            await context.send_initial_metadata({SUBSCRIBED_METADATA: self._node_id})
            async for event in subscription:
                yield event

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Answers with the node's figures of this moment."""
        with self._serving(context):
            status = self.status()
        return HeartbeatResponse(
            server_timestamp=_now_ms(),
            server_node_id=self._node_id,
            server_status=status,
            cluster_info=self._cluster(status) if self._cluster_id else None,
        )

    def status(self) -> NodeStatus:
        """The node's figures of this moment; connections are counted by the address of each call in flight."""
        memory = self._machine.memory_percent()
        is_strained = memory >= _MEMORY_LIMIT_PERCENT or self.hub.is_held_up
        return NodeStatus(
            health=NodeHealth.DEGRADED if is_strained else NodeHealth.HEALTHY,
            cpu_usage=self._machine.cpu_percent(),
            memory_usage=memory,
            active_connections=len(self._peers),
            events_per_second=self._rate.per_second(),
            version=self._version,
            metadata={
                "events_total": str(self._rate.total),
                "subscribers": str(self.hub.subscription_count),
                "uptime_s": str(int(time.monotonic() - self._started)),
            },
        )

    @contextmanager
    def _serving(self, context: Context) -> Generator[None]:
        address = context.peer.address
        self._peers[address] += 1
        try:
            yield
        finally:
            self._peers[address] -= 1
            if not self._peers[address]:
                del self._peers[address]

    def _cluster(self, status: NodeStatus) -> ClusterInfo:
        """The cluster as far as this node knows it, which is itself."""
        return ClusterInfo(
            cluster_id=self._cluster_id,
            total_nodes=1,
            healthy_nodes=1 if status.health == NodeHealth.HEALTHY else 0,
            leader_node=self._node_id,
            cluster_version=self._version,
        )

    async def _accept(self, message: Message) -> None:
        self._rate.count()
        await self.hub.publish(message)

    def _acknowledgment(self, message: Message, fits_eventflux_frames: bool = False) -> Message:
        if fits_eventflux_frames:
            answer = Message.control(b"").with_header(ACKNOWLEDGED_ID_HEADER, message.id)
            return answer.with_header("source_node", self._node_id)
        return Message(
            id=str(uuid.uuid4()),
            message_type=MessageType.ACKNOWLEDGMENT,
            payload=b"ACK",
            headers={ACKNOWLEDGED_ID_HEADER: message.id},
            timestamp=_now_ms(),
            source_node=self._node_id,
            target_node=message.source_node,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
