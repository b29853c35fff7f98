"""A `TransportMessage` by way of pb2 objects: what calls cost without a codec of their own for protobuf's encoding."""

from __future__ import annotations

from typing import Final

from eventflux_transport import CompressionType, MessageType, TransportMessage, transport_pb2

__all__ = ["decode", "encode"]

_MESSAGE_TYPES: Final[dict[int, MessageType]] = {int(member): member for member in MessageType}
_COMPRESSIONS: Final[dict[int, CompressionType]] = {int(member): member for member in CompressionType}


def encode(message: TransportMessage) -> bytes:
    """The protobuf encoding of a message."""
    proto = transport_pb2.TransportMessage()
    proto.id = message.id
    proto.message_type = int(message.message_type)  # type: ignore[assignment] # the stubs want an enum of their own
    proto.payload = message.payload
    headers = proto.headers
    for key, value in message.headers.items():
        headers[key] = value
    proto.timestamp = message.timestamp
    proto.source_node = message.source_node
    proto.target_node = message.target_node
    proto.priority = message.priority
    proto.compression = int(message.compression)  # type: ignore[assignment] # as above
    return proto.SerializeToString()


def decode(data: bytes) -> TransportMessage:
    """The message of a protobuf encoding."""
    proto = transport_pb2.TransportMessage.FromString(data)
    return TransportMessage(
        id=proto.id,
        message_type=_MESSAGE_TYPES[proto.message_type],
        payload=proto.payload,
        headers=dict(proto.headers),
        timestamp=proto.timestamp,
        source_node=proto.source_node,
        target_node=proto.target_node,
        priority=proto.priority,
        compression=_COMPRESSIONS[proto.compression],
    )
