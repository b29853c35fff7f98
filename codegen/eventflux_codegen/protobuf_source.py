"""The text of a package's protobuf codec: its functions, and what they import and define."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Lines
from eventflux_codegen.package import Package
from eventflux_codegen.protobuf_function import protobuf_functions
from eventflux_codegen.shared import Imports, has_unset, shared_imports, typing_imports

__all__ = ["ProtobufCodec", "build_protobuf_codec"]

_WORD: Final = re.compile(r"\w+")
_RUNTIME: Final = frozenset(
    {
        "Repeats",
        "bad_record",
        "block_of",
        "block_size",
        "bool_bits",
        "fixed32_at",
        "fixed64_at",
        "int32_bits",
        "int64_bits",
        "is_zero",
        "keep",
        "keep_any",
        "keep_entry",
        "long_size",
        "long_tag",
        "long_varint",
        "overrun",
        "path_of",
        "repeated",
        "require",
        "signed32",
        "sint32_bits",
        "sint64_bits",
        "skip_value",
        "too_deep",
        "uint32_bits",
        "uint64_bits",
        "uint64_of",
        "unfit",
        "unzigzag",
        "varint_size",
        "write_block",
        "write_fixed32",
        "write_fixed64",
        "write_varint",
    }
)
"""What of the runtime the functions may name."""
_LIBRT: Final = re.compile(r"(?:read|write)_(?:i32|i64|f32|f64)_le")
_MAX_DEPTH: Final = 100
"""How deep messages may lie below the outermost one, as in protobuf's own runtimes."""


@dataclass(frozen=True, slots=True)
class ProtobufCodec:
    """What the template of the protobuf codec sees."""

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
    """Whether a field is absent by msgspec's UNSET."""


def build_protobuf_codec(package: Package) -> ProtobufCodec:
    """The protobuf codec of all messages of a package."""
    functions = [lines for message in package.messages for lines in protobuf_functions(message)]
    texts = ["\n".join(lines) for lines in functions]
    words = set(_WORD.findall("\n".join(texts)))
    stems = [message.snake for message in package.messages]
    readers = [message.protobuf_reader for message in package.messages if message.is_public]
    return ProtobufCodec(
        names=tuple(
            sorted([*(f"{verb}_{stem}_protobuf" for verb in ("decode", "encode") for stem in stems), *readers])
        ),
        functions=tuple(texts),
        runtime_imports=tuple(
            sorted({"register_protobuf"} | (words & _RUNTIME), key=lambda name: (name.islower(), name))
        ),
        librt_imports=("BytesWriter", *sorted(name for name in words if _LIBRT.fullmatch(name))),
        max_depth=_MAX_DEPTH if "_MAX_DEPTH" in words else None,
        shared=shared_imports(package.messages, package.enum_tables, "protobuf", "\n".join(texts)),
        typing_imports=typing_imports(package.messages),
        has_unset=has_unset(package.messages),
    )
