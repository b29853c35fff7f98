"""The event loops that grpcio knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import BACKEND_IDS, BACKENDS


@pytest.fixture(params=BACKENDS[:2], ids=BACKEND_IDS[:2])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each of asyncio's loops in turn."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend
