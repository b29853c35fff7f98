"""The packages of a run: one, or with `tree` one for each proto package, below the one that the options name."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from eventflux_codegen.build import build_package
from eventflux_codegen.cycle import components
from eventflux_codegen.element import element_names
from eventflux_codegen.enumeration import build_enums
from eventflux_codegen.error import GenerationError
from eventflux_codegen.extern import Extern
from eventflux_codegen.foreign import Names
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.options import Options
from eventflux_codegen.package import Package, head_of
from eventflux_codegen.product import EXTENSIONS
from eventflux_codegen.relocation import PbModule, pb_modules
from eventflux_codegen.schema import EnumNode, MessageNode, Schema
from eventflux_codegen.schema_part import part_of, split_schema
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["Keys", "Plan", "python_package"]

Keys = Mapping[str, str]
"""The key of the options of each element that has some."""

_MODULE: Final = re.compile(
    r"client|codec|errors|idl_names|json_fields|messages(_\d+)?|methods|protobuf|service|\w+_pb2(_grpc)?"
)
"""What the modules of a package may be called; a package within it is called otherwise."""


def python_package(root: str, package: str) -> str:
    """Where a proto package lies: below the root, or at its own name if that begins with the root's."""
    if package == root or package.startswith(f"{root}."):
        package = package[len(root) + 1 :]
    parts = package.split(".") if package else []
    taken = (f"{part}_" if keyword.iskeyword(part) or _MODULE.fullmatch(part) else part for part in parts)
    return ".".join([root, *taken])


