"""What the YAML may say of the generated TypeScript."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TypeScriptOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeScriptOptions:
    """TypeScript that is generated beside the Python package."""

    output: str
    """The directory for it, which is the generator's alone."""
    runtime: str = "eventflux-transport/codegenv1"
    """What the generated modules import as their runtime: a package's module, or a path relative to the output."""
