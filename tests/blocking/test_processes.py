"""Programs with blocking clients: interrupted, ended with a channel open, forked."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from tests.support.probe import Probe
from tests.support.threaded import AT_ONCE, PATIENCE_S, serving, within

PROGRAM = [sys.executable, "-W", "error", "-m", "tests.blocking.program"]


@pytest.fixture
def service(portal: BlockingPortal) -> Probe:
    return portal.call(Probe)


@pytest.fixture
def url(portal: BlockingPortal, service: Probe) -> Iterator[str]:
    with serving(portal, [service], "tcp+grpc://127.0.0.1:0", config=AT_ONCE) as server:
        yield server.endpoints[0].replace("tcp+grpc", "tcp")


def run(name: str, url: str) -> list[str]:
    """What a program prints that ends well."""
    done = subprocess.run([*PROGRAM, name, url], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "said"), [("interrupted", "first first"), ("interrupted_stream", "got first")])
def test_ctrl_c_cancels_the_call_that_is_waited_for(
    portal: BlockingPortal, service: Probe, url: str, name: str, said: str
) -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*PROGRAM, name, url], **pipes, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == f"{said}\n"
        portal.call(within, service.started)
        program.send_signal(signal.SIGINT)
        portal.call(within, service.cancelled)
        out, errors = program.communicate("\n", timeout=PATIENCE_S)
    assert (program.returncode, errors) == (0, "")
    assert out == "interrupted interrupted\n"


def test_a_program_ends_with_a_channel_open(portal: BlockingPortal, service: Probe, url: str) -> None:
    assert run("left_open", url) == ["ended ended"]
    portal.call(within, service.cancelled)


def test_a_thread_dies(portal: BlockingPortal, service: Probe, url: str) -> None:
    assert run("thread_dies", url) == ["died of ZeroDivisionError", "after after"]
    portal.call(within, service.cancelled)


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
def test_forks(wire: str, url: str) -> None:
    said = run("forked", url.replace("tcp", wire))
    assert said[:3] == ["child before child before", "parent parent", "child within child within"]
    assert "was open in the parent process: what began there cannot go on here" in said[3]
    assert said[4:] == [
        "of the parent",
        *(f"child {number} child {number}" for number in range(3)),
        "parent again parent again",
        "child after child after",
    ]


def test_pools_of_processes(url: str) -> None:
    assert run("pools", url) == ["parent parent", "['a', 'b', 'c']", "['d']"]