@dataclass(frozen=True, slots=True)
class Plan:
    """Which file's types go into which package."""

    schema: Schema
    options: Options
    places: Places
    extern: Extern
    homes: Mapping[str, str]
    """The package of each file that is neither protobuf's nor somebody else's."""
    modules: Mapping[str, PbModule]
    """Where protobuf's classes of each file are."""

    @staticmethod
    def of(schema: Schema, options: Options, places: Places, extern: Extern) -> Plan:
        """The plan for a schema.

        Raises:
            GenerationError: the files cannot be laid out so.
        """
        files = {source.descriptor.name: source.descriptor.package for source in schema.sources}
        root = options.package
        where = {file: python_package(root, package) if options.tree else root for file, package in files.items()}
        modules = pb_modules(where, extern.modules, places, is_tree=options.tree)
        typed = _with_types(schema)
        homes = {
            file: package
            for file, package in where.items()
            if file not in extern.homes and (file in typed or modules[file][0] == package)
        }
        return Plan(schema, options, places, extern, homes, modules)

    def build(self) -> tuple[Package, ...]:
        """The models of the packages, in the order of their names.

        Raises:
            GenerationError: the files or the options cannot be turned into code.
        """
        if self.options.tree:
            return tuple(self._build_tree())
        schema = self.schema
        if self.extern.homes:
            files = {source.descriptor.name for source in schema.sources} - self.extern.homes.keys()
            (own,) = split_schema(schema, dict.fromkeys(files, self.options.package)).values()
            schema = part_of(schema, own, self.extern.homes)
        return (build_package(schema, self.options, self.places, self.modules),)

    def _build_tree(self) -> Iterator[Package]:
        self._refuse_sections()
        typed = _with_types(self.schema)
        packages = {file: package for file, package in self.homes.items() if file in typed}
        parts = split_schema(self.schema, packages)
        circles = self._circles(parts, packages)
        keys = self._keys()
        options = {package: self._options_of(package, own, *keys) for package, own in parts.items()}
        names = {package: self._names(options[package], own) for package, own in parts.items()}
        homes = {file: names[package] for file, package in packages.items()} | dict(self.extern.homes)
        for package, own in parts.items():
            part, is_in_circle = part_of(self.schema, own, homes), package in circles
            yield build_package(part, options[package], self.places, self.modules, is_in_circle=is_in_circle)

    def heads(self, packages: Iterable[Package]) -> dict[str, str]:
        """The first lines of protobuf's modules, by the package that they are made in."""
        files: dict[str, list[str]] = {}
        for file, package in self.homes.items():
            files.setdefault(package, []).append(file)
        found = {package: head_of(sorted(own)) for package, own in files.items()}
        return found | {package.name: package.stub_head for package in packages}

    def levels(self, packages: Iterable[Package]) -> dict[str, str]:
        """What makes packages of directories that have nothing but packages or protobuf's modules in them."""
        root, found = self.options.package, {self.options.package}
        for home in set(self.homes.values()):
            name = home
            while name != root:
                found.add(name)
                name = name.rpartition(".")[0]
        head = head_of(["the .proto files of the packages in it"])
        below = found - {package.name for package in packages}
        return {name: f'{head}\n"""Packages of the types below {name}."""\n' for name in sorted(below)}

    def folder(self, package: str) -> str:
        """Where a package lies below the root, with a slash behind it."""
        parts = package.removeprefix(self.options.package).replace(".", "/").removeprefix("/")
        return f"{parts}/" if parts else ""

    def _names(self, options: Options, own: Schema) -> Names:
        """What a package calls its own; that depends on no other package."""
        names = ClassNames.of(own, options, self.places)
        enums = build_enums(own, options, self.places, names)
        return element_names(own, options, self.places, names, enums, self.modules)

    def _keys(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """The keys of the options of messages, enums and services."""
        schema, options, places = self.schema, self.options, self.places
        return (
            resolve(options.messages, schema.messages, schema, places, "messages", "message"),
            resolve(options.enums, schema.enums, schema, places, "enums", "enum"),
            resolve(options.services, schema.services, schema, places, "services", "service"),
        )

    def _options_of(self, package: str, own: Schema, messages: Keys, enums: Keys, services: Keys) -> Options:
        """Those that are about elements of one package."""
        options = self.options
        kept = {key: options.services[key] for name, key in services.items() if name in own.services}
        named = {error for service in kept.values() for method in service.methods.values() for error in method.errors}
        return replace(
            options,
            package=package,
            messages={key: options.messages[key] for name, key in messages.items() if name in own.messages},
            enums={key: options.enums[key] for name, key in enums.items() if name in own.enums},
            services=kept,
            errors={name: error for name, error in options.errors.items() if name in named},
        )

    def _refuse_sections(self) -> None:
        for extension in EXTENSIONS:
            if getattr(self.options, extension.section, None) is not None:
                message = f"{extension.section} goes with one package: drop it, or drop tree"
                raise GenerationError(message, self.places(extension.section))
        methods = [method for service in self.options.services.values() for method in service.methods.values()]
        for name in self.options.errors:
            if not any(name in method.errors for method in methods):
                message = f"no method names {name}, and in a tree an error goes where its methods are: name it at one"
                raise GenerationError(message, self.places("errors", name))

    def _circles(self, parts: Mapping[str, Schema], packages: Mapping[str, str]) -> set[str]:
        """The packages that refer to each other, although their files import one another in order."""
        edges = {package: sorted(self._needed(own, packages) - {package}) for package, own in parts.items()}
        return {package for circle in components(edges) if len(circle) > 1 for package in circle}

    def _needed(self, own: Schema, packages: Mapping[str, str]) -> set[str]:
        """The packages that have the types which fields of one have."""
        names = {name for node in own.messages.values() for name in node.references}
        nodes = (self.schema.messages.get(name) or self.schema.enums[name] for name in names)
        return {packages[file] for node in nodes if (file := node.source.descriptor.name) in packages}


def _with_types(schema: Schema) -> set[str]:
    """The files that are listed, and those with types that are needed and are not the runtime's."""
    nodes: list[MessageNode | EnumNode] = [*schema.messages.values(), *schema.enums.values()]
    used = {node.source.descriptor.name for node in nodes if not is_in_runtime(node)}
    return used | {source.descriptor.name for source in schema.sources if source.is_listed}
