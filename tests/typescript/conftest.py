"""TypeScript that is generated of the tests' IDL, compiled once, and the Node process that runs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventflux_codegen.order import Order
from tests.support.typescript import DRIVER, ROOT, Driver, compile_project, lacking, typescript_of

CONFIGS = [ROOT / "idl/transport.yaml", *sorted((ROOT / "tests/idl").glob("*.yaml"))]


@pytest.fixture(scope="session")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A process that reads and writes the messages of all packages by TypeScript."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("typescript")
    orders = [Order.of_yaml(config) for config in CONFIGS]
    packages = {order.options.package: typescript_of(order) for order in orders}
    programs = [DRIVER, *DRIVER.parent.glob("*.test.ts")]
    said = compile_project(folder, packages, programs)
    assert not said, said
    driver = Driver.start(folder)
    yield driver
    driver.close()
