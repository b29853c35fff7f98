"""What tests of blocking clients share: an event loop for servers, and both kinds of loops that a channel may run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import uvloop
from anyio.from_thread import BlockingPortal, start_blocking_portal

from eventflux_runtime.blocking import portal as portal_module
from tests.support.threaded import Served, served

Serve: TypeAlias = Callable[[str], Served]


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """The servers' loop."""
    with start_blocking_portal() as started:
        yield started


@pytest.fixture
def tcp(portal: BlockingPortal, tmp_path: Path) -> Iterator[Served]:
    """A probe on TCP, for what has nothing to do with a wire."""
    with served(portal, "tcp", tmp_path) as found:
        yield found


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The loop that channels run in their threads: with the extra, and without."""
    make = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    monkeypatch.setattr(portal_module, "new_event_loop", make)
    kind: str = request.param
    return kind
