"""Methods whose messages are objects of protobuf's, of classes that are made of descriptors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message

from eventflux_node.schema.api import Callee
from eventflux_node.schema.resolver import Resolver
from eventflux_runtime import CodecError, MessageCodec, Method, MethodKind

__all__ = ["DynamicCallee", "is_idempotent", "json_of", "kind_of", "make_legible"]

_KINDS: Final = {
    (False, False): MethodKind.UNARY,
    (True, False): MethodKind.CLIENT_STREAMING,
    (False, True): MethodKind.SERVER_STREAMING,
    (True, True): MethodKind.BIDI,
}
_ANY: Final = "google.protobuf.Any"
_MAX_DEPTH: Final = 100
"""How deep messages may lie in each other; protobuf's own limit."""


def kind_of(method: MethodDescriptor) -> MethodKind:
    """How many messages travel each way."""
    return _KINDS[method.client_streaming, method.server_streaming]


def is_idempotent(method: MethodDescriptor) -> bool:
    """Whether the IDL says that it may run more than once."""
    level = method.GetOptions().idempotency_level
    return bool(level != MethodOptions.IDEMPOTENCY_UNKNOWN)


class DynamicCallee(Callee):
    """A method known by its descriptor. On the native wire its messages travel in protobuf's encoding."""

    def __init__(self, descriptor: MethodDescriptor, resolver: Resolver) -> None:
        self._request = message_factory.GetMessageClass(descriptor.input_type)
        self._resolver = resolver
        self._has_any = _can_hold_any(descriptor.output_type)
        self.method = Method(
            service=descriptor.containing_service.full_name,
            name=descriptor.name,
            kind=kind_of(descriptor),
            request=_codec(descriptor.input_type),
            response=_codec(descriptor.output_type),
            fingerprint=0,  # agrees with no peer's, so both sides take protobuf's encoding
            idempotent=is_idempotent(descriptor),
        )

    async def read(self, text: str) -> Message:
        """The request of a JSON text."""
        name = self._request.DESCRIPTOR.full_name
        if not text.lstrip().startswith("{") and not name.startswith("google.protobuf."):
            raise CodecError(f"{name}: expected an object of JSON, as {{}}", field=name)
        try:
            if '"@type"' in text:
                for url in _type_urls(json.loads(text)):
                    await self._resolver.find(url)
            message: Message = json_format.Parse(text, self._request(), descriptor_pool=self._resolver.pool)
        except json_format.ParseError as error:
            raise CodecError(f"{name}: {_plain(error)}", field=name) from None
        except ValueError as error:
            raise CodecError(f"{name}: not JSON: {error}", field=name) from None
        except RecursionError:
            raise CodecError(f"{name}: nested too deep", field=name) from None
        return message

    async def write(self, message: Message, *, with_defaults: bool) -> str:
        """A response in JSON."""
        if self._has_any:
            try:
                await make_legible(message, self._resolver)
            except DecodeError as error:
                name = message.DESCRIPTOR.full_name
                raise CodecError(f"{name}: an Any in it holds no message of its type: {error}", field=name) from None
        return json.dumps(json_of(message, self._resolver, with_defaults=with_defaults), ensure_ascii=False)


def json_of(message: Message, resolver: Resolver, *, with_defaults: bool) -> Any:
    """A message as values of JSON. Raises CodecError."""
    try:
        return json_format.MessageToDict(
            message,
            always_print_fields_with_no_presence=with_defaults,
            descriptor_pool=resolver.pool,
        )
    except (json_format.Error, TypeError, ValueError, DecodeError) as error:
        name = message.DESCRIPTOR.full_name
        raise CodecError(f"{name}: has no JSON: {_plain(error)}", field=name) from None


async def make_legible(message: Message, resolver: Resolver) -> None:
    """Has the types that its `Any` fields pack looked up, and those that nobody knows replaced by their bytes."""
    for holder in list(_holders(message, 0)):
        any_message: Any = holder
        if not any_message.type_url:
            continue
        found = await resolver.find(any_message.type_url)
        if found is None:
            opaque = resolver.opaque(any_message.type_url)
            any_message.type_url = f"type.googleapis.com/{opaque.full_name}"
            any_message.value = message_factory.GetMessageClass(opaque)(value=any_message.value).SerializeToString()
        elif _can_hold_any(found):
            packed = message_factory.GetMessageClass(found)()
            packed.ParseFromString(any_message.value)
            await make_legible(packed, resolver)
            any_message.value = packed.SerializeToString()


def _holders(message: Message, depth: int) -> Iterator[Message]:
    """The `Any` messages in a message."""
    if message.DESCRIPTOR.full_name == _ANY:
        yield message
        return
    if depth > _MAX_DEPTH:
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if not field.is_repeated:
            yield from _holders(value, depth + 1)
        elif not field.message_type.GetOptions().map_entry:
            for item in value:
                yield from _holders(item, depth + 1)
        elif field.message_type.fields_by_name["value"].message_type is not None:
            for item in value.values():
                yield from _holders(item, depth + 1)


def _can_hold_any(root: Descriptor) -> bool:
    """Whether messages of a type, or what lies in them, may have an `Any`."""
    waiting, seen = [root], {root.full_name}
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name == _ANY:
            return True
        for field in descriptor.fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                waiting.append(inner)
    return False


def _type_urls(value: object) -> Iterator[str]:
    """What stands as ``@type`` in a value of JSON."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        url = fields.get("@type")
        if isinstance(url, str):
            yield url
        for item in fields.values():
            yield from _type_urls(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _type_urls(item)


def _codec(descriptor: Descriptor) -> MessageCodec[Any]:
    kind = message_factory.GetMessageClass(descriptor)
    name = descriptor.full_name

    def encode(message: Message, writer: Any) -> None:
        writer.write(message.SerializeToString())

    def decode(data: bytes, start: int, end: int) -> Message:
        message = kind()
        try:
            message.ParseFromString(data[start:end])
        except DecodeError as error:
            raise CodecError(f"{name}: {error}", field=name, offset=0) from None
        return message

    return MessageCodec(type_name=name, encode=encode, decode=decode, encode_protobuf=encode, decode_protobuf=decode)


def _plain(error: Exception) -> str:
    """What protobuf says, on one line."""
    return " ".join(str(error).split())
