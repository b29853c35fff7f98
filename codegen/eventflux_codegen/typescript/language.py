"""TypeScript as a language of the generator."""

from __future__ import annotations

from typing import Any

from eventflux_codegen.language import Blueprint, Language
from eventflux_codegen.typescript.build import build_folders
from eventflux_codegen.typescript.option import TypeScriptOptions
from eventflux_codegen.typescript.render import MARK, render

__all__ = ["TypeScript"]


class TypeScript(Language):
    """One folder of modules for each Python package."""

    section = "typescript"
    options = TypeScriptOptions
    entry = "index.ts"
    mark = MARK

    def generate(self, options: Any, blueprint: Blueprint) -> dict[str, str]:
        """See `Language.generate`."""
        return render(build_folders(blueprint, options.runtime))
