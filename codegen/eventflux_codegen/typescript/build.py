"""Builds what the templates of TypeScript see, of a run's decisions that are the same in each language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from eventflux_codegen import model
from eventflux_codegen.language import Blueprint
from eventflux_codegen.names import resolve
from eventflux_codegen.package import Package
from eventflux_codegen.scope import Scope
from eventflux_codegen.typescript.message import build_enum, build_message
from eventflux_codegen.typescript.model import Folder
from eventflux_codegen.typescript.names import FolderNames
from eventflux_codegen.typescript.service import build_error, build_service
from eventflux_codegen.typescript.value import PROVIDED, Reference, Values

__all__ = ["build_folders"]


def build_folders(blueprint: Blueprint, runtime: str) -> tuple[Folder, ...]:
    """A folder for each Python package, and the first level, which has the others in it."""
    plans = [_Plan.of(blueprint, package) for package in blueprint.packages]
    homes = {full_name: plan for plan in plans for full_name in plan.own}
    units = _units(blueprint)
    folders = [plan.build(homes, units, runtime) for plan in plans]
    top = next((folder for folder in folders if not folder.path), None)
    if top is None:
        top = Folder("", tuple(sorted({name for each in folders for name in each.sources})), "", (), (), (), (), ())
    scope = Scope(_exported(top))
    others = sorted(folder.path for folder in folders if folder.path)
    top = replace(top, folders=tuple((path, scope.take(path.strip("/").replace("/", "_"))) for path in others))
    return (top, *(folder for folder in folders if folder.path))


def _exported(folder: Folder) -> Iterator[str]:
    """What a folder exports."""
    yield from (name for message in folder.messages for name in (message.name, message.init))
    yield from (enum.name for enum in folder.enums)
    yield from (error.name for error in folder.errors)
    yield from (name for service in folder.services for name in (service.name, service.client))


def _units(blueprint: Blueprint) -> dict[str, Mapping[str, str]]:
    """The units of fields, by messages."""
    options, places = blueprint.options, blueprint.places
    keys = resolve(options.messages, blueprint.schema.messages, blueprint.schema, places, "messages", "message")
    return {full_name: options.messages[key].units for full_name, key in keys.items()}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is made of one Python package."""

    blueprint: Blueprint
    package: Package
    path: str
    messages: tuple[model.Message, ...]
    enums: tuple[model.Enumeration, ...]
    names: FolderNames

    @staticmethod
    def of(blueprint: Blueprint, package: Package) -> _Plan:
        """Types of packages that are not of this run are made again: TypeScript looks at what is in a type."""
        here = {each.name for each in blueprint.packages}
        lacking_messages = [each for each in package.referred_messages if _is_lacking(each, here)]
        lacking_enums = [each for each in package.referred_enums if _is_lacking(each, here)]
        messages = (*package.messages, *lacking_messages)
        enums = (*package.enums, *lacking_enums)
        names = FolderNames.of(blueprint.schema, package, messages, enums)
        return _Plan(blueprint, package, blueprint.folders[package.name], messages, enums, names)

    @property
    def own(self) -> Iterator[str]:
        """What other folders import from this one."""
        yield from (message.full_name for message in self.package.messages)
        yield from (enum.full_name for enum in self.package.enums)

    def build(self, homes: Mapping[str, _Plan], units: Mapping[str, Mapping[str, str]], runtime: str) -> Folder:
        """The folder."""
        schema, aliases = self.blueprint.schema, self._aliases(homes)
        values = Values(
            {name: self._reference(name, homes, aliases) for name in self._named()},
            {enum.full_name: enum for enum in (*self.enums, *self.package.referred_enums)},
        )
        return Folder(
            path=self.path,
            sources=self.package.sources,
            runtime=_relative(runtime, self.path),
            imports=tuple((f"{_up(self.path)}{path}messages.ts", alias) for path, alias in aliases.items()),
            messages=tuple(
                build_message(
                    each,
                    schema.messages[each.full_name],
                    self.names.types[each.full_name],
                    self.names.inits[each.full_name],
                    values,
                    units.get(each.full_name, {}),
                )
                for each in self.messages
            ),
            enums=tuple(
                build_enum(each, schema.enums[each.full_name], self.names.types[each.full_name]) for each in self.enums
            ),
            errors=tuple(build_error(each, schema, self.names, values) for each in self.package.errors),
            services=tuple(
                build_service(each, schema.services[each.full_name], self.names, values)
                for each in self.package.services
            ),
        )

    def _named(self) -> Iterator[str]:
        package = self.package
        messages = (*self.messages, *package.referred_messages)
        enums = (*self.enums, *package.referred_enums)
        for name in (*(each.full_name for each in messages), *(each.full_name for each in enums)):
            if name not in PROVIDED:
                yield name

    def _aliases(self, homes: Mapping[str, _Plan]) -> dict[str, str]:
        """The other folders that this one refers to, and what their messages are imported as."""
        scope = Scope()
        others = {homes[name].path for name in self._named() if name not in self.names.types}
        return {path: scope.take(f"${path.strip('/').replace('/', '_')}") for path in sorted(others)}

    def _reference(self, full_name: str, homes: Mapping[str, _Plan], aliases: Mapping[str, str]) -> Reference:
        home = self if full_name in self.names.types else homes[full_name]
        prefix = "" if home is self else f"{aliases[home.path]}."
        name = f"{prefix}{home.names.types[full_name]}"
        return Reference(name, f"{prefix}{home.names.inits.get(full_name, '')}", name)


def _is_lacking(element: model.Message | model.Enumeration, here: set[str]) -> bool:
    """Whether neither the runtime nor another folder has an element."""
    return element.full_name not in PROVIDED and element.home not in here


def _up(path: str) -> str:
    """The way from a folder to the first level."""
    return "../" * path.count("/") or "./"


def _relative(runtime: str, path: str) -> str:
    """What a folder imports as its runtime: a relative path is one from the first level."""
    if not path or not runtime.startswith("."):
        return runtime
    return f"{_up(path)}{PurePosixPath(runtime).as_posix()}"
