"""Times blocking clients, ours and grpcio's, with one thread and with many: ``python -m benchmarks.blocking``.

Each row is measured in turn within a round, by a fresh process that calls and one that serves; figures are medians over
the rounds. ``--compiled`` has both of ours compiled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from benchmarks.form import ROOT, use_form
from benchmarks.sample import SMALL_PAYLOAD, fields

Figures: TypeAlias = dict[str, float]

TIMEOUT_S: Final = 10.0
WARM_UP: Final = 300
THREADS: Final = (1, 16)
ROWS: Final = {
    "tcp": ("ours", "tcp"),
    "unix": ("ours", "unix"),
    "grpc": ("ours", "grpc"),
    "grpcio, to our server": ("grpcio", "grpc"),
    "grpcio, to grpc.aio": ("grpcio", "grpc.aio"),
}
"""Of each: whose client, and the wire of the server."""


class Calls:
    """What a blocking client does: one small call, and a stream of small messages without an end."""

    def __init__(self, small: Callable[[], object], download: Callable[[], Any]) -> None:
        self.small = small
        self.download = download


@contextmanager
def ours(address: str) -> Iterator[Calls]:
    """The generated blocking client."""
    from eventflux_runtime import blocking  # noqa: PLC0415 - the form is chosen first
    from eventflux_transport import EventRequest, Message, MessageType, TransportBlockingClient  # noqa: PLC0415

    values = fields(SMALL_PAYLOAD) | {"message_type": MessageType.EVENT}
    with blocking.connect(address) as channel:
        client = TransportBlockingClient(channel)
        yield Calls(
            lambda: client.send_message(Message(**values), timeout_s=TIMEOUT_S),
            lambda: client.stream_events(EventRequest(node_id="bench"), timeout_s=None).__enter__(),
        )


@contextmanager
def grpcio(address: str) -> Iterator[Calls]:
    """The stub that protoc makes, over grpcio's blocking channel."""
    import grpc  # noqa: PLC0415 - ours is measured without it

    from eventflux_transport import transport_pb2 as pb  # noqa: PLC0415
    from eventflux_transport import transport_pb2_grpc as stubs  # noqa: PLC0415

    values = fields(SMALL_PAYLOAD)
    with grpc.insecure_channel(address.rpartition("/")[2]) as channel:
        stub: Any = stubs.TransportStub(channel)
        yield Calls(
            lambda: stub.SendMessage(pb.TransportMessage(**values), timeout=TIMEOUT_S),
            lambda: stub.StreamEvents(pb.EventRequest(node_id="bench")),
        )


CLIENTS: Final[dict[str, Any]] = {"ours": ours, "grpcio": grpcio}


def calling(call: Callable[[], object], threads: int, seconds: float) -> Figures:
    """So many threads, each with one call at a time."""
    taken: list[list[int]] = [[] for _ in range(threads)]
    barrier = threading.Barrier(threads + 1)

    def work(mine: list[int]) -> None:
        for _ in range(WARM_UP):
            call()
        barrier.wait()
        now = time.perf_counter_ns()
        until = now + int(seconds * 1e9)
        while now < until:
            call()
            then, now = now, time.perf_counter_ns()
            mine.append(now - then)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in taken]
    for worker in workers:
        worker.start()
    barrier.wait()
    cpu = time.process_time()
    for worker in workers:
        worker.join()
    times = [each for mine in taken for each in mine]
    ordered = statistics.quantiles(times, n=100)
    return {
        "calls_per_s": len(times) / seconds,
        "p50_us": ordered[49] / 1000,
        "p99_us": ordered[98] / 1000,
        "cpu_us": (time.process_time() - cpu) / len(times) * 1e6,
    }


def receiving(calls: Calls, seconds: float) -> float:
    """Messages per second of one stream."""
    stream = calls.download()
    next(stream)
    started = now = time.perf_counter()
    done = 0
    for _ in stream:
        done += 1
        if not done & 0x3F:
            now = time.perf_counter()
            if now - started > seconds:
                break
    stream.cancel()
    return done / (now - started)


def measure(row: str, seconds: float) -> dict[str, Figures]:
    """One row, with a server of its own."""
    whose, wire = ROWS[row]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "benchmarks.host", f"--wire={wire}", "--loop=asyncio", f"--scratch={scratch}"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                with CLIENTS[whose](server.stdout.readline().strip()) as calls:
                    figures = {str(count): calling(calls.small, count, seconds) for count in THREADS}
                    figures["download"] = {"messages_per_s": receiving(calls, seconds)}
            finally:
                server.kill()
    return figures


def run_rounds(rounds: int, seconds: float, form: str) -> dict[str, list[dict[str, Figures]]]:
    """Every row in each round, each in a process of its own."""
    results: dict[str, list[dict[str, Figures]]] = {row: [] for row in ROWS}
    for _ in range(rounds):
        for row, found in results.items():
            command = [sys.executable, "-m", "benchmarks.blocking", "--row", row, f"--seconds={seconds}"]
            command += ["--compiled"] if form == "compiled" else []
            found.append(json.loads(subprocess.check_output(command, cwd=ROOT, text=True, timeout=300)))
    return results


def show(results: dict[str, list[dict[str, Figures]]]) -> None:
    """Prints the table."""
    print("| client | threads | p50 µs | p99 µs | calls/s | client CPU µs a call | streamed messages/s |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    for row, rounds in results.items():

        def median(part: str, name: str, rounds: list[dict[str, Figures]] = rounds) -> str:
            return f"{statistics.median(figures[part][name] for figures in rounds):,.0f}"

        for count in map(str, THREADS):
            cells = [median(count, name) for name in ("p50_us", "p99_us", "calls_per_s", "cpu_us")]
            streamed = median("download", "messages_per_s") if count == "1" else ""
            print(f"| {row} | {count} | {' | '.join(cells)} | {streamed} |")


def main() -> None:
    """Runs the comparison, or one row of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each figure in each round")
    parser.add_argument("--compiled", action="store_true", help="ours compiled by mypyc")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    form = "compiled" if options.compiled else "interpreted"
    use_form(form)
    if options.row:
        print(json.dumps(measure(options.row, options.seconds)))
    else:
        show(run_rounds(options.rounds, options.seconds, form))


if __name__ == "__main__":
    main()
