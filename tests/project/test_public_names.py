"""Each `__all__` names exactly what its module defines for others."""

from __future__ import annotations

import ast
import re

import pytest

from tests.project.import_graph import SOURCE_ROOTS, modules_of

MODULES = {name: path for package in SOURCE_ROOTS for name, path in modules_of(package).items()}
HAND_WRITTEN_FACADES = {"eventflux_runtime", "eventflux_runtime.codegen_api", "eventflux_transport"}
"""Modules whose public names are what they import from elsewhere."""


def declared(tree: ast.Module) -> list[str] | None:
    """The names in a module's `__all__`; None if it has none."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return None


def defined(tree: ast.Module) -> set[str]:
    """The public classes, functions, constants and type aliases that a module's own body defines."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def imported(tree: ast.Module) -> set[str]:
    """The names that a module's own body imports, for type checkers alone included: those of a package are lazy."""
    guarded = [
        node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    tried = [node.body for node in tree.body if isinstance(node, ast.Try)]  # what needs an extra
    nodes = [
        node for body in (tree.body, *guarded, *tried) for node in body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_all_names_what_the_module_defines(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    names = declared(tree)
    if re.search(r"_pb2(_grpc)?$", module):
        return  # protoc's output has no such list
    if names is None:
        assert not defined(tree), f"{module} defines {sorted(defined(tree))} and has no __all__"
        return
    assert len(names) == len(set(names)), "a name stands twice"
    public_types = {name for name in defined(tree) if not _is_constant_or_type_variable(name)}
    unknown = set(names) - defined(tree) - imported(tree)
    assert not unknown, f"__all__ names what is not there: {sorted(unknown)}"
    missing = public_types - set(names)
    assert not missing, f"__all__ lacks {sorted(missing)}"
    if module in HAND_WRITTEN_FACADES:
        assert imported(tree) - set(names) <= {
            "annotations",
            "Final",
            "TYPE_CHECKING",
            "check_contract",
            "lazy_names",
        }, "a facade imports only what it offers"


def _is_constant_or_type_variable(name: str) -> bool:
    """Whether a name may be public within the package without being in `__all__`: limits and type variables are."""
    return name.isupper() or len(name) == 1 or name.endswith(("_co", "_contra")) or name in ("Req", "Res")
