"""The text of a package's protobuf codec: its functions, and what they import and define."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Lines
from eventflux_codegen.part import Code, Part, imports_among
from eventflux_codegen.protobuf_function import protobuf_functions
from eventflux_codegen.reserved import LIBRT, PROTOBUF_RUNTIME
from eventflux_codegen.shared import Imports, shared_imports, typing_imports

__all__ = ["ProtobufCodec", "build_protobuf_codecs"]

_MAX_DEPTH: Final = 100
"""How deep messages may lie below the outermost one, as in protobuf's own runtimes."""


@dataclass(frozen=True, slots=True)
class ProtobufCodec:
    """What the template of the protobuf codec sees of one part."""

    part: Part
    classes: Imports
    """The modules of the classes that it names, and the classes."""
    imports: tuple[tuple[str, Lines], ...]
    """The modules of other parts whose functions it calls, and the functions."""
    foreign: Imports
    """The packages that have other classes that it names, and the classes."""
    names: Lines
    """The public functions, sorted."""
    functions: Lines
    """The source of each function, not formatted."""
    runtime_imports: Lines
    """What the codec needs of the runtime, sorted."""
    librt_imports: Lines
    """What it needs of librt, sorted."""
    max_depth: int | None
    """The limit of depth, if some message can contain itself."""
    shared: Imports
    """What it needs of well-known types."""
    typing_imports: Lines
    """What it needs of typing, sorted."""
    has_unset: bool
    """Whether it names msgspec's UNSET."""


def build_protobuf_codecs(parts: Sequence[Part]) -> tuple[ProtobufCodec, ...]:
    """The protobuf codec of all messages of a package, for each of its parts."""
    codes = [Code.of(_functions(part)) for part in parts]
    imported = imports_among("protobuf", parts, codes)
    return tuple(_protobuf(part, code, found) for part, code, found in zip(parts, codes, imported, strict=True))


def _functions(part: Part) -> list[str]:
    return ["\n".join(lines) for message in part.coded for lines in protobuf_functions(message)]


def _protobuf(part: Part, code: Code, imports: tuple[tuple[str, Lines], ...]) -> ProtobufCodec:
    words = code.words
    stems = [message.snake for message in part.messages]
    readers = [message.protobuf_reader for message in part.messages if message.is_public]
    return ProtobufCodec(
        part=part,
        classes=part.classes_in(words),
        foreign=part.foreign_in(words),
        imports=imports,
        names=tuple(
            sorted([*(f"{verb}_{stem}_protobuf" for verb in ("decode", "encode") for stem in stems), *readers])
        ),
        functions=code.functions,
        runtime_imports=tuple(
            sorted({"register_protobuf", *(PROTOBUF_RUNTIME & words)}, key=lambda name: (name.islower(), name))
        ),
        librt_imports=("BytesWriter", *sorted(LIBRT & words)),
        max_depth=_MAX_DEPTH if "_MAX_DEPTH" in words else None,
        shared=shared_imports(part.coded, part.enum_tables, "protobuf", words),
        typing_imports=typing_imports(words),
        has_unset="UNSET" in words,
    )
