"""The text of a package's codec: its functions, and what they import and define."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eventflux_codegen.codec_function import layout_functions, native_functions
from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Lines
from eventflux_codegen.package import Package
from eventflux_codegen.reserved import LIBRT, NATIVE_RUNTIME, named_in, runtime_names
from eventflux_codegen.shared import Imports, has_unset, shared_imports, typing_imports

__all__ = ["Codec", "build_codec"]

_LIMITS: Final = {"_MAX_DEPTH": 100, "_MAX_EMPTY": 64}
"""How deep messages may lie in each other, and how many elements of no bytes a list may have."""


@dataclass(frozen=True, slots=True)
class Codec:
    """What the template of the codec sees."""

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
    """Whether a field is absent by msgspec's UNSET."""


def build_codec(package: Package) -> Codec:
    """The codec of all messages of a package."""
    stems, functions = [], []
    for message in package.messages:
        stems.append(message.snake)
        functions += native_functions(message)
        for layout in message.layouts:
            stems.append(f"{message.snake}_{layout.snake}")
            functions += layout_functions(message, layout)
    readers = [message.reader for message in package.messages if message.is_public]
    texts = ["\n".join(lines) for lines in functions]
    kinds = package.kinds
    called_by = (row.functions for kind, row in KINDS.items() if kind in kinds and row.functions)
    texts += dict.fromkeys(called_by)  # once, for kinds that are written alike
    whole = "\n".join(texts)
    return Codec(
        names=tuple(sorted([*(f"{verb}_{stem}" for verb in ("decode", "encode") for stem in stems), *readers])),
        functions=tuple(texts),
        runtime_imports=tuple(sorted({"register", *runtime_names(whole, NATIVE_RUNTIME)})),
        librt_imports=("BytesWriter", *sorted(named_in(whole, LIBRT))),
        limits=tuple((name, limit) for name, limit in _LIMITS.items() if name in whole),
        shared=shared_imports(package.messages, package.enum_tables, "codec", whole),
        typing_imports=typing_imports(package.messages),
        has_unset=has_unset(package.messages),
    )
