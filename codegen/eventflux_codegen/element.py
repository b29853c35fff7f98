"""What a package tells others of the names in it."""

from __future__ import annotations

from collections.abc import Mapping

from eventflux_codegen.attribute import Attributes
from eventflux_codegen.foreign import Names
from eventflux_codegen.model import Enumeration
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.options import MessageOptions, Options
from eventflux_codegen.relocation import PbModule
from eventflux_codegen.schema import EnumNode, MessageNode, Schema
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["element_names"]


def element_names(
    schema: Schema,
    options: Options,
    places: Places,
    names: ClassNames,
    enums: Mapping[str, Enumeration],
    pb_files: Mapping[str, PbModule],
) -> Names:
    """The names of all that is the package's own; `pb_files` says where protobuf's classes of each file are."""
    keys = resolve(options.messages, schema.own_messages, schema, places, "messages", "message")
    classes: dict[str, str] = {}
    changed: dict[str, str] = {}
    for full_name in schema.own_enums:
        enum = enums[full_name]
        if not enum.is_shared:
            classes[full_name] = enum.name
            changed |= {f"{full_name}.{member.proto_name}": member.name for member in enum.members}
    for full_name, node in schema.own_messages.items():
        if is_in_runtime(node):
            continue
        classes[full_name] = names.by_full_name[full_name]
        key = keys.get(full_name)
        own = options.messages[key] if key is not None else MessageOptions()
        attributes = Attributes.of(node, own, places, names, "messages", key or "")
        changed |= {f"{full_name}.{name}": taken for name, taken in attributes.by_proto_name.items()}
        for index, oneof in enumerate(node.descriptor.oneof_decl):
            fields = [node.descriptor.field[position].name for position in node.choices(index)]
            classes |= {f"{full_name}.{name}": names.choices[f"{full_name}.{name}"] for name in fields}
            if fields:
                classes[f"{full_name}.{oneof.name}"] = names.unions[f"{full_name}.{oneof.name}"]
    differing = {element: name for element, name in changed.items() if element.rpartition(".")[2] != name}
    places_of = ((source.descriptor.name, pb_files[source.descriptor.name]) for source in schema.sources)
    files = {file: module for file, (package, module, _) in places_of if package == options.package}
    nodes: dict[str, MessageNode | EnumNode] = {**schema.messages, **schema.enums}
    elsewhere = {nodes[name].source.descriptor.name: home.package for name, home in schema.foreign.items()}
    return Names(options.package, files, classes, differing, elsewhere)
