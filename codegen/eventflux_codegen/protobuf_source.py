"""The text of a package's protobuf codec: its functions, and what they import and define."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Lines
from eventflux_codegen.package import Package
from eventflux_codegen.protobuf_function import protobuf_functions
from eventflux_codegen.reserved import LIBRT, PROTOBUF_RUNTIME, named_in, runtime_names
from eventflux_codegen.shared import Imports, has_unset, shared_imports, typing_imports

__all__ = ["ProtobufCodec", "build_protobuf_codec"]

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
    whole = "\n".join(texts)
    stems = [message.snake for message in package.messages]
    readers = [message.protobuf_reader for message in package.messages if message.is_public]
    return ProtobufCodec(
        names=tuple(
            sorted([*(f"{verb}_{stem}_protobuf" for verb in ("decode", "encode") for stem in stems), *readers])
        ),
        functions=tuple(texts),
        runtime_imports=tuple(
            sorted(
                {"register_protobuf", *runtime_names(whole, PROTOBUF_RUNTIME)}, key=lambda name: (name.islower(), name)
            )
        ),
        librt_imports=("BytesWriter", *sorted(named_in(whole, LIBRT))),
        max_depth=_MAX_DEPTH if "_MAX_DEPTH" in whole else None,
        shared=shared_imports(package.messages, package.enum_tables, "protobuf", whole),
        typing_imports=typing_imports(package.messages),
        has_unset=has_unset(package.messages),
    )
