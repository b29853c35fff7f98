"""The part of a schema that becomes one package, with what it needs of parts that lie in others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from eventflux_codegen.foreign import Names
from eventflux_codegen.schema import Schema, Source

__all__ = ["part_of"]


def part_of(schema: Schema, is_own: Callable[[Source], bool], homes: Mapping[str, Names]) -> Schema:
    """What the files of one package have, and what of others that refers to.

    Args:
        schema: the whole.
        is_own: whether the package has the types of a file.
        homes: for the files whose types another package has: what they are called there.
    """
    nodes = {**schema.messages, **schema.enums}
    used = {name for name, node in nodes.items() if is_own(node.source)}
    pending = [name for name in schema.messages if name in used]
    services = {name: node for name, node in schema.services.items() if is_own(node.source)}
    for service in services.values():
        pending += [
            name[1:] for method in service.descriptor.method for name in (method.input_type, method.output_type)
        ]
    while pending:
        name = pending.pop()
        used.add(name)
        if name in schema.messages:
            pending += [other for other in schema.messages[name].references if other not in used]
    return replace(
        schema,
        messages={name: node for name, node in schema.messages.items() if name in used},
        enums={name: node for name, node in schema.enums.items() if name in used},
        services=services,
        foreign={
            name: homes[node.source.descriptor.name]
            for name, node in nodes.items()
            if name in used and node.source.descriptor.name in homes
        },
    )
