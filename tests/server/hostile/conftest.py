"""Servers to attack, each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.siege import Besiege, Forge, besieged, forge


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop of the clients; that of the server is a parameter, where it matters."""
    return "asyncio", {}


@pytest.fixture(scope="module")
def made_by() -> Iterator[Forge]:
    """Starts the servers."""
    with forge() as made:
        yield made


@pytest.fixture
def besiege(made_by: Forge, request: pytest.FixtureRequest, tmp_path: Path) -> Besiege:
    """Attacks a server that is the test's own; see `besieged`."""
    return partial(besieged, made_by, request.node.name, errors=tmp_path / "errors")
