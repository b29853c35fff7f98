# ruff: noqa: RUF009 - a call is how fields are declared with betterproto2
"""Three messages of the IDL as betterproto2's compiler declares them, for `benchmarks/codec.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import betterproto2

__all__ = ["EventFilter", "EventRequest", "HeartbeatRequest", "NodeStatus", "TransportMessage"]


def _field(number: int, kind: str, **options: Any) -> Any:
    return betterproto2.field(number, kind, **options)


def _text_map(number: int) -> Any:
    return _field(number, "map", map_meta=betterproto2.map_meta("string", "string"))


class MessageType(betterproto2.Enum):
    """The members that the sample uses."""

    UNSPECIFIED = 0
    EVENT = 1
    QUERY = 2


class CompressionType(betterproto2.Enum):
    """The members that the sample uses."""

    NONE = 0
    LZ4 = 1


class NodeHealth(betterproto2.Enum):
    """The members that the sample uses."""

    UNKNOWN = 0
    HEALTHY = 1


@dataclass(eq=False, repr=False)
class TransportMessage(betterproto2.Message):
    """The message of most calls."""

    id: str = _field(1, "string")
    message_type: MessageType = _field(2, "enum", default_factory=lambda: MessageType.UNSPECIFIED)
    payload: bytes = _field(3, "bytes")
    headers: dict[str, str] = _text_map(4)
    timestamp: int = _field(5, "int64")
    source_node: str = _field(6, "string")
    target_node: str = _field(7, "string")
    priority: int = _field(8, "int32")
    compression: CompressionType = _field(9, "enum", default_factory=lambda: CompressionType.NONE)


@dataclass(eq=False, repr=False)
class EventFilter(betterproto2.Message):
    """What a subscriber wants."""

    stream_names: list[str] = _field(1, "string", repeated=True)
    message_types: list[MessageType] = _field(2, "enum", repeated=True)
    start_timestamp: int = _field(3, "int64")
    end_timestamp: int = _field(4, "int64")


@dataclass(eq=False, repr=False)
class EventRequest(betterproto2.Message):
    """A subscription: a message in a message, and lists."""

    node_id: str = _field(1, "string")
    filter: EventFilter | None = _field(2, "message", optional=True)
    batch_size: int = _field(3, "int32")


@dataclass(eq=False, repr=False)
class NodeStatus(betterproto2.Message):
    """A node's figures."""

    health: NodeHealth = _field(1, "enum", default_factory=lambda: NodeHealth.UNKNOWN)
    cpu_usage: float = _field(2, "float")
    memory_usage: float = _field(3, "float")
    active_connections: int = _field(4, "int32")
    events_per_second: int = _field(5, "int64")
    version: str = _field(6, "string")
    metadata: dict[str, str] = _text_map(7)


@dataclass(eq=False, repr=False)
class HeartbeatRequest(betterproto2.Message):
    """A node's beat: numbers of every width."""

    node_id: str = _field(1, "string")
    timestamp: int = _field(2, "int64")
    status: NodeStatus | None = _field(3, "message", optional=True)
