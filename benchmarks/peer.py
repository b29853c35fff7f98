"""Times EventFlux's transports: one request and its answer after another, between two processes over loopback.

``python -m benchmarks.peer`` prints a table of each transport on each event loop; ``--seconds`` bounds each figure.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Final

import anyio

from eventflux_runtime import TransportError
from eventflux_transport import (
    Connection,
    Listener,
    Message,
    SimpleGrpcConfig,
    SimpleGrpcTransport,
    Transport,
    TransportFactory,
)

LOOPS: Final[dict[str, dict[str, Any]]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
TRANSPORTS: Final = ("tcp", "grpc", "simple")
PAYLOAD: Final = bytes(300)
WARM_UP: Final = 200


async def _echo(transport: Transport, connection: Connection) -> None:
    with suppress(TransportError):
        while True:
            await transport.send(connection, await transport.receive(connection))


async def _serve(name: str) -> None:
    transport = TransportFactory.create("grpc" if name == "simple" else name)
    listener: Listener = await transport.listen("127.0.0.1:0")
    print(listener.local_addr, flush=True)
    async with anyio.create_task_group() as tasks:
        while True:
            tasks.start_soon(_echo, transport, await transport.accept(listener))


async def _call(name: str, address: str, seconds: float) -> list[float]:
    message = Message.event(PAYLOAD)
    took: list[float] = []
    async with TransportFactory.create("grpc" if name == "simple" else name) as transport:
        simple = SimpleGrpcTransport(SimpleGrpcConfig(server_address=address))
        async with simple:
            if name == "simple":
                await simple.connect()
            connection = await transport.connect(address)
            end = time.perf_counter() + seconds
            while (start := time.perf_counter()) < end or len(took) < WARM_UP + 100:
                if name == "simple":
                    await simple.send_message(address, message)
                else:
                    await transport.send(connection, message)
                    await transport.receive(connection)
                took.append(time.perf_counter() - start)
    return took[WARM_UP:]


def _report(name: str, loop: str, took: list[float]) -> None:
    median_us = statistics.median(took) * 1e6
    late_us = statistics.quantiles(took, n=100)[98] * 1e6
    print(f"| {name} | {loop} | {median_us:.0f} | {late_us:.0f} | {1 / statistics.fmean(took):.0f} |")


def _measure(name: str, loop: str, seconds: float, address: str | None) -> None:
    if address is not None:
        _report(name, loop, anyio.run(_call, name, address, seconds, **LOOPS[loop]))
        return
    command = [sys.executable, "-m", "benchmarks.peer", "--serve", name, "--loop", loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            took = anyio.run(_call, name, server.stdout.readline().strip(), seconds, **LOOPS[loop])
        finally:
            server.kill()
    _report(name, loop, took)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    parser.add_argument("--loop", choices=LOOPS, help="one event loop rather than each")
    parser.add_argument("--address", help="a TCP node that echoes, in place of our own")
    parser.add_argument("--serve", choices=TRANSPORTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        anyio.run(_serve, options.serve, **LOOPS[options.loop])
        return
    print("| transport | event loop | p50 µs | p99 µs | messages and answers per second |")
    print("| -- | -- | -- | -- | -- |")
    for name in TRANSPORTS[:1] if options.address else TRANSPORTS:
        for loop in [options.loop] if options.loop else LOOPS:
            _measure(name, loop, options.seconds, options.address)


if __name__ == "__main__":
    main()
