"""Builds the model of a package from descriptors and options; here every decision is made."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Final

from eventflux_codegen.declared_error import build_errors
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
from eventflux_codegen.relocation import module_stems, pb_module
from eventflux_codegen.schema import Schema
from eventflux_codegen.service import build_services
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.version import GENERATOR
from eventflux_codegen.yaml_source import Places

__all__ = ["build_package"]

CONTRACT_VERSION: Final = 5
"""The version of the runtime's `codegen_api` that the templates are written for."""


def build_package(schema: Schema, options: Options, places: Places) -> Package:
    """The model of the whole package.

    Raises:
        GenerationError: the files or the options cannot be turned into code.
    """
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in options.package.split(".")):
        raise GenerationError(f"package {options.package!r} is not a name that Python takes", places("package"))
    names = ClassNames.of(schema, options, places)
    enums = build_enums(schema, options, places, names)
    files = [source.descriptor.name for source in schema.sources]
    stems = module_stems(files, places)
    every_module = {name: pb_module(name, options.package, stems) for name in files}
    used = {node.source.descriptor.name for node in schema.messages.values() if not is_in_runtime(node)}
    modules = {name: every_module[name] for name in sorted(used)}
    messages = build_messages(schema, options, places, names, enums, every_module)
    errors = build_errors(schema, options, places, names, enums, messages)
    services = build_services(schema, options, places, names, messages, errors, every_module)
    aliases = _build_aliases(schema, options, places, names, messages)
    draft = Draft(enums, messages, services, names, places)
    wanted = [(own, getattr(options, own.section, None)) for own in EXTENSIONS]
    additions = tuple(own.build(section, draft) for own, section in wanted if section is not None)
    names.check()
    own_enums = {name: enum for name, enum in enums.items() if not enum.is_shared}
    own_messages = {name: message for name, message in messages.items() if not message.is_shared}
    return Package(
        name=options.package,
        sources=tuple(sorted(source.descriptor.name for source in schema.sources if source.is_listed)),
        generator=GENERATOR,
        contract=CONTRACT_VERSION,
        enums=tuple(own_enums.values()),
        messages=tuple(own_messages.values()),
        shared_enums=tuple(enum for enum in enums.values() if enum.is_shared),
        services=services,
        errors=tuple(errors.values()),
        message_modules=split(own_enums, own_messages, aliases),
        pb_modules=tuple(modules.values()),
        pb_files=every_module,
        additions=additions,
    )


def _build_aliases(
    schema: Schema, options: Options, places: Places, names: ClassNames, messages: Mapping[str, Message]
) -> tuple[tuple[str, str], ...]:
    """Further names of classes, and the classes."""
    keys = resolve(options.messages, schema.messages, schema, places, "messages", "message")
    aliases = []
    for full_name, key in keys.items():
        for index, alias in enumerate(options.messages[key].aliases):
            where = places("messages", key, "aliases", index)
            aliases.append((names.claim(alias, f"an alias of {full_name}", where), messages[full_name].name))
    return tuple(aliases)
