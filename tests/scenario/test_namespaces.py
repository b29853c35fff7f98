"""A silent partition between two machines, in Linux network namespaces: packets vanish, and nobody says a word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

CLIENT_PROCESS = """
import sys, time, anyio
from eventflux_runtime import ClientConfig, KeepaliveConfig, Unavailable, connect
from eventflux_transport import EventRequest, TransportClient

async def main(url: str) -> None:
    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=0.5, timeout_s=0.5))
    async with connect(url, config=config) as channel:
        async with TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events:
            await events.receive()
            print("connected", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)
            started = time.monotonic()
            try:
                await events.receive()
            except Unavailable as error:
                print(f"{time.monotonic() - started:.3f} {error.message}", flush=True)

anyio.run(main, sys.argv[1], backend=sys.argv[2])
"""

SERVER_PROCESS = """
import sys, time, anyio
from eventflux_runtime import KeepaliveConfig, ServerConfig, serve
from tests.support.probe import Probe

async def main(url: str) -> None:
    probe = Probe()
    config = ServerConfig(keepalive=KeepaliveConfig(interval_s=0.5, timeout_s=0.5))
    async with serve([probe], url, config=config) as server:
        print(server.endpoints[0], flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        started = time.monotonic()
        await probe.cancelled.wait()
        print(f"{time.monotonic() - started:.3f}", flush=True)

anyio.run(main, sys.argv[1], backend=sys.argv[2])
"""

NOTICED_S = 1.0
SLACK_S = 2.0
"""What a busy machine may add."""


@dataclass(frozen=True)
class Machines:
    """Two namespaces, joined through a third that forwards between them, or does not."""

    client: str
    server: str
    router: str

    def partition(self) -> None:
        """From now on every packet between the two is dropped without a sign."""
        inside = ("ip", "netns", "exec", self.router)
        if shutil.which("iptables"):
            dropped = subprocess.run([*inside, "iptables", "-P", "FORWARD", "DROP"], check=False, capture_output=True)
            if dropped.returncode == 0:
                return
        _run(*inside, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def machines() -> Iterator[Machines]:
    """Three fresh namespaces; skips where the machine allows none."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux, root and the ip command")
    prefix = f"eft{os.getpid()}"
    made = Machines(f"{prefix}c", f"{prefix}s", f"{prefix}r")
    try:
        try:
            for name in (made.client, made.server, made.router):
                _run("ip", "netns", "add", name)
            _run("ip", "netns", "exec", made.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()}")
        _join(made.router, made.client, 1)
        _join(made.router, made.server, 2)
        yield made
    finally:
        for name in (made.client, made.server, made.router):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _join(router: str, machine: str, network: int) -> None:
    """A cable from the router (10.77.n.1) to a machine (10.77.n.2), whose way to everywhere it is."""
    near, far = f"near{network}", f"far{network}"
    _run("ip", "-n", router, "link", "add", near, "type", "veth", "peer", "name", far, "netns", machine)
    _run("ip", "-n", router, "addr", "add", f"10.77.{network}.1/24", "dev", near)
    _run("ip", "-n", machine, "addr", "add", f"10.77.{network}.2/24", "dev", far)
    _run("ip", "-n", router, "link", "set", near, "up")
    _run("ip", "-n", machine, "link", "set", far, "up")
    _run("ip", "-n", machine, "route", "add", "default", "via", f"10.77.{network}.1")


@contextmanager
def process_in(namespace: str, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process in a namespace, which answers when a line is written to it."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
def test_both_sides_notice_a_partition(wire: str, backend: str) -> None:
    with (
        machines() as made,
        process_in(made.server, SERVER_PROCESS, f"{wire}://10.77.2.2:0", backend) as server,
        process_in(made.client, CLIENT_PROCESS, _line(server), backend) as client,
    ):
        assert _line(client) == "connected"
        _go(client)
        _go(server)
        made.partition()
        after, _, message = _line(client).partition(" ")
        assert 0 < float(after) < NOTICED_S + SLACK_S
        assert message
        assert 0 < float(_line(server)) < NOTICED_S + SLACK_S
