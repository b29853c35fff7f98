"""Builds the model of messages: fields, oneofs and their classes, in Python's order and in the native layout's."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from eventflux_codegen.attribute import Attributes
from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.features import Presence
from eventflux_codegen.foreign import Names
from eventflux_codegen.kind import form_of
from eventflux_codegen.layout import build_layouts
from eventflux_codegen.model import Cardinality, Enumeration, Field, Message, Value, ValueKind, Variant
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.naming import as_json_name
from eventflux_codegen.options import MessageOptions, Options
from eventflux_codegen.relocation import PbModule
from eventflux_codegen.schema import MessageNode, Schema
from eventflux_codegen.shared import HOME, is_in_runtime
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
    pb_modules: Mapping[str, PbModule],
    *,
    is_public: bool = False,
) -> dict[str, Message]:
    """Every message by its full name, in the order of the files; `pb_modules` has the module of each file.

    The functions of public ones are there for other packages.
    """
    values = ValueTypes(schema, names, enums, is_public=is_public)
    keys = resolve(options.messages, schema.own_messages, schema, places, "messages", "message")
    by_class = {enum.name: enum for enum in enums.values()}
    messages = {}
    for full_name, node in schema.messages.items():
        key = keys.get(full_name)
        if key is not None and is_in_runtime(node):
            raise GenerationError(f"{full_name} is a class of the runtime: drop its options", places("messages", key))
        own = options.messages[key] if key is not None else MessageOptions()
        path = ("messages", key if key is not None else "")
        home = schema.foreign.get(full_name)
        attributes = Attributes.of(node, own, places, names, *path) if home is None else Attributes.named(node, home)
        fields = _FieldBuilder(node, own, names, values, attributes, home).build()
        by_proto_name = {field.proto_name: field for field in fields}
        for unit in own.units:
            if unit not in {name for field in fields for name in (field.proto_name, *_variant_names(field))}:
                raise _unknown_field(unit, by_proto_name, node, places, *path, "units", unit)
        name, is_shared = names.by_full_name[full_name], is_in_runtime(node)
        class_local = names.shared_local(name) if is_shared else names.local(name)
        parent, module, local = pb_modules[node.source.descriptor.name]
        oneofs_last = sorted(fields, key=lambda field: field.cardinality is Cardinality.ONEOF)
        messages[full_name] = Message(
            name=name,
            local=class_local,
            full_name=full_name,
            snake=names.stems[full_name],
            pb_path=_pb_type(local, node),
            pb_place=f"{parent}.{module}:{node.local_name}",
            doc=noted(as_docstring(node.comment, f"The message {full_name}."), is_deprecated=_is_deprecated(node)),
            fields=fields,
            wire_fields=tuple(oneofs_last),
            layouts=build_layouts(own, by_proto_name, by_class, places, *path),
            factories=build_factories(own, name, by_proto_name, by_class, places, *path),
            builders=build_builders(own, by_proto_name, places, *path),
            payload=build_payload(own, by_proto_name, by_class, places, *path),
            is_recursive=values.is_recursive(full_name),
            is_embedded=values.is_embedded(full_name) or is_public,
            is_public=is_public,
            is_shared=is_shared,
            home=HOME if is_shared else home.package if home is not None else "",
            exported=name if home is None else home.classes[full_name],
            deprecated=reason(full_name, node.comment, is_deprecated=_is_deprecated(node)),
            codec_constant=names.constants[full_name],
            hidden_enums=_hidden(fields, ValueKind.ENUM),
            hidden_messages=_hidden(fields, ValueKind.MESSAGE),
        )
    return messages


def _is_deprecated(node: MessageNode) -> bool:
    return node.descriptor.options.deprecated or node.source.descriptor.options.deprecated


def _own_json_name(proto: FieldDescriptorProto) -> str:
    """The name in JSON, if it is not the one in lowerCamelCase that follows from the field's."""
    return "" if proto.json_name == as_json_name(proto.name) else proto.json_name


