"""Which module imports what, read from the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

SOURCE_ROOTS: Final = {
    "eventflux_runtime": ROOT / "runtime",
    "eventflux_codegen": ROOT / "codegen",
    "eventflux_transport": ROOT / "generated",
    "eventflux_node": ROOT / "node",
}


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module brings in: ``target`` is the module, ``name`` what is taken from it, if anything."""

    module: str
    line: int
    target: str
    name: str = ""
    for_types_only: bool = False

    def __str__(self) -> str:
        taken = f" import {self.name}" if self.name else ""
        return f"{self.module}:{self.line} -> {self.target}{taken}"


def modules_of(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    root = SOURCE_ROOTS[package]
    return {_dotted(path.relative_to(root)): path for path in sorted((root / package).rglob("*.py"))}


@cache
def all_imports_of(module: str, path: Path) -> list[Import]:
    """Every import of a module, and of the stub beside it, in which a package lists its public names."""
    found = imports_of(module, path.read_text())
    stub = path.with_name("__init__.pyi")
    return found + (imports_of(module, stub.read_text()) if path.name == "__init__.py" and stub.exists() else [])


def imports_of(module: str, source: str) -> list[Import]:
    """Every import in a module's source, those within functions included."""
    tree = ast.parse(source)
    typing_only = {id(node) for block in _type_checking_blocks(tree) for node in ast.walk(block)}
    found: list[Import] = []
    for node in ast.walk(tree):
        for target, name in _targets(module, node):
            line = getattr(node, "lineno", 0)
            found.append(Import(module, line, target, name, id(node) in typing_only))
    return found


def is_within(module: str, package: str) -> bool:
    """Whether a dotted name is that package or lies below it."""
    return module == package or module.startswith(package + ".")


def _targets(module: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, ""
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module}:{node.lineno}: a relative import"
        for alias in node.names:
            yield node.module or "", alias.name
    elif isinstance(node, ast.Call) and _is_import_module(node.func):
        # A dynamic import with a literal name is an arrow as well.
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value, ""


def _is_import_module(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def _type_checking_blocks(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from node.body


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
