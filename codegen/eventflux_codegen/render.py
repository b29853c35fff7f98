"""Renders the model of a package into the text of its modules, formatted as the linter wants them."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from eventflux_codegen.package import Package

__all__ = ["render"]

_MODULES: Final = ("__init__.py", "bridge.py", "codec.py", "messages.py")
_SERVICE_MODULES: Final = ("client.py", "methods.py", "service.py")


def render(package: Package) -> dict[str, str]:
    """The modules of the package, by file name."""
    environment = Environment(
        loader=PackageLoader("eventflux_codegen"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["at"] = _at
    environment.tests["keyword"] = keyword.iskeyword
    modules = (*_MODULES, *_SERVICE_MODULES) if package.services else _MODULES
    texts = {name: environment.get_template(f"{name}.j2").render(package=package) for name in modules}
    return {name: _format(text, name) for name, text in texts.items()}


def _at(text: str, indentation: int) -> str:
    """The lines of a macro's output, without empty ones, all but the first indented."""
    lines = [line for line in text.split("\n") if line.strip()]
    return ("\n" + " " * indentation).join(lines)


def _format(text: str, name: str) -> str:
    # The formatter decides between one empty line and two only where it finds any, and keeps one where none belongs.
    text = re.sub(r"\n{4,}", "\n\n\n", text)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--target-version=py311"]
    done = subprocess.run(
        [*command, f"--stdin-filename={name}", "-"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the template of {name} does not render Python: {done.stderr}\n{text}")
    return done.stdout
