"""The text of a package's codec: the functions of its messages, and what those call."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_codegen.codec_function import layout_functions, native_functions
from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Lines
from eventflux_codegen.package import Package

__all__ = ["Codec", "build_codec"]


@dataclass(frozen=True, slots=True)
class Codec:
    """What the template of the codec sees."""

    functions: Lines
    """The source of each function, not formatted."""


def build_codec(package: Package) -> Codec:
    """The codec of all messages of a package."""
    functions = []
    for message in package.messages:
        functions += native_functions(message)
        for layout in message.layouts:
            functions += layout_functions(message, layout)
    texts = ["\n".join(lines) for lines in functions]
    texts += [row.functions for kind, row in KINDS.items() if kind.name in package.kinds and row.functions]
    return Codec(tuple(texts))