def _variant_names(field: Field) -> tuple[str, ...]:
    return tuple(variant.proto_name for variant in field.variants)


def _unknown_field(
    name: str, fields: Mapping[str, Field], node: MessageNode, places: Places, *path: str
) -> GenerationError:
    return GenerationError(f"{node.full_name} has no field {name!r}: {nearest(name, fields)}", places(*path))


def _pb_type(module: str, node: MessageNode) -> str:
    """Protobuf's own class as a type; where that has the name of a keyword, no file can say it."""
    has_keyword = any(keyword.iskeyword(part) for part in node.local_name.split("."))
    return "typing.Any" if has_keyword else f"{module}.{node.local_name}"


def _hidden(fields: Iterable[Field], kind: ValueKind) -> tuple[tuple[str, str], ...]:
    """The classes of a kind that an attribute hides from the annotations of a message class, and their other names."""
    found = {
        (field.value.annotation, field.value.hidden_as)
        for field in fields
        if field.value is not None and field.value.hidden_as and field.value.kind is kind
    }
    if kind is ValueKind.MESSAGE:
        found |= {(field.union, field.union_hidden_as) for field in fields if field.union_hidden_as}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _FieldBuilder:
    node: MessageNode
    options: MessageOptions
    names: ClassNames
    values: ValueTypes
    attributes: Attributes
    home: Names | None
    """What the package that has the class calls it; None: this one has it."""

    def build(self) -> tuple[Field, ...]:
        """The fields in the order of the IDL; a oneof stands where its first field does."""
        fields: list[Field] = []
        seen_oneofs: set[int] = set()
        for index, proto in enumerate(self.node.descriptor.field):
            if not self.node.is_choice(proto):
                fields.append(self._plain(proto, index, len(fields)))
            elif proto.oneof_index not in seen_oneofs:
                seen_oneofs.add(proto.oneof_index)
                fields.append(self._oneof(proto.oneof_index, index, len(fields)))
        return tuple(fields)

    def _doc(self, comment: str, proto_name: str, fallback: str, default: str = "") -> tuple[str, ...]:
        unit = self.options.units.get(proto_name)
        more = ("", default) if default else ()
        return (*as_docstring(comment, fallback, unit=unit), *more) if comment or unit or more else ()

    def _path(self, proto_name: str) -> str:
        return f"{self.names.by_full_name[self.node.full_name]}.{self.attributes[proto_name]}"

    def _exported(self, proto_name: str, name: str) -> str:
        """What a class of a oneof is called where it is."""
        return name if self.home is None else self.home.classes[f"{self.node.full_name}.{proto_name}"]

    def _local_end(self, attribute: str) -> str:
        end = "_"
        while self.names.is_class(f"{attribute}{end}"):
            end += "_"
        return end

    def _hidden_as(self, name: str) -> str:
        return f"_{name}" if name in self.attributes else ""

    def _value(self, proto: FieldDescriptorProto) -> Value:
        value = self.values.of(proto)
        hidden = self._hidden_as(value.annotation) if value.full_name else ""
        if not hidden:
            return value
        return replace(value, hidden_as=hidden, default=value.default.replace(value.annotation, hidden, 1))

    def _plain(self, proto: FieldDescriptorProto, index: int, position: int) -> Field:
        entry = self.node.entry(proto)
        key = self._value(entry.field[0]) if entry is not None else None
        value = self._value(entry.field[1] if entry is not None else proto)
        cardinality = self._cardinality(proto)
        annotation, default = _spelled(cardinality, value, key)
        of_none = _meaning_of_none(proto, value, cardinality)
        doc = self._doc(self.node.field_comment(index), proto.name, f"The field {proto.name}.", of_none)
        return Field(
            name=self.attributes[proto.name],
            proto_name=proto.name,
            number=proto.number,
            cardinality=cardinality,
            annotation=annotation,
            default=default,
            doc=noted(doc, is_deprecated=proto.options.deprecated),
            path=self._path(proto.name),
            index=position,
            slot=str(index),
            expects=describe(cardinality, value, key),
            value=value,
            key=key,
            is_packed=cardinality is Cardinality.REPEATED and form_of(value).is_packable and self.node.is_packed(proto),
            has_explicit_entries=entry is not None and self.node.presence(entry.field[0]) is Presence.EXPLICIT,
            local_end=self._local_end(self.attributes[proto.name]),
            json_name=_own_json_name(proto),
            is_redacted=proto.options.debug_redact,
        )

    def _cardinality(self, proto: FieldDescriptorProto) -> Cardinality:
        if self.node.entry(proto) is not None:
            return Cardinality.MAP
        if proto.label == FieldDescriptorProto.LABEL_REPEATED:
            return Cardinality.REPEATED
        match self.node.presence(proto):
            case Presence.REQUIRED:
                return Cardinality.REQUIRED
            case Presence.EXPLICIT:
                return Cardinality.OPTIONAL
            case Presence.IMPLICIT:
                return Cardinality.SINGLE

    def _oneof(self, oneof: int, first: int, position: int) -> Field:
        name = self.node.descriptor.oneof_decl[oneof].name
        union = self.names.unions[f"{self.node.full_name}.{name}"]
        hidden = self._hidden_as(union)
        variants = tuple(self._variant(name, place, index) for index, place in enumerate(self.node.choices(oneof)))
        choices = ", ".join(variant.class_name for variant in variants)
        return Field(
            name=self.attributes[name],
            proto_name=name,
            number=0,
            cardinality=Cardinality.ONEOF,
            annotation=f"{hidden or union} | None",
            default="None",
            doc=self._doc(self.node.source.comment((*self.node.path, 8, oneof)), name, f"One of {name}."),
            path=self._path(name),
            index=position,
            slot=str(first),
            expects=f"one of {choices}, or None",
            variants=variants,
            union=union,
            union_local=self.names.local(union),
            union_exported=self._exported(name, union),
            union_hidden_as=hidden,
            local_end=self._local_end(self.attributes[name]),
        )

    def _variant(self, oneof: str, position: int, index: int) -> Variant:
        proto = self.node.descriptor.field[position]
        name = self.names.choices[f"{self.node.full_name}.{proto.name}"]
        fallback = f"The choice {proto.name} of {self.node.full_name}.{oneof}."
        unit = self.options.units.get(proto.name)
        return Variant(
            class_name=name,
            local=self.names.local(name),
            exported=self._exported(proto.name, name),
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


def _spelled(cardinality: Cardinality, value: Value, key: Value | None) -> tuple[str, str]:
    """The annotation of an attribute, and its default."""
    match cardinality:
        case Cardinality.MAP if key is not None:
            return f"dict[{key.annotation}, {value.spelled}]", "{}"
        case Cardinality.REPEATED:
            return f"list[{value.spelled}]", "[]"
        case Cardinality.OPTIONAL | Cardinality.REQUIRED if value.kind is ValueKind.VALUE:
            return f"{value.spelled} | msgspec.UnsetType", "msgspec.UNSET"
        case Cardinality.OPTIONAL | Cardinality.REQUIRED:
            return f"{value.spelled} | None", "None"
        case _:
            return value.spelled, value.default


def _meaning_of_none(proto: FieldDescriptorProto, value: Value, cardinality: Cardinality) -> str:
    """What it means that a field holds None, where that is not that it was left out."""
    if cardinality is Cardinality.REQUIRED:
        return "It is required: without it, the message can be neither sent nor read."
    if not proto.HasField("default_value"):
        return ""
    is_text = value.annotation in ("str", "bytes")
    text = repr(proto.default_value).replace("\\", "\\\\") if is_text else proto.default_value
    return f"Where it is None, {text} is meant."
