"""The method of ``ServerReflection`` in both versions, as the runtime reads them.

Their messages are protobuf's own objects, of the classes in `descriptor`: whoever speaks of descriptors has protobuf.
Their native layout is protobuf's encoding, too. So the fingerprints are numbers of our own: a peer whose code was made
from the same definition computes others, and then both sides take protobuf's encoding, as for any method on whose
layout they do not agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from librt.strings import BytesWriter

from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
from eventflux_runtime.rpc.method import MessageCodec, Method, MethodKind

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["REFLECTION_METHODS", "REFLECTION_V1", "REFLECTION_V1ALPHA"]

_NAME: Final = "ServerReflectionInfo"


class _Encoding:
    """Protobuf's own encoding of one message, whose class is loaded when it is first used."""

    __slots__ = ("_class", "type_name")

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        self._class: type[Message] | None = None

    def _loaded(self) -> type[Message]:
        if self._class is None:
            try:
                from eventflux_runtime.reflection.descriptor import message_class  # noqa: PLC0415 - needs protobuf
            except ModuleNotFoundError as missing:
                raise MissingExtraError(self.type_name, "protobuf") from missing
            self._class = message_class(self.type_name)
        return self._class

    def encode(self, message: Message, writer: BytesWriter) -> None:
        """Appends a message. Raises CodecError, and MissingExtraError without protobuf."""
        if not isinstance(message, self._loaded()):
            raise CodecError(
                f"a {self.type_name} is an object of protobuf's class for it, not {type(message).__name__}",
                field=self.type_name,
            )
        writer.write(message.SerializeToString())

    def decode(self, data: bytes, start: int, end: int) -> Message:
        """The message in ``data[start:end]``. Raises CodecError, and MissingExtraError without protobuf."""
        message = self._loaded()()
        from google.protobuf.message import DecodeError  # noqa: PLC0415 - needs protobuf, which is there by now

        try:
            message.ParseFromString(data[start:end])
        except DecodeError as error:
            raise CodecError(f"{self.type_name}: {error}", field=self.type_name, offset=0) from None
        return message


def _codec(type_name: str) -> MessageCodec[Any]:
    encoding = _Encoding(type_name)
    return MessageCodec(
        type_name=type_name,
        encode=encoding.encode,
        decode=encoding.decode,
        encode_protobuf=encoding.encode,
        decode_protobuf=encoding.decode,
    )


def _method(package: str, fingerprint: int, proto: str) -> Method[Any, Any]:
    return Method(
        service=f"{package}.ServerReflection",
        name=_NAME,
        kind=MethodKind.BIDI,
        request=_codec(f"{package}.ServerReflectionRequest"),
        response=_codec(f"{package}.ServerReflectionResponse"),
        fingerprint=fingerprint,
        proto=f"eventflux_runtime.reflection.descriptor:{proto}",
        idempotent=True,
    )


REFLECTION_V1: Final = _method("grpc.reflection.v1", 0x4546_5245_464C_0001, "V1")
REFLECTION_V1ALPHA: Final = _method("grpc.reflection.v1alpha", 0x4546_5245_464C_0002, "V1ALPHA")
REFLECTION_METHODS: Final = (REFLECTION_V1, REFLECTION_V1ALPHA)
"""Each version's only method."""
