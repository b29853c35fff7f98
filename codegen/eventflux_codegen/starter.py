"""Writes a first YAML file beside .proto files: what must stand there, and in comments what may."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from eventflux_codegen.error import COMMAND_LINE, GenerationError, Place
from eventflux_codegen.option_schema import schema_text
from eventflux_codegen.order import Order
from eventflux_codegen.product import FileOptions
from eventflux_codegen.schema import EnumNode, MessageNode, Schema

__all__ = ["SCHEMA_NAME", "write_starter"]

T = TypeVar("T", MessageNode, EnumNode)

SCHEMA_NAME: Final = "eventflux-codegen.schema.json"
"""The file beside the YAML by which editors complete it."""

_TEXT: Final = """\
# yaml-language-server: $schema={schema}
# What the .proto files cannot say. eventflux-codegen generate --config {config}

# The Python package to generate, and its directory, relative to this file.
package: {package}
output: {output}

# Files, directories and patterns such as v1/**/*.proto, relative to this file; "." is every .proto file below it.
protos: [.]
# Further directories in which imports are looked for.
# include: [., ../third_party]
"""
_ENUMS: Final = """
# Enums: their class, and what to take off the front of every value's name.
# enums:
#   {enum}: {{strip_prefix: {prefix}}}
"""
_MESSAGES: Final = """
# Messages: their class, further names of it, and units of fields for the documentation.
# messages:
#   {message}: {{name: {name}}}
"""
_SERVICES: Final = """
# Services: a default deadline, whether a call may reach a handler more than once, and how it fails.
# services:
"""
_METHOD: Final = "#       {method}: {{timeout_s: 10.0, idempotent: true, errors: [NOT_FOUND]}}\n"


def write_starter(folder: Path, package: str | None, out: Path) -> tuple[Path, ...]:
    """Writes the YAML and the schema that it names, and returns both.

    Args:
        folder: the directory of the .proto files.
        package: the Python package to generate; None: named as the proto package, or else as the directory.
        out: the directory that the package is to be put into.

    Raises:
        GenerationError: the files do not compile, or there is a YAML already.
    """
    if not folder.is_dir():
        raise GenerationError(f"no such directory: {folder}", Place(COMMAND_LINE))
    order = Order.of_paths([str(folder)], package or "package_to_name", (), ".")
    source = order.read()
    schema = Schema.of(source.descriptors, (folder,), source.listed)
    name = package or _name(schema, folder)
    config = folder / f"{name}.yaml"
    if config.exists():
        raise GenerationError("is there already: remove it, or give another --package", Place(str(config)))
    output = _relative(out / name.replace(".", "/"), folder)
    texts = [_TEXT.format(schema=SCHEMA_NAME, config=config.as_posix(), package=name, output=output)]
    texts += _examples(schema)
    config.write_text("".join(texts), "utf-8")
    beside = folder / SCHEMA_NAME
    beside.write_text(schema_text(FileOptions), "utf-8")
    return config, beside


def _examples(schema: Schema) -> Iterator[str]:
    """Sections with names that the IDL really has."""
    enum = next(_own(schema.enums), None)
    if enum is not None:
        first = enum.descriptor.value[0].name
        yield _ENUMS.format(enum=enum.full_name, prefix=first[: first.find("_") + 1] or first)
    message = next(_own(schema.messages), None)
    if message is not None:
        yield _MESSAGES.format(message=message.full_name, name=message.descriptor.name)
    if schema.services:
        yield _SERVICES
        for name, service in schema.services.items():
            yield f"#   {name}:\n#     methods:\n"
            yield from (_METHOD.format(method=method.name) for method in service.descriptor.method)


def _own(nodes: Mapping[str, T]) -> Iterator[T]:
    """Those that protobuf does not bring."""
    return (node for node in nodes.values() if not node.source.is_well_known)


def _name(schema: Schema, folder: Path) -> str:
    """A name for the package."""
    nodes = (*schema.services.values(), *_own(schema.messages), *_own(schema.enums))
    sources = [node.source.descriptor.package for node in nodes]
    found = next(filter(None, sources), folder.resolve().name)
    name = re.sub(r"\W", "_", found).lower()
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"{name}_sdk".lstrip("0123456789_")


def _relative(path: Path, folder: Path) -> str:
    """A path as it is written in a file of `folder`."""
    try:
        found = path.resolve().relative_to(folder.resolve().parent)
    except ValueError:
        return path.resolve().as_posix()
    return f"../{found.as_posix()}"
