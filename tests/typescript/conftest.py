"""TypeScript of the tests' IDL, compiled once for all test processes, and a Node process that runs it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventflux_codegen.order import Order
from tests.support.codec_page import SAMPLE_PROTO
from tests.support.typescript import DRIVER, ROOT, Driver, compile_project, lacking, typescript_of

CONFIGS = [ROOT / "idl/transport.yaml", *sorted((ROOT / "tests/idl").glob("*.yaml"))]


HEAD = """\
import { ClusterClient, NodeFull } from "../gen/cluster_sdk/index.ts";
import { Shape } from "../gen/kitchen_package/index.ts";
declare const client: ClusterClient;
"""


def _program_of(page: str) -> str:
    """The examples of docs/typescript.md, to be compiled."""
    examples = re.findall(r"^```ts\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    return HEAD + "".join(f"{{\n{example}}}\n" for example in examples)


@pytest.fixture(scope="session")
def typescript_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages lie, and what is compiled of them."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "typescript"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            scratch = Path(f"{folder}.scratch")
            shutil.rmtree(scratch, ignore_errors=True)  # of a process that failed
            scratch.mkdir()
            orders = [Order.of_yaml(config) for config in CONFIGS]
            orders.append(Order.of_paths([str(DRIVER.parent / "names.proto")], "names_sdk", (), "."))
            (scratch / "sample.proto").write_text(SAMPLE_PROTO, "utf-8")
            orders.append(Order.of_paths([str(scratch / "sample.proto")], "page_sdk", (), "."))
            packages = {order.options.package: typescript_of(order) for order in orders}
            page = scratch / "page.ts"
            page.write_text(_program_of((ROOT / "docs/typescript.md").read_text("utf-8")), "utf-8")
            programs = [DRIVER, page, *sorted(DRIVER.parent.glob("*.test.ts"))]
            said = compile_project(scratch, packages, programs)
            assert not said, said
            scratch.rename(folder)
    return folder


@pytest.fixture(scope="session")
def typescript(typescript_folder: Path) -> Iterator[Driver]:
    """A process that reads and writes the messages of all packages by TypeScript."""
    driver = Driver.start(typescript_folder)
    yield driver
    driver.close()
