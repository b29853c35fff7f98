"""Builds the model of a package from descriptors and options; here every decision is made."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Final

from eventflux_codegen.declared_error import build_errors
from eventflux_codegen.element import element_names
from eventflux_codegen.enumeration import build_enums
from eventflux_codegen.error import GenerationError
from eventflux_codegen.extension import Draft
from eventflux_codegen.message import build_messages
from eventflux_codegen.message_module import split
from eventflux_codegen.model import Message
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.options import Options
from eventflux_codegen.package import Package
from eventflux_codegen.product import EXTENSIONS
from eventflux_codegen.relocation import PbModule, pb_modules
from eventflux_codegen.schema import EnumNode, MessageNode, Schema
from eventflux_codegen.service import build_services
from eventflux_codegen.shared import held_by, is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["build_package"]

CONTRACT_VERSION: Final = 5
"""The version of the runtime's `codegen_api` that the templates are written for."""


def build_package(
    schema: Schema,
    options: Options,
    places: Places,
    pb_files: Mapping[str, PbModule] | None = None,
    *,
    is_in_circle: bool = False,
) -> Package:
    """The model of the whole package.

    Args:
        schema: what it has, and what that refers to.
        options: of the package.
        places: of the options.
        pb_files: where protobuf's classes of each file are; None: all in the package, but for those that others bring.
        is_in_circle: whether the package and others refer to each other.

    Raises:
        GenerationError: the files or the options cannot be turned into code.
    """
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in options.package.split(".")):
        raise GenerationError(f"package {options.package!r} is not a name that Python takes", places("package"))
    names = ClassNames.of(schema, options, places)
    enums = build_enums(schema, options, places, names)
    if pb_files is None:
        pb_files = pb_modules({source.descriptor.name: options.package for source in schema.sources}, {}, places)
    used = {node.source.descriptor.name for node in schema.own_messages.values() if not is_in_runtime(node)}
    modules = {name: pb_files[name] for name in sorted(used)}
    messages = build_messages(schema, options, places, names, enums, pb_files)
    errors = build_errors(schema, options, places, names, enums, messages)
    services = build_services(schema, options, places, names, messages, errors, pb_files)
    aliases = _build_aliases(schema, options, places, names, messages)
    draft = Draft(enums, messages, services, names, places)
    wanted = [(own, getattr(options, own.section, None)) for own in EXTENSIONS]
    additions = tuple(own.build(section, draft) for own, section in wanted if section is not None)
    names.check()
    own_enums = {name: enum for name, enum in enums.items() if not enum.home}
    own_messages = {name: message for name, message in messages.items() if not message.home}
    foreign_enums, foreign_messages = held_by(
        own_messages.values(),
        (enum for enum in enums.values() if enum.is_foreign),
        (message for message in messages.values() if message.is_foreign),
    )
    return Package(
        name=options.package,
        sources=_sources(schema, options.package, pb_files),
        contract=CONTRACT_VERSION,
        enums=tuple(own_enums.values()),
        messages=tuple(own_messages.values()),
        shared_enums=tuple(enum for enum in enums.values() if enum.is_shared),
        services=services,
        errors=tuple(errors.values()),
        foreign_enums=foreign_enums,
        foreign_messages=foreign_messages,
        referred_enums=tuple(enum for enum in enums.values() if enum.home),
        referred_messages=tuple(message for message in messages.values() if message.home),
        message_modules=split(
            own_enums,
            own_messages,
            aliases,
            (*foreign_enums, *foreign_messages),
            _files_of(schema) if is_in_circle else None,
        ),
        pb_modules=tuple(modules.values()),
        names=element_names(schema, options, places, names, enums, pb_files),
        additions=additions,
    )


def _sources(schema: Schema, package: str, pb_files: Mapping[str, PbModule]) -> tuple[str, ...]:
    """The files that the package is made of: those of its own that are listed, or else all of its own."""
    listed = {source.descriptor.name: source.is_listed for source in schema.sources}
    own = {file for file in listed if pb_files[file][0] == package} or listed.keys()
    return tuple(sorted({file for file in own if listed[file]} or own))


def _files_of(schema: Schema) -> dict[str, str]:
    """The .proto file of each message and enum, dependencies first."""
    order = {source.descriptor.name: index for index, source in enumerate(schema.sources)}
    nodes: list[MessageNode | EnumNode] = [*schema.messages.values(), *schema.enums.values()]
    files = {node.full_name: node.source.descriptor.name for node in nodes}
    return dict(sorted(files.items(), key=lambda each: order[each[1]]))


def _build_aliases(
    schema: Schema, options: Options, places: Places, names: ClassNames, messages: Mapping[str, Message]
) -> tuple[tuple[str, str], ...]:
    """Further names of classes, and the classes."""
    keys = resolve(options.messages, schema.own_messages, schema, places, "messages", "message")
    aliases = []
    for full_name, key in keys.items():
        for index, alias in enumerate(options.messages[key].aliases):
            where = places("messages", key, "aliases", index)
            aliases.append((names.claim(alias, f"an alias of {full_name}", where), messages[full_name].name))
    return tuple(aliases)
