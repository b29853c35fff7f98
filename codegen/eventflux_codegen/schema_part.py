"""The part of a schema that becomes one package, with what it needs of parts that lie in others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from eventflux_codegen.foreign import Names
from eventflux_codegen.schema import Schema

__all__ = ["only", "part_of"]


def only(schema: Schema, files: Collection[str]) -> Schema:
    """What some files have, and nothing of what it refers to."""
    return replace(
        schema,
        messages={name: node for name, node in schema.messages.items() if node.source.descriptor.name in files},
        enums={name: node for name, node in schema.enums.items() if node.source.descriptor.name in files},
        services={name: node for name, node in schema.services.items() if node.source.descriptor.name in files},
    )


def part_of(schema: Schema, files: Collection[str], homes: Mapping[str, Names]) -> Schema:
    """What some files have, and what it refers to.

    Args:
        schema: the whole.
        files: those whose types one package has.
        homes: for the files whose types another package has: what they are called there.
    """
    own = only(schema, files)
    used = {*own.enums}
    pending = [*own.messages]
    for service in own.services.values():
        for method in service.descriptor.method:
            pending += [method.input_type[1:], method.output_type[1:]]
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            if name in schema.messages:
                pending += schema.messages[name].references
    nodes = {**schema.messages, **schema.enums}
    foreign = {name: homes.get(nodes[name].source.descriptor.name) for name in nodes if name in used}
    return replace(
        own,
        messages={name: node for name, node in schema.messages.items() if name in used},
        enums={name: node for name, node in schema.enums.items() if name in used},
        foreign={name: home for name, home in foreign.items() if home is not None},
    )
