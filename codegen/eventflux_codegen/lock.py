"""The lock: the facts that peers rely on, kept beside the IDL, so that a change that would break them is noticed.

It is JSON: messages with their fields by number, enums with their names by number, methods with kinds, types and
fingerprints, named layouts, and declared errors with their fields by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from eventflux_codegen.compiler import is_well_known
from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.package import Package
from eventflux_codegen.schema import EnumNode, MessageNode, Schema

__all__ = ["Change", "Facts", "find_breaking", "lock_text", "wire_facts"]

Facts: TypeAlias = dict[str, dict[str, dict[str, Any]]]
"""Sections (messages, enums, methods, layouts, errors), then full names, then what is known of each."""

_SECTIONS: Final = ("messages", "enums", "methods", "layouts", "errors")


def wire_facts(schema: Schema, package: Package) -> Facts:
    """The facts as the IDL and the options now state them; protobuf's own types are protobuf's business."""
    facts: Facts = {section: {} for section in _SECTIONS}
    for name, message in schema.messages.items():
        if not is_well_known(message.source.descriptor.name):
            facts["messages"][name] = _fields(message)
    for name, enum in schema.enums.items():
        if not is_well_known(enum.source.descriptor.name):
            numbers: dict[str, Any] = {}
            for value in enum.descriptor.value:
                numbers.setdefault(str(value.number), []).append(value.name)
            facts["enums"][name] = numbers
    for service in package.services:
        for method in service.methods:
            facts["methods"][f"/{service.full_name}/{method.proto_name}"] = {
                "kind": method.kind,
                "request": method.request.full_name,
                "response": method.response.full_name,
                "fingerprint": f"{method.fingerprint:016x}",
            }
    for built in package.messages:
        for layout in built.layouts:
            facts["layouts"][f"{built.full_name} {layout.name}"] = {
                "fields": [field.proto_name for field in layout.fields],
                "variants": {name: list(closed.members) for name, closed in layout.closed.items()},
            }
    for error in package.errors:
        fields = {field.name: field.type_text for field in error.fields}
        facts["errors"][error.reason] = {"code": error.code, "domain": error.domain, "fields": fields}
    return facts


def lock_text(facts: Facts, package: Package) -> str:
    """The lock as it is written to its file."""
    written = {section: known for section, known in facts.items() if known or section != "errors"}
    return json.dumps({"generator": package.generator, **written}, indent=2, ensure_ascii=False) + "\n"


def find_breaking(lock: Path, facts: Facts, schema: Schema) -> GenerationError | None:
    """The first change since the lock was written that breaks peers; None without one, or without a lock.

    Raises:
        GenerationError: the lock is not one.
    """
    if not lock.is_file():
        return None
    try:
        old = {"errors": {}, **json.loads(lock.read_text("utf-8"))}
        changes = list(_changes(old, facts, schema))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        message = "is not a lock of this generator: restore it, or delete it and generate again"
        raise GenerationError(message, Place(str(lock), line)) from None
    if not changes:
        return None
    place, text = changes[0]
    others = f" ({len(changes) - 1} more like it)" if len(changes) > 1 else ""
    advice = "undo it, or say --accept-breaking"
    return GenerationError(f"{text}, which breaks peers{others}: {advice}", place or Place(str(lock)))


def _fields(node: MessageNode) -> dict[str, Any]:
    fields = {}
    for proto in node.descriptor.field:
        entry = node.entry(proto)
        if entry is not None:
            text = f"map<{_type(entry.field[0])}, {_type(entry.field[1])}>"
        elif proto.label == Proto.LABEL_REPEATED:
            text = f"repeated {_type(proto)}"
        elif proto.proto3_optional:
            text = f"optional {_type(proto)}"
        elif proto.HasField("oneof_index"):
            text = f"{_type(proto)} in oneof {node.descriptor.oneof_decl[proto.oneof_index].name}"
        else:
            text = _type(proto)
        fields[str(proto.number)] = {"name": proto.name, "type": text}
    return fields


def _type(proto: Proto) -> str:
    return proto.type_name[1:] or Proto.Type.Name(proto.type).removeprefix("TYPE_").lower()


Change: TypeAlias = tuple[Place | None, str]


def _changes(old: Facts, new: Facts, schema: Schema) -> Iterator[Change]:
    for section, what in zip(_SECTIONS, ("message", "enum", "method", "layout", "error"), strict=True):
        for name in old[section]:
            if name not in new[section]:
                yield None, f"{what} {name} is gone"
    for name, fields in old["messages"].items():
        if name in new["messages"]:
            yield from _field_changes(fields, new["messages"][name], schema.messages[name])
    for name, numbers in old["enums"].items():
        if name in new["enums"]:
            yield from _enum_changes(numbers, new["enums"][name], schema.enums[name])
    for name, method in old["methods"].items():
        if name in new["methods"]:
            place = schema.services[name.split("/")[1]].place
            yield from ((place, text) for text in _method_changes(name, method, new["methods"][name]))
    for name, layout in old["layouts"].items():
        if name in new["layouts"]:
            yield from _layout_changes(name, layout, new["layouts"][name])
    yield from ((None, text) for text in _error_changes(old["errors"], new["errors"]))


def _field_changes(old: Mapping[str, Any], new: Mapping[str, Any], node: MessageNode) -> Iterator[Change]:
    places = {str(field.number): node.field_place(index) for index, field in enumerate(node.descriptor.field)}
    for number, field in old.items():
        if number not in new:
            if not any(part.start <= int(number) < part.end for part in node.descriptor.reserved_range):
                yield node.place, f"field {number} ({field['name']}) of {node.full_name} is gone and not reserved"
        elif field["type"] != new[number]["type"]:
            before, after = field["type"], new[number]["type"]
            yield places[number], f"field {number} ({field['name']}) of {node.full_name} was {before} and is {after}"
        elif field["name"] != new[number]["name"]:
            before, after = field["name"], new[number]["name"]
            yield places[number], f"field {number} of {node.full_name} was named {before} and is named {after}"


def _enum_changes(old: Mapping[str, Any], new: Mapping[str, Any], node: EnumNode) -> Iterator[Change]:
    for number, names in old.items():
        if number not in new:
            if not any(part.start <= int(number) <= part.end for part in node.descriptor.reserved_range):
                yield node.place, f"value {number} ({names[0]}) of {node.full_name} is gone and not reserved"
        elif lost := [name for name in names if name not in new[number]]:
            yield node.place, f"value {number} of {node.full_name} was named {lost[0]} and is named {new[number][0]}"


def _method_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in ("kind", "request", "response"):
        if old[key] != new[key]:
            yield f"method {name} had {key} {old[key]} and has {new[key]}"


def _error_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in (name for name in old if name in new):
        before, after = old[name], new[name]
        for key in ("code", "domain"):
            if before[key] != after[key]:
                yield f"error {name} had the {key} {before[key]} and has {after[key]}"
        for field, known in before["fields"].items():
            if field not in after["fields"]:
                yield f"field {field} of error {name} is gone"
            elif known != after["fields"][field]:
                yield f"field {field} of error {name} was {known} and is {after['fields'][field]}"


def _layout_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old["fields"] != new["fields"]:
        yield None, f"layout {name} carried {', '.join(old['fields'])} and carries {', '.join(new['fields'])}"
    for field, members in old["variants"].items():
        after = new["variants"].get(field, [])
        if members != after[: len(members)]:
            yield None, f"layout {name} had the variants {', '.join(members)} of {field} and has {', '.join(after)}"
