"""Which TypeScript name everything gets that a folder exports, so that no two get the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eventflux_codegen.model import Enumeration, Message
from eventflux_codegen.naming import camel as capitalized
from eventflux_codegen.package import Package
from eventflux_codegen.schema import EnumNode, MessageNode, Schema
from eventflux_codegen.scope import Wish, settle
from eventflux_codegen.typescript.naming import as_type

__all__ = ["FolderNames"]


@dataclass(frozen=True, slots=True)
class FolderNames:
    """The names of one folder: each element by its full name, or an error by its name in the options."""

    types: Mapping[str, str]
    """Messages and enums."""
    inits: Mapping[str, str]
    """The init objects of messages."""
    services: Mapping[str, str]
    clients: Mapping[str, str]
    errors: Mapping[str, str]

    @staticmethod
    def of(schema: Schema, package: Package, messages: Iterable[Message], enums: Iterable[Enumeration]) -> FolderNames:
        """Names the given messages and enums, and the services and errors of the package.

        Of two that want one name, an outer one keeps it before a nested one, and a message before a client. Where that
        decides nothing, both are told apart by their proto packages.
        """
        wishes = [_type(schema.messages[message.full_name]) for message in messages]
        wishes += [_type(schema.enums[enum.full_name]) for enum in enums]
        for service in package.services:
            node = schema.services[service.full_name]
            stems = dict.fromkeys((node.descriptor.name, f"{capitalized(node.package)}{node.descriptor.name}"))
            names = [(f"{stem}Service", f"{stem}Client") for stem in stems]
            wishes.append(Wish(f"service {node.full_name}", node.full_name, node.place, (1,), names))
        for error in package.errors:
            name = as_type(error.name)
            place = schema.sources[0].place(())
            wishes.append(Wish(f"error {error.reason}", error.reason, place, (2,), [(name,), (f"{name}Error",)]))
        found = settle(wishes)
        services = {name[8:]: made for name, made in found.items() if name.startswith("service ")}
        return FolderNames(
            types={name: made[0] for name, made in found.items() if " " not in name},
            inits={name: made[1] for name, made in found.items() if " " not in name and len(made) > 1},
            services={name: made[0] for name, made in services.items()},
            clients={name: made[1] for name, made in services.items()},
            errors={name[6:]: made[0] for name, made in found.items() if name.startswith("error ")},
        )


def _type(node: MessageNode | EnumNode) -> Wish:
    plain = node.local_name.replace(".", "_")
    names = dict.fromkeys((plain, f"{capitalized(node.package)}{plain}" if node.package else plain))
    has_init = isinstance(node, MessageNode)
    candidates = [(as_type(name), *((f"{name}Init",) if has_init else ())) for name in names]
    rank = (0, 2 if node.source.is_well_known else 0 if node.source.is_listed else 1, node.local_name.count("."))
    return Wish(node.full_name, node.full_name, node.place, rank, candidates)
