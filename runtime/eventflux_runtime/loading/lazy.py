"""Public names that are imported when they are first asked for (PEP 562), so that a program loads what it uses."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Final

__all__ = ["lazy_names"]

_IMPORT: Final = re.compile(r"^from (\S+) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)


def lazy_names(
    package: str, homes: object = None
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """The ``__all__``, the ``__getattr__`` and the ``__dir__`` of a package.

    Its public names stand in its ``__init__.pyi``, which type checkers read in place of the package, and nowhere else.

    Args:
        package: the package's ``__name__``.
        homes: what generated code of an older generator gives.

    Raises:
        ImportError: the package was made by an older generator.
    """
    if homes is not None:
        raise ImportError(f"{package} was generated for an older runtime: run eventflux-codegen generate again")
    modules = _homes(package)

    class Package(ModuleType):
        """Keeps a public name from becoming the module of that name, when that is imported by somebody else first."""

        def __setattr__(self, name: str, value: object) -> None:
            if not (isinstance(value, ModuleType) and modules.get(name, package) != package):
                super().__setattr__(name, value)

    sys.modules[package].__class__ = Package

    def load(name: str) -> object:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if module == package:  # a module of it
            return import_module(f"{package}.{name}")
        value: object = getattr(import_module(module), name)
        setattr(sys.modules[package], name, value)  # the next time it is found without this
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return sorted(modules), load, names


def _homes(package: str) -> dict[str, str]:
    """The module of each public name."""
    spec = sys.modules[package].__spec__
    if spec is None or spec.origin is None:
        raise ImportError(f"{package} has no place that its names could be read from: import it as a package")
    # By its loader, because a package may stand in a zip file.
    stub = spec.loader.get_data(re.sub(r"\.pyc?$", ".pyi", spec.origin)).decode()  # type: ignore[union-attr]  # a file's
    homes: dict[str, str] = {}
    for module, block, line in _IMPORT.findall(stub):
        for name in re.split(r"[,\s]+", re.sub(r"\w+ as ", "", block or line).strip(" ,\n")):
            homes[name] = module
    return homes
