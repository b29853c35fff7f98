"""Builds the model of messages: fields, oneofs and their classes, in Python's order and in the native layout's."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.kind import form_of
from eventflux_codegen.layout import build_layouts
from eventflux_codegen.model import Cardinality, Enumeration, Field, Message, Value, ValueKind, Variant
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.naming import as_field, as_json_name, as_snake
from eventflux_codegen.options import MessageOptions, Options
from eventflux_codegen.schema import MessageNode, Schema
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.shortcut import build_builders, build_factories, build_payload
from eventflux_codegen.value import ValueTypes, describe
from eventflux_codegen.yaml_source import Places

__all__ = ["build_messages"]


def build_messages(
    schema: Schema,
    options: Options,
    places: Places,
    names: ClassNames,
    enums: Mapping[str, Enumeration],
    pb_modules: Mapping[str, tuple[str, str, str]],
    *,
    is_public: bool = False,
) -> dict[str, Message]:
    """Every message by its full name, in the order of the files.

    `pb_modules` has, for each .proto file, the package, the name, and the local name of its pb2 module. The functions
    of public ones are there for other packages.
    """
    values = ValueTypes(schema, names, enums, is_public=is_public)
    keys = resolve(options.messages, schema.messages, schema, places, "messages", "message")
    _claim_oneofs(schema, names)
    messages = {}
    for full_name, node in schema.messages.items():
        key = keys.get(full_name)
        if key is not None and is_in_runtime(node):
            raise GenerationError(f"{full_name} is a class of the runtime: drop its options", places("messages", key))
        own = options.messages[key] if key is not None else MessageOptions()
        path = ("messages", key if key is not None else "")
        fields = _FieldBuilder(node, own, names, values).build()
        by_proto_name = {field.proto_name: field for field in fields}
        for unit in own.units:
            if unit not in {name for field in fields for name in (field.proto_name, *_variant_names(field))}:
                raise _unknown_field(unit, by_proto_name, node, places, *path, "units", unit)
        name, is_shared = names.by_full_name[full_name], is_in_runtime(node)
        class_local = names.shared_local(name) if is_shared else names.local(name)
        parent, module, local = pb_modules[node.source.descriptor.name]
        pb_class = _pb_class(node)
        oneofs_last = sorted(fields, key=lambda field: field.cardinality is Cardinality.ONEOF)
        messages[full_name] = Message(
            name=name,
            local=class_local,
            full_name=full_name,
            snake=as_snake(class_local if is_shared else name),
            pb_path=f"{local}.{pb_class}",
            pb_place=f"{parent}.{module}:{pb_class}",
            doc=noted(as_docstring(node.comment, f"The message {full_name}."), is_deprecated=_is_deprecated(node)),
            fields=fields,
            wire_fields=tuple(oneofs_last),
            layouts=build_layouts(own, by_proto_name, enums, places, *path),
            factories=build_factories(own, name, by_proto_name, enums, places, *path),
            builders=build_builders(own, by_proto_name, places, *path),
            payload=build_payload(own, by_proto_name, enums, places, *path),
            is_recursive=values.is_recursive(full_name),
            is_embedded=values.is_embedded(full_name) or is_public,
            is_public=is_public,
            is_shared=is_shared,
            deprecated=reason(full_name, node.comment, is_deprecated=_is_deprecated(node)),
        )
    return messages


def _is_deprecated(node: MessageNode) -> bool:
    return node.descriptor.options.deprecated or node.source.descriptor.options.deprecated


def _claim_oneofs(schema: Schema, names: ClassNames) -> None:
    for node in schema.messages.values():
        if is_in_runtime(node):
            continue
        for index, oneof in enumerate(node.descriptor.oneof_decl):
            choices = _choices(node, index)
            if choices:
                names.claim(_union(node, names, oneof.name), f"the oneof {node.full_name}.{oneof.name}", node.place)
            for position in choices:
                field = node.descriptor.field[position]
                what = f"the choice {node.full_name}.{field.name}"
                names.claim(_variant(node, names, oneof.name, field.name), what, node.field_place(position))


def _choices(node: MessageNode, oneof: int) -> list[int]:
    """The indices of the fields of a oneof; none, if it only stands for an `optional`."""
    return [
        index
        for index, field in enumerate(node.descriptor.field)
        if field.HasField("oneof_index") and field.oneof_index == oneof and not field.proto3_optional
    ]


def _union(node: MessageNode, names: ClassNames, oneof: str) -> str:
    return names.by_full_name[node.full_name] + "".join(part.capitalize() for part in as_snake(oneof).split("_"))


def _variant(node: MessageNode, names: ClassNames, oneof: str, field: str) -> str:
    return _union(node, names, oneof) + "".join(part.capitalize() for part in as_snake(field).split("_"))


def _is_packed(proto: FieldDescriptorProto, value: Value) -> bool:
    """Whether the elements of a list are written as one record: in proto3, unless the IDL says otherwise."""
    is_wanted = proto.options.packed if proto.options.HasField("packed") else True
    return is_wanted and form_of(value).is_packable


def _own_json_name(proto: FieldDescriptorProto) -> str:
    """The name in JSON, if it is not the one in lowerCamelCase that follows from the field's."""
    return "" if proto.json_name == as_json_name(proto.name) else proto.json_name


def _variant_names(field: Field) -> tuple[str, ...]:
    return tuple(variant.proto_name for variant in field.variants)


def _unknown_field(
    name: str, fields: Mapping[str, Field], node: MessageNode, places: Places, *path: str
) -> GenerationError:
    return GenerationError(f"{node.full_name} has no field {name!r}: {nearest(name, fields)}", places(*path))


