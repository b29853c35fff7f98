"""The products that have a part of their own in the generator: the one module that may import them."""

from __future__ import annotations

from typing import Final

from eventflux_codegen.eventflux.extension import EventFlux
from eventflux_codegen.extension import Extension, options_with

__all__ = ["EXTENSIONS", "FileOptions"]

EXTENSIONS: Final[tuple[Extension, ...]] = (EventFlux(),)

FileOptions: Final = options_with(EXTENSIONS)
"""What the YAML may say, all told."""
