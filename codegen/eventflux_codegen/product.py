"""The products and languages that have a part of their own in the generator: the one module that may import them."""

from __future__ import annotations

from typing import Final

from eventflux_codegen.eventflux.extension import EventFlux
from eventflux_codegen.extension import Extension, options_with
from eventflux_codegen.language import Language
from eventflux_codegen.typescript.language import TypeScript

__all__ = ["EXTENSIONS", "LANGUAGES", "FileOptions"]

EXTENSIONS: Final[tuple[Extension, ...]] = (EventFlux(),)
LANGUAGES: Final[tuple[Language, ...]] = (TypeScript(),)

FileOptions: Final = options_with((*EXTENSIONS, *LANGUAGES))
"""What the YAML may say, all told."""
