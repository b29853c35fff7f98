"""Builds the page that the tests call from a browser: generated clients, an older one among them, and the runtime."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["build_probe"]

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = Path(__file__).parent / "probe"
_LATER_FIELDS: Final = (
    "  repeated string tags = 6;\n",
    "  google.protobuf.Timestamp counted_at = 9;\n",
    "  uint64 sequence = 6;\n",
    "    string supplier = 8;\n",
)
"""What the older version of the IDL had not yet."""


def build_probe(folder: Path, web: Path) -> None:
    """Makes the page in a folder, out of the package that is built in `web`.

    Raises:
        subprocess.CalledProcessError: it does not compile; what the compiler said is on standard output.
    """
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "eventflux-transport").symlink_to(web, target_is_directory=True)
    idl = folder / "idl"
    idl.mkdir()
    inventory = (ROOT / "tests/idl/inventory.proto").read_text("utf-8")
    # Each lies where its lock may, away from those of the packages that are committed.
    (idl / "inventory.proto").write_text(inventory, "utf-8")
    (idl / "older.proto").write_text(_older(inventory), "utf-8")
    shutil.copy(ROOT / "idl/transport.proto", idl)
    for name in ("inventory", "older", "transport"):
        _generate(idl / f"{name}.proto", folder / name)
    (folder / "example.ts").write_text(_example(), "utf-8")
    tools = web / "node_modules/.bin"
    _run(str(tools / "tsc"), "--project", str(folder / "tsconfig.json"))
    bundle = ("--bundle", "--format=esm", "--target=es2022", "--log-level=warning", "--preserve-symlinks")
    _run(str(tools / "esbuild"), str(folder / "probe.ts"), *bundle, f"--outfile={folder}/probe.js")


def _example() -> str:
    """The client of docs/browser.md, which is compiled beside the page."""
    page = (ROOT / "docs/browser.md").read_text("utf-8")
    (example,) = re.findall(r"^```ts\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(example)


def _older(text: str) -> str:
    for field in _LATER_FIELDS:
        assert text.count(field) == 1, f"the IDL has changed: it has no {field.strip()}"
        text = text.replace(field, "")
    return text


def _generate(proto: Path, output: Path) -> None:
    command = (sys.executable, "-m", "eventflux_codegen.cli", "generate", str(proto), "--package", output.name)
    _run(*command, "--out", str(output.parent / "python"), "--typescript", str(output))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr, env=dict(os.environ))
