"""The text of a package's codec: its functions, and what they import and define."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.codec_function import layout_functions, native_functions
from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Lines, Message
from eventflux_codegen.part import Code, Part, imports_among
from eventflux_codegen.reserved import LIBRT, NATIVE_RUNTIME
from eventflux_codegen.shared import Imports, shared_imports, typing_imports

__all__ = ["Codec", "build_codecs"]

_LIMITS: Final = {"_MAX_DEPTH": 100, "_MAX_EMPTY": 64}
"""How deep messages may lie in each other, and how many elements of no bytes a list may have."""


@dataclass(frozen=True, slots=True)
class Codec:
    """What the template of the codec sees of one part."""

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
    limits: tuple[tuple[str, int], ...]
    """The limits that those name."""
    shared: Imports
    """What it needs of well-known types."""
    typing_imports: Lines
    """What it needs of typing, sorted."""
    has_unset: bool
    """Whether it names msgspec's UNSET."""


def build_codecs(parts: Sequence[Part]) -> tuple[Codec, ...]:
    """The codec of all messages of a package, for each of its parts."""
    codes = [Code.of(_functions(part)) for part in parts]
    imported = imports_among("codec", parts, codes)
    return tuple(_codec(part, code, found) for part, code, found in zip(parts, codes, imported, strict=True))


def _functions(part: Part) -> list[str]:
    functions = []
    for message in part.coded:
        functions += native_functions(message)
        for layout in message.layouts:
            functions += layout_functions(message, layout)
    kinds = part.kinds
    called_by = (row.functions for kind, row in KINDS.items() if kind in kinds and row.functions)
    # Once, for kinds that are written alike.
    return [*("\n".join(lines) for lines in functions), *dict.fromkeys(called_by)]


def _codec(part: Part, code: Code, imports: tuple[tuple[str, Lines], ...]) -> Codec:
    stems = [stem for message in part.messages for stem in _stems(message)]
    readers = [message.reader for message in part.messages if message.is_public]
    words = code.words
    expected = ["expect_fields"] if part.foreign else []
    return Codec(
        part=part,
        classes=part.classes_in(words),
        foreign=part.foreign_in(words),
        imports=imports,
        names=tuple(sorted([*(f"{verb}_{stem}" for verb in ("decode", "encode") for stem in stems), *readers])),
        functions=code.functions,
        runtime_imports=tuple(sorted({"register", *expected, *(NATIVE_RUNTIME & words)})),
        librt_imports=("BytesWriter", *sorted(LIBRT & words)),
        limits=tuple((name, limit) for name, limit in _LIMITS.items() if name in words),
        shared=shared_imports(part.coded, part.enum_tables, "codec", words),
        typing_imports=typing_imports(words),
        has_unset="UNSET" in words,
    )


def _stems(message: Message) -> list[str]:
    return [message.snake, *(f"{message.snake}_{layout.snake}" for layout in message.layouts)]
