"""Fails unless the installed packages run in the form that is named: run by ``nox -s compile`` and ``nox -s wheels``.

``compiled`` is the form unless another is named: every hot module runs as machine code. ``pure``: none does.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import eventflux_runtime


def main(form: str) -> None:
    """Loads each module that has a library beside it, and asks `compiled_modules` about it."""
    packages = Path(eventflux_runtime.__file__).parent.parent
    names = [
        ".".join((*library.relative_to(packages).parent.parts, library.name.partition(".")[0]))
        for package in ("eventflux_runtime", "eventflux_transport")
        for library in (packages / package).rglob("*")
        if library.suffix in {".so", ".pyd"}
    ]
    for name in names:
        importlib.import_module(name)
    compiled = {*eventflux_runtime.compiled_modules(), *eventflux_runtime.compiled_modules("eventflux_transport")}
    if form == "pure":
        importlib.import_module("eventflux_transport.codec")
        if names or compiled or eventflux_runtime.compiled_modules("eventflux_transport"):
            sys.exit(f"compiled: {names}")
        print("all modules run as Python")
        return
    if not {
        "eventflux_runtime.protocol.native.core.connection",
        "eventflux_transport.codec",
    } <= compiled or compiled != set(names):
        sys.exit(f"not compiled: {sorted(set(names) - compiled) or 'the hot modules'}")
    print(f"{len(compiled)} modules run as machine code")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "compiled")
