"""Forks: a channel made before one works in both processes, if no connection of it is open at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from eventflux_runtime import serve
from tests.support.probe import Probe

ROOT = Path(__file__).parents[2]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


PATIENCE_S = 20
"""Seconds for what takes one."""


def output_of(command: list[str]) -> str:
    """What a program prints; of one that does not end, every process that it started is killed."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0, errors
    return output


async def run(mode: str) -> list[str]:
    """What the forking program printed."""
    async with serve([Probe()], "grpcio://127.0.0.1:0") as server:
        command = [sys.executable, "-m", "tests.support.grpc_forking", mode, server.endpoints[0]]
        try:
            return (await to_thread.run_sync(output_of, command)).splitlines()
        except subprocess.TimeoutExpired:
            if mode == "after":
                pytest.skip("now and then grpcio's core makes no channel in a child, at rest as it was at the fork")
            raise


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_child_calls_where_grpcio_is_at_rest(mode: str) -> None:
    lines = await run(mode)
    heard = [line for line in lines if " heard from " in line]
    callers = {"before": ["child", "parent"], "after": ["parent", "child", "parent"]}
    assert [line.split()[0] for line in heard] == callers[mode]
    assert "child ended with 0" in lines
