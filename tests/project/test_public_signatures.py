"""Every type of ours that stands in a public signature is public itself, and every public name is described."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest

from tests.project.import_graph import SOURCE_ROOTS, modules_of

MODULES: Final = {name: path for package in SOURCE_ROOTS for name, path in modules_of(package).items()}
FACADES: Final = (
    "eventflux_node",
    "eventflux_runtime",
    "eventflux_runtime.blocking",
    "eventflux_runtime.codegen_api",
    "eventflux_runtime.testing",
    "eventflux_transport",
)
"""Where users and generated code find names."""
PLAIN: Final = {"eventflux_runtime.rpc.checked"}
"""Its aliases stand for numbers and paths, and a reader of a configuration needs no name for them."""
SPECIAL: Final = {
    "__init__",
    "__call__",
    "__aenter__",
    "__aiter__",
    "__anext__",
    "__enter__",
    "__iter__",
    "__getitem__",
}


@dataclass(frozen=True)
class Name:
    """A name and the module that defines it."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@cache
def tree_of(module: str) -> ast.Module:
    """The module; of a package that lists its names in a stub, that."""
    path = MODULES[module]
    stub = path.with_suffix(".pyi")
    return ast.parse((stub if module in FACADES and stub.exists() else path).read_text())


@cache
def imports_of(module: str) -> dict[str, Name]:
    """The names that a module imports from others, wherever the import stands."""
    return {
        alias.asname or alias.name: Name(node.module, alias.name)
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


@cache
def definition(name: Name) -> ast.stmt | None:
    """The statement that defines a name; of a function with overloads the last one, which has the docstring."""
    if name.module not in MODULES:
        return None
    for node in reversed(tree_of(name.module).body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name.name:
            return node
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == name.name for target in targets):
            return node
    return None


def resolved(module: str, name: str) -> Name:
    """Where a name that a module uses is defined, through modules that only hand it on."""
    found = imports_of(module).get(name, Name(module, name))
    while found.module in MODULES and definition(found) is None and found.name in imports_of(found.module):
        following = imports_of(found.module)[found.name]
        if following == found:  # a module of the package
            break
        found = following
    return found


@cache
def exported(facade: str) -> tuple[str, ...]:
    if MODULES[facade].with_suffix(".pyi").exists():
        return tuple(imports_of(facade))
    for node in tree_of(facade).body:
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value is not None and any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return tuple(ast.literal_eval(value))
    return ()


OFFERED: Final = {facade: [resolved(facade, name) for name in exported(facade)] for facade in FACADES}
PUBLIC: Final = frozenset(name for names in OFFERED.values() for name in names)
FOR_USERS: Final = frozenset(
    name
    for facade in FACADES
    if facade.startswith("eventflux_runtime") and "codegen" not in facade
    for name in OFFERED[facade]
)
"""What the signatures of these may name; those of generated packages name the contract's too."""


def signatures(name: Name) -> Iterator[tuple[str, str, ast.expr]]:
    """The annotations that a user of a name sees: where, in which module, and what."""
    node = definition(name)
    if isinstance(node, ast.ClassDef):
        yield from _class_signatures(name, node)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from _function_signatures(name.name, name.module, node)
    elif isinstance(node, ast.AnnAssign) and node.value is not None and "TypeAlias" in ast.unparse(node.annotation):
        yield name.name, name.module, node.value
    elif isinstance(node, ast.AnnAssign):
        yield name.name, name.module, node.annotation


def _class_signatures(name: Name, node: ast.ClassDef) -> Iterator[tuple[str, str, ast.expr]]:
    is_made_elsewhere = "Made by" in (ast.get_docstring(node) or "")
    for base in node.bases:
        for used in ast.walk(base):
            if isinstance(used, ast.Name):
                found = resolved(name.module, used.id)
                parent = definition(found)
                # A base that is not public lends its methods; one that is public is looked at by itself.
                if isinstance(parent, ast.ClassDef) and found not in PUBLIC and used is _head(base):
                    yield from _class_signatures(found, parent)
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            is_shown = not item.name.startswith("_") or (item.name in SPECIAL)
            if is_shown and not (item.name == "__init__" and is_made_elsewhere):
                yield from _function_signatures(f"{name.name}.{item.name}", name.module, item)
        elif (
            isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_")
        ):
            yield f"{name.name}.{item.target.id}", name.module, item.annotation


def _head(base: ast.expr) -> ast.expr:
    return base.value if isinstance(base, ast.Subscript) else base


def _function_signatures(
    where: str, module: str, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[tuple[str, str, ast.expr]]:
    arguments = node.args
    for argument in (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *filter(None, (arguments.vararg, arguments.kwarg)),
    ):
        if argument.annotation is not None and not argument.arg.startswith("_"):
            yield where, module, argument.annotation
    if node.returns is not None:
        yield where, module, node.returns


def used_in(annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value


def is_ours(name: Name) -> bool:
    node = definition(name)
    if node is None or name.module in PLAIN:
        return False
    is_variable = isinstance(node, ast.Assign) and "TypeVar" in ast.unparse(node.value)
    return not is_variable


@pytest.mark.parametrize("name", sorted(PUBLIC, key=str), ids=str)
def test_types_in_public_signatures_are_public(name: Name) -> None:
    known = FOR_USERS if name in FOR_USERS else PUBLIC
    hidden = {
        f"{where}: {found}"
        for where, module, annotation in signatures(name)
        for found in (resolved(module, used) for used in used_in(annotation))
        if is_ours(found) and found not in known
    }
    assert not hidden, f"not public: {sorted(hidden)}"


@pytest.mark.parametrize("name", sorted(PUBLIC, key=str), ids=str)
def test_public_names_are_described(name: Name) -> None:
    node = definition(name)
    if node is None:
        return  # a submodule
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        assert ast.get_docstring(node), f"{name} has no docstring"
        return
    body = tree_of(name.module).body
    following = body[body.index(node) + 1] if node is not body[-1] else None
    is_described = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    assert is_described or name.module.startswith("eventflux_transport"), f"{name} has no docstring below it"


def test_there_are_signatures_to_look_at() -> None:
    assert len(PUBLIC) > 100
    assert sum(1 for name in PUBLIC for _ in signatures(name)) > 500
