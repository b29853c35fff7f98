"""The codec of a generated message, as the methods of services carry it."""

from __future__ import annotations

from typing import Any, TypeVar

from eventflux_runtime.message.base import Message
from eventflux_runtime.message.registration import Registration
from eventflux_runtime.rpc.method import MessageCodec

__all__ = ["codec_of"]

M = TypeVar("M", bound=Message[Any, Any])


def codec_of(kind: type[M]) -> MessageCodec[M]:
    """How messages of a generated class become bytes and come back, in both encodings."""
    registration: Registration[M] = kind.__registration__
    encode, decode = registration.layout("native")

    def to_protobuf(message: M) -> bytes:
        return registration.bridge.to_protobuf(message)

    def from_protobuf(data: bytes) -> M:
        return registration.bridge.from_protobuf(data)

    return MessageCodec(
        type_name=registration.type_name,
        encode=encode,
        decode=decode,
        to_protobuf=to_protobuf,
        from_protobuf=from_protobuf,
    )
