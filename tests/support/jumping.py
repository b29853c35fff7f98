"""Tests on a clock that jumps to the next timer, so that hours of waiting pass in a moment and always alike."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from eventflux_runtime.testing import AutojumpEventLoop


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """asyncio and trio with such a clock; import this fixture to have a module's tests run on it."""
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": AutojumpEventLoop}
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
