"""Messages to bytes and back: the one place of this engine that asks a `MessageCodec`."""

from __future__ import annotations

from typing import TypeVar

from eventflux_runtime.rpc.method import MessageCodec
from eventflux_runtime.rpc.rpc_error import ResourceExhausted

__all__ = ["decoded", "encoded"]

T = TypeVar("T")


def encoded(codec: MessageCodec[T], message: T, max_bytes: int, knob: str) -> bytes:
    """A message in protobuf's encoding. Raises CodecError, or ResourceExhausted above the limit that `knob` sets."""
    data = codec.to_protobuf(message)
    if len(data) > max_bytes:
        text = f"a message of type {codec.type_name} has {len(data)} bytes, the limit is {max_bytes}"
        raise ResourceExhausted(f"{text}: send less at a time or raise {knob}", unprocessed=True)
    return data


def decoded(codec: MessageCodec[T], data: bytes) -> T:
    """The message of a protobuf encoding. Raises CodecError."""
    return codec.from_protobuf(data)
