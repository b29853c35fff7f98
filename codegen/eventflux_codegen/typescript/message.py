"""Builds what the templates see of messages and enums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from eventflux_codegen.model import Cardinality, Field, Variant
from eventflux_codegen.model import Enumeration as AnyEnumeration
from eventflux_codegen.model import Message as AnyMessage
from eventflux_codegen.schema import EnumNode, MessageNode
from eventflux_codegen.scope import Scope
from eventflux_codegen.typescript.comment import as_tsdoc
from eventflux_codegen.typescript.model import Enumeration, Member, Message, Property
from eventflux_codegen.typescript.naming import as_member, as_property
from eventflux_codegen.typescript.value import Values

__all__ = ["build_enum", "build_message"]


def build_enum(enum: AnyEnumeration, node: EnumNode, name: str) -> Enumeration:
    """One enum."""
    scope = Scope()
    members = []
    for index, (member, value) in enumerate(zip(enum.members, node.descriptor.value, strict=True)):
        doc = as_tsdoc(
            node.source.comment((*node.path, 2, index)),
            deprecated=f"{member.proto_name} is deprecated" if value.options.deprecated else "",
        )
        members.append(Member(scope.take(as_member(member.plain_name)), member.number, doc))
    doc = as_tsdoc(node.comment, f"The enum {enum.full_name}.", deprecated=enum.deprecated)
    return Enumeration(name, doc, tuple(members), enum.is_closed)


def build_message(
    message: AnyMessage, node: MessageNode, name: str, init: str, values: Values, units: Mapping[str, str]
) -> Message:
    """One message; `units` has those of fields, by their names in the IDL."""
    places = {proto.name: index for index, proto in enumerate(node.descriptor.field)}
    builder = _Builder(node, values, units, places)
    called = builder.property_names(message)
    return Message(
        name=name,
        init=init,
        full_name=message.full_name,
        doc=as_tsdoc(node.comment, f"The message {message.full_name}.", deprecated=message.deprecated),
        properties=tuple(builder.property_of(field, called[field.proto_name]) for field in message.fields),
        rows=tuple(builder.row_of(field, called[field.proto_name]) for field in message.wire_fields),
    )


@dataclass(frozen=True, slots=True)
class _Builder:
    node: MessageNode
    values: Values
    units: Mapping[str, str]
    places: Mapping[str, int]
    """Where each field stands in the descriptor."""

    def property_names(self, message: AnyMessage) -> dict[str, str]:
        """The property of each field and oneof."""
        plain = {field.proto_name: field.proto_name for field in message.fields}
        return Scope().take_all({name: as_property(name) for name in plain}, plain)

    def property_of(self, field: Field, name: str) -> Property:
        """What an interface has for a field."""
        types, init_types = self._types(field)
        is_optional = field.cardinality in (Cardinality.OPTIONAL, Cardinality.REQUIRED)
        return Property(name, types, init_types, is_optional, self._doc(field))

    def row_of(self, field: Field, name: str) -> str:
        """What the codecs are told of a field."""
        if field.cardinality is Cardinality.ONEOF:
            called = self._case_names(field)
            choices = [
                f'$.choice({each.number}, "{called[each.proto_name]}", {self.values.kind_of(each.value)})'
                for each in field.variants
            ]
            return "\n".join([f'$.oneof(\n  "{name}",', *(f"  {choice}," for choice in choices), ")"])
        assert field.value is not None
        kind = self.values.kind_of(field.value)
        if field.key is not None:
            word = "explicitMap" if field.has_explicit_entries else "map"
            return f'$.{word}({field.number}, "{name}", {self.values.kind_of(field.key)}, {kind})'
        word = "packed" if field.is_packed else field.cardinality.value
        return f'$.{word}({field.number}, "{name}", {kind})'

    def _types(self, field: Field) -> tuple[tuple[str, ...], tuple[str, ...]]:
        values = self.values
        if field.cardinality is Cardinality.ONEOF:
            called = self._case_names(field)
            return (
                (
                    *_union(field, called, [values.type_of(each.value) for each in field.variants]),
                    "{ case: undefined; value?: undefined }",
                ),
                (
                    *_union(field, called, [values.init_of(each.value) for each in field.variants]),
                    "{ case?: undefined; value?: undefined }",
                ),
            )
        assert field.value is not None
        value, init = values.type_of(field.value), values.init_of(field.value)
        if field.key is not None:
            key = values.type_of(field.key)
            return (f"Map<{key}, {value}>",), (f"$.MapInit<{key}, {init}>",)
        if field.cardinality is Cardinality.REPEATED:
            return (f"{_element(value)}[]",), (f"readonly {_element(init)}[]",)
        return (value,), (init,)

    def _case_names(self, field: Field) -> dict[str, str]:
        plain = {each.proto_name: each.proto_name for each in field.variants}
        return Scope().take_all({name: as_property(name) for name in plain}, plain)

    def _doc(self, field: Field) -> tuple[str, ...]:
        if field.cardinality is not Cardinality.ONEOF:
            proto, comment = self._described(field.proto_name)
            deprecated = f"{field.proto_name} is deprecated" if proto.options.deprecated else ""
            return as_tsdoc(comment, notes=self._notes(proto), deprecated=deprecated)
        index = [oneof.name for oneof in self.node.descriptor.oneof_decl].index(field.proto_name)
        comment = self.node.source.comment((*self.node.path, 8, index))
        choices = [line for each in field.variants for line in self._choice_notes(each)]
        return as_tsdoc(comment, notes=["\n".join(choices)] if choices else [])

    def _choice_notes(self, choice: Variant) -> Iterator[str]:
        """A line of a list for a choice that the IDL says something of."""
        proto, comment = self._described(choice.proto_name)
        text = " ".join([*comment.split(), *self._notes(proto), *([choice.deprecated] if choice.deprecated else [])])
        if text:
            yield f"- `{as_property(choice.proto_name)}`: {text}"

    def _notes(self, proto: FieldDescriptorProto) -> list[str]:
        notes = [f"Unit: {self.units[proto.name]}."] if proto.name in self.units else []
        if proto.label == FieldDescriptorProto.LABEL_REQUIRED:
            notes.append("It is required: without it, the message can be neither sent nor read.")
        elif proto.HasField("default_value"):
            notes.append(f"Where it is undefined, {proto.default_value or 'empty'} is meant.")
        return notes

    def _described(self, name: str) -> tuple[FieldDescriptorProto, str]:
        index = self.places[name]
        return self.node.descriptor.field[index], self.node.field_comment(index)


def _union(field: Field, called: Mapping[str, str], types: list[str]) -> Iterator[str]:
    for each, text in zip(field.variants, types, strict=True):
        yield f'{{ case: "{called[each.proto_name]}"; value: {text} }}'


def _element(text: str) -> str:
    """The type of a list's elements, with parentheses where they are needed."""
    return f"({text})" if "|" in text else text
