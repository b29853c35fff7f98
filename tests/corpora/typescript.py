"""Generates TypeScript of directories of Google's .proto files, and has it compiled strictly and loaded by Node.

    python -m tests.corpora.typescript --keep FOLDER

It needs what npm installs into web/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from eventflux_codegen.order import Order
from tests.corpora.corpus import fetch_google_proto_files
from tests.support.typescript import compile_project, lacking, typescript_of

__all__ = ["main"]

_FOLDERS: Final = (
    "google/api",
    "google/bigtable/v2",
    "google/cloud/dialogflow/v2",
    "google/firestore/v1",
    "google/iam/v1",
    "google/logging",
    "google/pubsub/v1",
    "google/rpc",
    "google/spanner/v1",
    "google/type",
)
_LOAD: Final = """\
import { readdirSync } from "node:fs";
let count = 0;
for (const name of readdirSync("out/gen", { recursive: true }).filter((each) => each.endsWith(".js"))) {
  for (const type of Object.values(await import(`./out/gen/${name}`))) {
    if (type?.create === undefined) continue;
    type.fromBinary(type.toBinary(type.create()));
    count += 1;
  }
}
console.log(`${count} message types were loaded`);
"""


def main() -> int:
    """Prints what the compiler says, or how much was loaded; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, help="where the files are fetched to")
    root = fetch_google_proto_files(parser.parse_args().keep)
    reason = lacking()
    if reason:
        print(f"skipped: {reason}")
        return 0
    packages: dict[str, Mapping[str, str]] = {}
    for folder in _FOLDERS:
        for is_tree in (False, True):
            name = f"{folder.replace('/', '_')}{'_tree' if is_tree else ''}"
            order = Order.of_paths([str(root / folder)], name, [str(root)], ".", tree=is_tree)
            packages[name] = typescript_of(order)
    with tempfile.TemporaryDirectory() as scratch:
        said = compile_project(Path(scratch), packages)
        print(said or f"{len(packages)} packages were compiled without a word")
        if said:
            return 1
        (Path(scratch) / "load.mjs").write_text(_LOAD)
        return subprocess.run(["node", "load.mjs"], cwd=scratch, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
