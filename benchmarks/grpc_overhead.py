"""What our client and server on grpcio cost over bare grpc.aio stubs: unary calls, 64 in flight, rounds interleaved.

Each side has a process; the same messages travel, and both clients bring a deadline. Run it as
``python benchmarks/grpc_overhead.py [--rounds N] [--calls N]``.

Calls per second and CPU time (both processes' threads, per call) are printed. On a machine that is busy with other
things both say more about those than about us; the quietest rounds, the best tenth of each side, say the most.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from grpc import aio

from eventflux_runtime import Context, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportService,
    transport_pb2,
)
from eventflux_transport import transport_pb2_grpc as rpc

IN_FLIGHT = 64
PAYLOAD = bytes(300)
TIMEOUT_S = 30.0


class Round(NamedTuple):
    """One round of one way to call."""

    calls_per_s: float
    client_us: float
    server_us: float

    @property
    def cpu_us(self) -> float:
        """CPU time of a call on both sides, in microseconds."""
        return self.client_us + self.server_us


class Echo(TransportService):
    """Answers with the request."""

    async def send_message(self, request: Message, context: Context) -> Message:
        """Echoes."""
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Echoes."""
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """Sends one event."""
        yield Message()

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Answers."""
        return HeartbeatResponse()


class BareEcho(rpc.TransportServicer):
    """The same in plain grpcio."""

    async def SendMessage(self, request: Any, context: Any) -> Any:  # noqa: N802 - the IDL's name
        """Echoes."""
        return request

    def StreamMessages(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802 - the IDL's name
        """Not measured."""
        raise NotImplementedError

    def StreamEvents(self, request: Any, context: Any) -> Any:  # noqa: N802 - the IDL's name
        """Not measured."""
        raise NotImplementedError

    def Heartbeat(self, request: Any, context: Any) -> Any:  # noqa: N802 - the IDL's name
        """Not measured."""
        raise NotImplementedError


async def serve_ours() -> None:
    """Serves until killed; the URL is the first line of output."""
    async with serve([Echo()], "grpcio://127.0.0.1:0") as server:
        print(server.endpoints[0], flush=True)
        await asyncio.Event().wait()


async def serve_bare() -> None:
    """Serves until killed; the URL is the first line of output."""
    server = aio.server()
    rpc.add_TransportServicer_to_server(BareEcho(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"grpcio://127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process' threads so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


async def measure(call: Callable[[], Awaitable[object]], calls: int, server_pid: int) -> Round:
    """Makes calls, IN_FLIGHT at a time."""
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    server_before, client_before, before = cpu_s(server_pid), time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    elapsed = time.perf_counter() - before
    client = time.process_time() - client_before
    return Round(calls / elapsed, client / calls * 1e6, (cpu_s(server_pid) - server_before) / calls * 1e6)


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:8.1f} ({low:.1f} to {high:.1f})"


async def compare(rounds: int, calls: int, bare: tuple[str, int], ours: tuple[str, int]) -> None:
    """Runs the rounds and prints what they show."""
    async with aio.insecure_channel(bare[0].removeprefix("grpcio://")) as plain, connect(ours[0]) as channel:
        stub: Any = rpc.TransportStub(plain)
        client = TransportClient(channel)

        async def call_bare() -> None:
            request = transport_pb2.TransportMessage(id="1", payload=PAYLOAD, headers={"a": "b"})
            reply = await stub.SendMessage(request, timeout=TIMEOUT_S)
            assert len(reply.payload) == len(PAYLOAD)

        async def call_ours() -> None:
            reply = await client.send_message(Message(id="1", payload=PAYLOAD, headers={"a": "b"}), timeout_s=TIMEOUT_S)
            assert len(reply.payload) == len(PAYLOAD)

        ways = {"bare grpc.aio": (call_bare, bare[1]), "ours": (call_ours, ours[1])}
        results: dict[str, list[Round]] = {name: [] for name in ways}
        for call, pid in ways.values():
            await measure(call, calls, pid)
        for number in range(rounds):
            order = list(ways) if number % 2 else list(reversed(ways))
            for name in order:
                results[name].append(await measure(ways[name][0], calls, ways[name][1]))
    for name, found in results.items():
        print(
            f"{name:14} calls/s {spread([one.calls_per_s for one in found])}  "
            f"cpu us/call {spread([one.cpu_us for one in found])}  "
            f"client {spread([one.client_us for one in found])}  server {spread([one.server_us for one in found])}"
        )
    best = {name: statistics.quantiles([one.cpu_us for one in found], n=10)[0] for name, found in results.items()}
    quiet = best["ours"] / best["bare grpc.aio"]
    print(f"cpu us/call in the best tenth of the rounds: {best}, ratio {100 * quiet:.1f} %")
    pairs = list(zip(results["bare grpc.aio"], results["ours"], strict=True))
    print(f"ratio of cpu time, ours over bare:  {spread([100 * b.cpu_us / a.cpu_us for a, b in pairs])} %")
    print(f"ratio of calls/s, ours over bare:   {spread([100 * b.calls_per_s / a.calls_per_s for a, b in pairs])} %")


def main() -> None:
    """Starts a server process for each side and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--calls", type=int, default=500, help="calls in a round")
    parser.add_argument("--serve", choices=["bare", "ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve_bare() if options.serve == "bare" else serve_ours())
        return
    python = sys.version.split()[0]
    print(f"grpcio {grpc.__version__}, Python {python}, {IN_FLIGHT} in flight, {len(PAYLOAD)} byte payload")
    servers = [
        subprocess.Popen([sys.executable, __file__, "--serve", side], stdout=subprocess.PIPE, text=True)
        for side in ("bare", "ours")
    ]
    try:
        urls = [server.stdout.readline().strip() for server in servers if server.stdout is not None]
        sides = [(url, server.pid) for url, server in zip(urls, servers, strict=True)]
        asyncio.run(compare(options.rounds, options.calls, sides[0], sides[1]))
    finally:
        for server in servers:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