def _pb_class(node: MessageNode) -> str:
    local = node.full_name[len(node.package) + 1 :] if node.package else node.full_name
    if any(keyword.iskeyword(part) for part in local.split(".")):
        message = f"{node.full_name}: protoc's own Python code has no name for a Python keyword: rename the message"
        raise GenerationError(message, node.place)
    return local


@dataclass(frozen=True, slots=True)
class _FieldBuilder:
    node: MessageNode
    options: MessageOptions
    names: ClassNames
    values: ValueTypes

    def build(self) -> tuple[Field, ...]:
        """The fields in the order of the IDL; a oneof stands where its first field does."""
        fields: list[Field] = []
        seen_oneofs: set[int] = set()
        taken: dict[str, str] = {}
        for index, proto in enumerate(self.node.descriptor.field):
            if proto.HasField("oneof_index") and not proto.proto3_optional:
                if proto.oneof_index in seen_oneofs:
                    continue
                seen_oneofs.add(proto.oneof_index)
                field = self._oneof(proto.oneof_index, index, len(fields))
            else:
                field = self._plain(proto, index, len(fields))
            if field.name in taken or field.name.startswith("__"):
                reason = f"so is {taken[field.name]}" if field.name in taken else "Python mangles such names"
                raise GenerationError(
                    f"{self.node.full_name}.{field.proto_name} would be {field.name} in Python, and {reason}: "
                    "rename the field",
                    self.node.field_place(index),
                )
            taken[field.name] = field.proto_name
            fields.append(field)
        return tuple(fields)

    def _doc(self, comment: str, proto_name: str, fallback: str) -> tuple[str, ...]:
        unit = self.options.units.get(proto_name)
        return as_docstring(comment, fallback, unit=unit) if comment or unit else ()

    def _check_type(self, proto: FieldDescriptorProto, index: int) -> None:
        if proto.type_name and proto.type_name[1:] not in self.names.by_full_name:
            raise GenerationError(
                f"{self.node.full_name}.{self.node.descriptor.field[index].name} has the type {proto.type_name[1:]}, "
                "which is not proto3: no message can be made of it",
                self.node.field_place(index),
            )

    def _path(self, proto_name: str) -> str:
        return f"{self.names.by_full_name[self.node.full_name]}.{as_field(proto_name)}"

    def _plain(self, proto: FieldDescriptorProto, index: int, position: int) -> Field:
        entry = self.node.entry(proto)
        self._check_type(entry.field[1] if entry is not None else proto, index)
        key = self.values.of(entry.field[0]) if entry is not None else None
        value = self.values.of(entry.field[1] if entry is not None else proto)
        if entry is not None and key is not None:
            cardinality, annotation = Cardinality.MAP, f"dict[{key.annotation}, {value.annotation}]"
            default = "msgspec.field(default_factory=dict)"
        elif proto.label == FieldDescriptorProto.LABEL_REPEATED:
            cardinality, annotation = Cardinality.REPEATED, f"list[{value.annotation}]"
            default = "msgspec.field(default_factory=list)"
        elif proto.proto3_optional or proto.type == FieldDescriptorProto.TYPE_MESSAGE:
            is_null_a_value = value.kind is ValueKind.VALUE
            absent, default = ("msgspec.UnsetType", "msgspec.UNSET") if is_null_a_value else ("None", "None")
            cardinality, annotation = Cardinality.OPTIONAL, f"{value.annotation} | {absent}"
        else:
            cardinality, annotation, default = Cardinality.SINGLE, value.annotation, value.default
        return Field(
            name=as_field(proto.name),
            proto_name=proto.name,
            number=proto.number,
            cardinality=cardinality,
            annotation=annotation,
            default=default,
            doc=noted(
                self._doc(self.node.field_comment(index), proto.name, f"The field {proto.name}."),
                is_deprecated=proto.options.deprecated,
            ),
            path=self._path(proto.name),
            index=position,
            slot=str(index),
            expects=describe(cardinality, value, key),
            value=value,
            key=key,
            is_packed=cardinality is Cardinality.REPEATED and _is_packed(proto, value),
            json_name=_own_json_name(proto),
            is_redacted=proto.options.debug_redact,
        )

    def _oneof(self, oneof: int, first: int, position: int) -> Field:
        name = self.node.descriptor.oneof_decl[oneof].name
        union = _union(self.node, self.names, name)
        variants = tuple(
            self._variant(name, position, index) for index, position in enumerate(_choices(self.node, oneof))
        )
        choices = ", ".join(variant.class_name for variant in variants)
        return Field(
            name=as_field(name),
            proto_name=name,
            number=0,
            cardinality=Cardinality.ONEOF,
            annotation=f"{union} | None",
            default="None",
            doc=self._doc(self.node.source.comment((*self.node.path, 8, oneof)), name, f"One of {name}."),
            path=self._path(name),
            index=position,
            slot=str(first),
            expects=f"one of {choices}, or None",
            variants=variants,
            union=union,
            union_local=self.names.local(union),
        )

    def _variant(self, oneof: str, position: int, index: int) -> Variant:
        proto = self.node.descriptor.field[position]
        self._check_type(proto, position)
        name = _variant(self.node, self.names, oneof, proto.name)
        fallback = f"The choice {proto.name} of {self.node.full_name}.{oneof}."
        unit = self.options.units.get(proto.name)
        return Variant(
            class_name=name,
            local=self.names.local(name),
            proto_name=proto.name,
            number=proto.number,
            index=index,
            value=self.values.of(proto),
            slot=str(position),
            doc=noted(
                as_docstring(self.node.field_comment(position), fallback, unit=unit),
                is_deprecated=proto.options.deprecated,
            ),
            json_name=_own_json_name(proto),
            is_redacted=proto.options.debug_redact,
        )
