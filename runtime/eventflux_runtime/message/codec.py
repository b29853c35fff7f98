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
    encode_protobuf, decode_protobuf = registration.protobuf
    return MessageCodec(
        type_name=registration.type_name,
        encode=encode,
        decode=decode,
        encode_protobuf=encode_protobuf,
        decode_protobuf=decode_protobuf,
        proto=registration.proto,
        message_class=kind,
    )
