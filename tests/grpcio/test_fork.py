"""Forks: a channel made before one works in both processes, if no connection of it is open at that moment."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from eventflux_runtime import serve
from tests.support.probe import Probe

ROOT = Path(__file__).parents[2]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def run(mode: str) -> list[str]:
    """What the forking program printed."""
    async with serve([Probe()], "grpc://127.0.0.1:0") as server:
        command = [sys.executable, "-m", "tests.support.grpc_forking", mode, server.endpoints[0]]
        start = partial(subprocess.run, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        done = await to_thread.run_sync(start, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_child_calls_where_grpcio_is_at_rest(mode: str) -> None:
    lines = await run(mode)
    heard = [line for line in lines if " heard from " in line]
    callers = {"before": ["child", "parent"], "after": ["parent", "child", "parent"]}
    assert [line.split()[0] for line in heard] == callers[mode]
    assert "child ended with 0" in lines
