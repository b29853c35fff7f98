"""Whether the generated code that is installed equals what the generator makes of the IDL now."""

from __future__ import annotations

import tempfile
from pathlib import Path

import eventflux_codegen
import eventflux_transport

__all__ = ["compare_with_fresh", "idl_config"]


def idl_config() -> Path | None:
    """The generator's configuration in the source tree that this package runs from; None without such a tree."""
    config = Path(eventflux_transport.__file__).resolve().parents[2] / "idl" / "transport.yaml"
    return config if config.is_file() else None


def compare_with_fresh(config: Path) -> tuple[int, list[str]]:
    """Generates into a temporary folder; the number of files made, and each difference from the installed package.

    Raises:
        MissingExtraError: the generator's packages are not installed.
    """
    installed = Path(eventflux_transport.__file__).resolve().parent
    with tempfile.TemporaryDirectory(prefix="eventflux-demo-") as folder:
        fresh = Path(folder) / installed.name
        eventflux_codegen.generate(config, output=fresh)
        made, here = _contents(fresh), _contents(installed)
    differences = [f"{name} is missing" for name in sorted(made.keys() - here.keys())]
    differences += [f"{name} is not made by the generator" for name in sorted(here.keys() - made.keys())]
    differences += [f"{name} differs" for name in sorted(made.keys() & here.keys()) if made[name] != here[name]]
    return len(made), differences


def _contents(folder: Path) -> dict[str, bytes]:
    """Every source file below a folder; what the interpreter or a compiler left there is not one."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".pyd")
    }
