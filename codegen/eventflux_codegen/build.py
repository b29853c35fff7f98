"""Builds the model of a package from descriptors and options; here every decision is made."""

from __future__ import annotations

import keyword
from typing import Final

from eventflux_codegen.compiler import is_provided, is_well_known, relocated_name
from eventflux_codegen.declared_error import build_errors
from eventflux_codegen.enumeration import build_enums
from eventflux_codegen.error import GenerationError
from eventflux_codegen.extension import Draft
from eventflux_codegen.message import build_messages
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.options import Options
from eventflux_codegen.package import Package
from eventflux_codegen.product import EXTENSIONS
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
    taken: dict[str, str] = {}
    for name in files:
        module = _pb_module(name, options.package)[2]
        if module in taken:
            message = f"{taken[module]} and {name} would both become {module}: rename one"
            raise GenerationError(message, places("protos"))
        taken[module] = name
    every_module = {name: _pb_module(name, options.package) for name in files}
    used = {node.source.descriptor.name for node in schema.messages.values() if not is_in_runtime(node)}
    modules = {name: every_module[name] for name in sorted(used)}
    messages = build_messages(schema, options, places, names, enums, every_module)
    errors = build_errors(schema, options, places, names, enums, messages)
    services = build_services(schema, options, places, names, messages, errors, every_module)
    keys = resolve(options.messages, schema.messages, schema, places, "messages", "message")
    aliases = []
    for full_name, key in keys.items():
        for index, alias in enumerate(options.messages[key].aliases):
            where = places("messages", key, "aliases", index)
            aliases.append((names.claim(alias, f"an alias of {full_name}", where), messages[full_name].name))
    draft = Draft(enums, messages, services, names, places)
    wanted = [(own, getattr(options, own.section, None)) for own in EXTENSIONS]
    return Package(
        name=options.package,
        sources=tuple(sorted(name for name in files if not is_well_known(name))),
        generator=GENERATOR,
        contract=CONTRACT_VERSION,
        enums=tuple(enum for enum in enums.values() if not enum.is_shared),
        messages=tuple(message for message in messages.values() if not message.is_shared),
        shared_enums=tuple(enum for enum in enums.values() if enum.is_shared),
        services=services,
        errors=tuple(errors.values()),
        aliases=tuple(aliases),
        pb_modules=tuple(modules.values()),
        additions=tuple(own.build(section, draft) for own, section in wanted if section is not None),
    )


def _pb_module(file: str, package: str) -> tuple[str, str, str]:
    """The package, the name, and the local name of the module with a file's pb2 classes."""
    stem = relocated_name(file, package).removesuffix(".proto").replace("-", "_")
    parent, _, name = stem.replace("/", ".").rpartition(".")
    local = f"google_{name}_pb2" if is_provided(file) else f"{name}_pb2"
    return parent, f"{name}_pb2", local
