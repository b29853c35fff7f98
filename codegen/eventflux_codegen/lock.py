"""The lock: the facts that peers rely on, kept beside the IDL, so that a change that would break them is noticed.

It is JSON: messages with their fields by number, enums with their names by number, methods with kinds, types and
fingerprints, named layouts, and declared errors with their fields by name. A field's JSON name stands there where it is
not the one that its name gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from eventflux_codegen.breaking import Change, Facts, find_changes, json_name_of
from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.features import Presence
from eventflux_codegen.package import Package
from eventflux_codegen.schema import MessageNode, Schema
from eventflux_codegen.version import GENERATOR

__all__ = ["Facts", "find_breaking", "idl_facts", "list_changes", "lock_text", "read_lock", "wire_facts"]

_KINDS: Final = {
    (False, False): "unary",
    (True, False): "client_streaming",
    (False, True): "server_streaming",
    (True, True): "bidi",
}
"""By whether the client streams, and the server."""
_PRESENCES: Final = {Presence.IMPLICIT: "", Presence.EXPLICIT: "optional ", Presence.REQUIRED: "required "}
_SECTIONS: Final = ("messages", "enums", "methods", "layouts", "errors")


def wire_facts(schema: Schema, *packages: Package) -> Facts:
    """The facts as the IDL and the options now state them; protobuf's own types are protobuf's business."""
    facts = idl_facts(schema)
    for package in packages:
        _add_package(facts, package)
    return facts


def _add_package(facts: Facts, package: Package) -> None:
    for service in package.services:
        for method in service.methods:
            known = facts["methods"][f"/{service.full_name}/{method.proto_name}"]
            known["fingerprint"] = f"{method.fingerprint:016x}"
    for built in package.messages:
        for layout in built.layouts:
            facts["layouts"][f"{built.full_name} {layout.name}"] = {
                "fields": [field.proto_name for field in layout.fields],
                "variants": {name: list(closed.members) for name, closed in layout.closed.items()},
            }
    for error in package.errors:
        fields = {field.name: field.type_text for field in error.fields}
        key = error.reason if error.reason not in facts["errors"] else f"{error.domain} {error.reason}"
        facts["errors"][key] = {"code": error.code, "domain": error.domain, "fields": fields}


def idl_facts(schema: Schema) -> Facts:
    """Those that the IDL states by itself."""
    facts: Facts = {section: {} for section in _SECTIONS}
    for name, message in schema.messages.items():
        if not message.source.is_well_known:
            facts["messages"][name] = _fields(message)
    for name, enum in schema.enums.items():
        if not enum.source.is_well_known:
            numbers: dict[str, Any] = {}
            for value in enum.descriptor.value:
                numbers.setdefault(str(value.number), []).append(value.name)
            facts["enums"][name] = numbers
    for name, service in schema.services.items():
        for method in service.descriptor.method:
            facts["methods"][f"/{name}/{method.name}"] = {
                "kind": _KINDS[method.client_streaming, method.server_streaming],
                "request": method.input_type[1:],
                "response": method.output_type[1:],
            }
    return facts


def lock_text(facts: Facts) -> str:
    """The lock as it is written to its file."""
    written = {section: known for section, known in facts.items() if known or section != "errors"}
    return json.dumps({"generator": GENERATOR, **written}, indent=2, ensure_ascii=False) + "\n"


def read_lock(lock: Path) -> Facts:
    """The facts in a lock.

    Raises:
        GenerationError: it is not a lock.
    """
    try:
        found = {"errors": {}, **json.loads(lock.read_text("utf-8"))}
        return {section: dict(found[section]) for section in _SECTIONS}
    except (ValueError, TypeError, KeyError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        raise _damaged(lock, line) from None


def find_breaking(lock: Path, facts: Facts, schema: Schema) -> GenerationError | None:
    """The first change since the lock was written that breaks peers; None without one, or without a lock.

    Raises:
        GenerationError: the lock is not one.
    """
    if not lock.is_file():
        return None
    changes = list_changes(lock, read_lock(lock), facts, schema)
    if not changes:
        return None
    others = f" ({len(changes) - 1} more like it)" if len(changes) > 1 else ""
    return GenerationError(f"{changes[0]}, or say --accept-breaking{others}", changes[0].place or Place(str(lock)))


def list_changes(source: Path, old: Facts, new: Facts, schema: Schema) -> list[Change]:
    """The changes that break peers, since the facts that were read from `source`.

    Raises:
        GenerationError: those are damaged.
    """
    try:
        return list(find_changes(old, new, schema))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(source) from None


def _damaged(lock: Path, line: int = 0) -> GenerationError:
    message = "is not a lock of this generator: restore it, or delete it and generate again"
    return GenerationError(message, Place(str(lock), line))


def _fields(node: MessageNode) -> dict[str, Any]:
    fields = {}
    for proto in node.descriptor.field:
        entry = node.entry(proto)
        if entry is not None:
            text = f"map<{_type(entry.field[0])}, {_type(entry.field[1])}>"
        elif proto.label == Proto.LABEL_REPEATED:
            text = f"repeated {_type(proto)}"
        elif node.is_choice(proto):
            text = f"{_type(proto)} in oneof {node.descriptor.oneof_decl[proto.oneof_index].name}"
        elif proto.type != Proto.TYPE_MESSAGE or node.presence(proto) is Presence.REQUIRED:
            text = f"{_PRESENCES[node.presence(proto)]}{_type(proto)}"
        else:
            text = _type(proto)
        fields[str(proto.number)] = {"name": proto.name, "type": text}
        if proto.json_name not in ("", json_name_of(proto.name)):
            fields[str(proto.number)]["json_name"] = proto.json_name
    return fields


def _type(proto: Proto) -> str:
    return proto.type_name[1:] or Proto.Type.Name(proto.type).removeprefix("TYPE_").lower()
