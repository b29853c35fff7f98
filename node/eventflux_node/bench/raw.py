"""A method whose requests are encoded before the run, and whose responses are counted and not decoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from librt.strings import BytesWriter

from eventflux_runtime import AnyMethod, MessageCodec

__all__ = ["RawRequest", "ReceivedBytes", "raw_method"]


class RawRequest:
    """One request in each encoding that its method has."""

    __slots__ = ("native", "protobuf")

    def __init__(self, native: bytes, protobuf: bytes) -> None:
        self.native = native
        self.protobuf = protobuf


class ReceivedBytes:
    """What has come in responses, as encoded messages."""

    __slots__ = ("messages", "total")

    def __init__(self) -> None:
        self.messages = 0
        self.total = 0


def raw_method(
    method: AnyMethod, requests: Sequence[Any], received: ReceivedBytes
) -> tuple[AnyMethod, list[RawRequest]]:
    """The same method for encoded requests, and those.

    Args:
        method: as its callers know it.
        requests: its messages.
        received: counts the responses.

    Raises:
        CodecError: a request cannot be encoded.
    """
    codec = method.request
    raw = [
        RawRequest(_encoded(codec.encode, request), _encoded(codec.encode_protobuf, request)) for request in requests
    ]

    def count(data: bytes, start: int, end: int) -> int:
        received.messages += 1
        received.total += end - start
        return end - start

    request = MessageCodec(
        type_name=method.request.type_name,
        encode=_write_native,
        decode=method.request.decode,
        encode_protobuf=_write_protobuf,
        decode_protobuf=method.request.decode_protobuf,
    )
    response = MessageCodec(
        type_name=method.response.type_name,
        encode=method.response.encode,
        decode=count,
        encode_protobuf=method.response.encode_protobuf,
        decode_protobuf=count,
    )
    return dataclasses.replace(method, request=request, response=response, retry=None, timeout_s=None), raw


def _write_native(request: RawRequest, writer: BytesWriter) -> None:
    writer.write(request.native)


def _write_protobuf(request: RawRequest, writer: BytesWriter) -> None:
    writer.write(request.protobuf)


def _encoded(encode: Callable[[Any, BytesWriter], None], message: Any) -> bytes:
    writer = BytesWriter()
    encode(message, writer)
    return writer.getvalue()
