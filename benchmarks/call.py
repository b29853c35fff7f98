"""Times one workload on one peer: a process that serves, and this one, which calls.

    python -m benchmarks.call --wire tcp --loop uvloop --in-flight 64 --seconds 3
    python -m benchmarks.call --wire tcp --loop uvloop --in-flight 64 --seconds 3 --compiled

``--in-flight 1`` is one call at a time; ``--workload`` gives streaming and large messages. CPU seconds are those of
10,000 calls, or of 10,000 messages of a stream.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.form import ROOT, use_form
from benchmarks.loop import LOOPS, run_on
from benchmarks.peers.api import Place
from benchmarks.peers.registry import WIRES, peer_named
from benchmarks.workload import IN_FLIGHT, WORKLOADS, Figures, has_workload, run_workload


@contextmanager
def hosted(wire: str, loop: str, scratch: Path) -> Iterator[tuple[Place, psutil.Process]]:
    """A serving process, while the context is open."""
    command = [sys.executable, "-m", "benchmarks.host", f"--wire={wire}", f"--loop={loop}", f"--scratch={scratch}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"the serving process of {wire} on {loop} did not start")
        try:
            yield Place(scratch=scratch, address=address), psutil.Process(process.pid)
        finally:
            process.kill()


def measure(
    wire: str, loop: str, workloads: Sequence[str], seconds: float, in_flight: int = IN_FLIGHT
) -> dict[str, Figures]:
    """The figures of each workload on one peer; those that the peer does not have are left out."""
    figures: dict[str, Figures] = {}

    async def run(place: Place, server: psutil.Process) -> None:
        async with peer_named(wire).connect(place) as calls:
            for workload in workloads:
                if has_workload(workload, calls):
                    before = server.cpu_times()
                    result = await run_workload(workload, calls, seconds, in_flight)
                    after = server.cpu_times()
                    spent = after.user + after.system - before.user - before.system
                    result["server_cpu_s_per_10k"] = spent / result["calls"] * 10_000
                    figures[workload] = result

    with tempfile.TemporaryDirectory() as scratch, hosted(wire, loop, Path(scratch)) as (place, server):
        run_on(loop, run, place, server)
    return figures


def main() -> None:
    """Prints the figures, one a line or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wire", choices=WIRES, default="tcp")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--workload", choices=WORKLOADS, nargs="+")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--compiled", action="store_true", help="the wire core and the codec compiled by mypyc")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use_form("compiled" if options.compiled else "interpreted")
    workloads = options.workload or ["latency" if options.in_flight == 1 else "throughput"]
    results = measure(options.wire, options.loop, workloads, options.seconds, options.in_flight)
    if options.json:
        print(json.dumps(results))
        return
    for workload, figures in results.items():
        print(workload)
        for name, value in figures.items():
            print(f"  {name:<24}{value:>14,.2f}")


if __name__ == "__main__":
    main()
