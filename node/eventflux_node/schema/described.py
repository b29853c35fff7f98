"""A schema that is made of descriptors, wherever those come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import json_format, message_factory
from google.protobuf.any_pb2 import Any as AnyProto
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import DecodeError

from eventflux_node.schema.api import (
    Callee,
    Definition,
    MethodSummary,
    Schema,
    split_method,
    unknown_name,
)
from eventflux_node.schema.dynamic import DynamicCallee, is_idempotent, json_of, kind_of, make_legible
from eventflux_node.schema.known_detail import known_detail
from eventflux_node.schema.proto_text import ProtoText
from eventflux_node.schema.resolver import Files, Resolver
from eventflux_runtime import CodecError, ErrorDetail

__all__ = ["DescribedSchema"]

_KINDS: Final = {
    DescriptorProto: "message",
    EnumDescriptorProto: "enum",
    ServiceDescriptorProto: "service",
    MethodDescriptorProto: "method",
}


class DescribedSchema(Schema):
    """Services by descriptors. A subclass says which services there are."""

    def __init__(self, files: Files) -> None:
        self.resolver: Final = Resolver(files)

    async def methods(self, service: str) -> tuple[MethodSummary, ...]:
        """The methods of a service."""
        return tuple(_summary(method) for method in (await self._service(service)).methods)

    async def callee(self, name: str) -> Callee:
        """The method of a name."""
        return DynamicCallee(await self._method(name), self.resolver)

    async def define(self, name: str) -> Definition:
        """What a full name stands for."""
        wanted = name.removeprefix("/").removeprefix(".").replace("/", ".")
        file = await self.resolver.file_of(wanted)
        if file is None:
            file = await self.resolver.file_of(wanted.rpartition(".")[0])  # that of a method's service
        proto = self.resolver.files.get(file.name) if file is not None else None
        found = _element(proto, wanted) if proto is not None else None
        if found is None or proto is None:
            raise unknown_name("name", wanted, await self._names())
        element, path = found
        return Definition(
            name=wanted,
            kind=_KINDS[type(element)],
            file=proto.name,
            text=ProtoText(proto, self.resolver.pool).definition(element, path),
            tree=json_format.MessageToDict(element, preserving_proto_field_name=False),
        )

    async def detail(self, detail: ErrorDetail) -> dict[str, Any] | None:
        """A detail in JSON."""
        known = known_detail(detail)
        if known is not None:
            return known
        found = await self.resolver.find(detail.type_url)
        if found is None:
            return None
        packed = message_factory.GetMessageClass(found)()
        try:
            packed.ParseFromString(detail.value)
            await make_legible(packed, self.resolver)
            holder = AnyProto(type_url=detail.type_url, value=packed.SerializeToString())
            shown: dict[str, Any] = json_of(holder, self.resolver, with_defaults=False)
        except (CodecError, DecodeError):
            return None  # the failure itself has to be shown, whatever stands beside it
        return shown

    async def _service(self, name: str) -> ServiceDescriptor:
        found = await self.resolver.find_service(name)
        if found is None:
            raise unknown_name("service", name, await self.services())
        return found

    async def _method(self, name: str) -> MethodDescriptor:
        service, method = split_method(name)
        descriptor = await self._service(service)
        found = descriptor.methods_by_name.get(method)
        if found is None:
            raise unknown_name("method", method, descriptor.methods_by_name, f"in {service}")
        return found

    async def _names(self) -> list[str]:
        """What there is to describe: the services, and the types of the files that define them."""
        names = [*await self.services()]
        for service in tuple(names):
            await self.resolver.file_of(service)
        for file in self.resolver.files.values():
            elements: list[Any] = [*file.message_type, *file.enum_type]
            names += [f"{file.package}.{element.name}".lstrip(".") for element in elements]
        return names


def _summary(method: MethodDescriptor) -> MethodSummary:
    return MethodSummary(
        name=method.name,
        kind=kind_of(method).value,
        request=method.input_type.full_name,
        response=method.output_type.full_name,
        is_deprecated=bool(method.GetOptions().deprecated),
        is_idempotent=is_idempotent(method),
    )


def _element(file: Any, wanted: str) -> tuple[Any, tuple[int, ...]] | None:
    """The descriptor of a full name in a file, and its path as source code info has it."""
    for name, element, path in _elements(file):
        if name == wanted:
            return element, path
    return None


def _elements(file: Any) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Each message, enum, service and method of a file: full name, descriptor, path."""
    prefix = f"{file.package}." if file.package else ""
    for index, service in enumerate(file.service):
        yield prefix + service.name, service, (6, index)
        for number, method in enumerate(service.method):
            yield f"{prefix}{service.name}.{method.name}", method, (6, index, 2, number)
    for index, enum in enumerate(file.enum_type):
        yield prefix + enum.name, enum, (5, index)
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [
        (prefix + message.name, message, (4, index)) for index, message in enumerate(file.message_type)
    ]
    while waiting:
        name, message, path = waiting.pop()
        yield name, message, path
        for index, enum in enumerate(message.enum_type):
            yield f"{name}.{enum.name}", enum, (*path, 4, index)
        waiting += [
            (f"{name}.{inner.name}", inner, (*path, 3, index)) for index, inner in enumerate(message.nested_type)
        ]
