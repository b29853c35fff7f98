"""What idle connections cost a server: memory of each, and CPU while nothing happens.

    python -m benchmarks.idle --connections 10000

The clients are bare sockets of this process that have shaken hands and are silent, so that the server's memory alone
grows. Both processes need as many open files as there are connections; the soft limit is raised to the hard one.
"""

from __future__ import annotations

import argparse
import resource
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.call import hosted
from benchmarks.form import use_form
from benchmarks.loop import LOOPS

SPARE_FILES = 200
SETTLE_S = 1.0


def raise_file_limit(connections: int) -> int:
    """Raises the limit of open files, for the processes started from here too; returns what fits under it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - SPARE_FILES


def hello() -> bytes:
    """What a client of the native protocol sends first."""
    from eventflux_runtime.protocol.native.core import Connection, Role, Settings  # noqa: PLC0415 - the form is chosen before

    return Connection(Role.CLIENT, Settings(), now=0.0).data_to_send()


def measure(loop: str, connections: int, idle_s: float) -> tuple[float, float]:
    """KiB of each connection in the server, and CPU seconds of the server for each minute of idleness."""
    first = hello()
    with (
        tempfile.TemporaryDirectory() as scratch,
        hosted("tcp", loop, Path(scratch)) as (place, server),
    ):
        url = urlsplit(place.address)
        address = (str(url.hostname), int(url.port or 0))
        clients = [connected(address, first) for _ in range(100)]  # what is allocated once is not counted
        before = memory(server)
        clients += [connected(address, first) for _ in range(connections - len(clients))]
        grown = memory(server) - before
        cpu = server.cpu_times()
        time.sleep(idle_s)
        after = server.cpu_times()
        for client in clients:
            client.close()
    spent = after.user + after.system - cpu.user - cpu.system
    return grown / (connections - 100) / 1024, spent / idle_s * 60


def connected(address: tuple[str, int], first: bytes) -> socket.socket:
    """A connection whose handshake is complete."""
    client = socket.create_connection(address, timeout=10)
    client.sendall(first)
    if not client.recv(65536).startswith(b"EFT1"):
        raise SystemExit("the server did not answer the handshake")
    return client


def memory(server: psutil.Process) -> int:
    """Resident bytes of the server, once it is quiet."""
    time.sleep(SETTLE_S)
    size: int = server.memory_info().rss
    return size


def main() -> None:
    """Prints both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    parser.add_argument("--idle-seconds", type=float, default=10.0, help="shorter than the keepalive's interval")
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    use_form("compiled" if options.compiled else "interpreted")
    connections = raise_file_limit(options.connections)
    if connections < options.connections:
        print(f"the limit of open files allows {connections} connections only")
    kib, cpu = measure(options.loop, connections, options.idle_seconds)
    form = "compiled" if options.compiled else "interpreted"
    print(f"{connections} idle connections, {options.loop}, {form}:")
    print(f"{kib:.1f} KiB each in the server (target: at most 20), {cpu:.2f} CPU s a minute of idleness")


if __name__ == "__main__":
    main()
