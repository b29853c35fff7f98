"""Packages whose names are imported when they are asked for: nobody should notice but the clock."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import eventflux_runtime
from eventflux_runtime.loading.lazy import lazy_names

PACKAGES = [
    "eventflux_runtime",
    "eventflux_runtime.blocking",
    "eventflux_runtime.codegen_api",
    "eventflux_runtime.well_known",
    "eventflux_transport",
]


def imports_for_type_checkers(package: str) -> dict[str, str]:
    """The module of each name in the stub of a package."""
    source = importlib.import_module(package).__file__
    assert source is not None
    return {
        alias.asname or "": statement.module or ""
        for statement in ast.parse(Path(source).with_suffix(".pyi").read_text()).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_what_type_checkers_see_is_what_programs_get(package: str) -> None:
    module = importlib.import_module(package)
    seen = imports_for_type_checkers(package)
    assert set(seen) == set(module.__all__)
    for name, home in seen.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Mesage'"):
        module.Mesage  # noqa: B018 - what is tested is that it raises


@pytest.mark.parametrize("name", ["connect", "serve"])
def test_importing_the_module_of_a_name_first_does_not_hide_it(name: str) -> None:
    program = f"import eventflux_runtime.{name}; from eventflux_runtime import {name}; print(type({name}).__name__)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "function"


def test_code_of_an_older_generator_is_told_what_to_do() -> None:
    with pytest.raises(
        ImportError, match="eventflux_transport was generated for an older runtime: run eventflux-codegen"
    ):
        lazy_names("eventflux_transport", {"eventflux_transport.client": ["TransportClient"]})


def test_names_are_found_in_a_zip_file_too(tmp_path: Path) -> None:
    root = Path(next(iter(eventflux_runtime.__path__)))
    archive = tmp_path / "runtime.zip"
    with ZipFile(archive, "w") as file:
        for path in root.rglob("*.py*"):
            if path.suffix in (".py", ".pyi"):
                file.write(path, path.relative_to(root.parent))
    program = "import eventflux_runtime; print(eventflux_runtime.__file__, eventflux_runtime.Metadata.__name__)"
    output = subprocess.check_output([sys.executable, "-c", program], text=True, env={"PYTHONPATH": str(archive)})
    assert output.split() == [f"{archive}/eventflux_runtime/__init__.py", "Metadata"]


def test_the_import_alone_loads_neither_an_event_loop_nor_grpc() -> None:
    program = (
        "import sys, eventflux_transport, eventflux_runtime\n"
        "print(sorted({'asyncio', 'trio', 'anyio', 'grpc', 'google.protobuf', 'ssl'} & set(sys.modules)))\n"
        "from eventflux_transport import *\n"
        "from eventflux_runtime import *\n"
        "print(TransportClient.__name__, connect.__name__)\n"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output.splitlines() == ["[]", "TransportClient connect"]
