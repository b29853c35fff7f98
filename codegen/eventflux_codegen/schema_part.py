"""The parts of a schema that become packages, with what each needs of parts that lie in others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from eventflux_codegen.foreign import Names
from eventflux_codegen.schema import EnumNode, MessageNode, Schema, ServiceNode

__all__ = ["part_of", "split_schema"]

N = TypeVar("N", MessageNode, EnumNode, ServiceNode)


def split_schema(schema: Schema, packages: Mapping[str, str]) -> dict[str, Schema]:
    """What the files of each package have, and nothing of what that refers to; `packages` has those of files."""
    found = {package: Schema({}, {}, {}, ()) for package in sorted(set(packages.values()))}
    for source in schema.sources:
        package = packages.get(source.descriptor.name)
        if package is not None:
            found[package] = replace(found[package], sources=(*found[package].sources, source))
    _deal(schema.messages, {package: part.messages for package, part in found.items()}, packages)
    _deal(schema.enums, {package: part.enums for package, part in found.items()}, packages)
    _deal(schema.services, {package: part.services for package, part in found.items()}, packages)
    return found


def _deal(nodes: Mapping[str, N], hands: Mapping[str, dict[str, N]], packages: Mapping[str, str]) -> None:
    for name, node in nodes.items():
        package = packages.get(node.source.descriptor.name)
        if package is not None:
            hands[package][name] = node


def part_of(schema: Schema, own: Schema, homes: Mapping[str, Names]) -> Schema:
    """What a package has, and what that refers to.

    Args:
        schema: the whole.
        own: what the package has.
        homes: for each file whose types some package has: what they are called there.
    """
    pending = [*own.messages]
    for service in own.services.values():
        for method in service.descriptor.method:
            pending += [method.input_type[1:], method.output_type[1:]]
    used: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            if name in schema.messages:
                pending += schema.messages[name].references
    others = sorted(used - own.messages.keys() - own.enums.keys())
    messages = {name: schema.messages[name] for name in others if name in schema.messages}
    enums = {name: schema.enums[name] for name in others if name in schema.enums}
    sources = {source.descriptor.name: source for source in own.sources}
    foreign = {}
    for name, node in [*messages.items(), *enums.items()]:
        file = node.source.descriptor.name
        sources.setdefault(file, node.source)
        if file in homes:
            foreign[name] = homes[file]
    return Schema(
        messages={**own.messages, **messages},
        enums={**own.enums, **enums},
        services=own.services,
        sources=tuple(sources.values()),
        foreign=foreign,
    )
