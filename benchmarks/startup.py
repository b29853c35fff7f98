"""What it takes to import the SDK, beside what it takes to import ``grpc.aio``: ``python -m benchmarks.startup``.

The import alone loads next to nothing, because names are lazy; the last row is all that a client on TCP needs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from typing import Final

PROGRAM: Final = """
import sys, time
started = time.perf_counter()
{statement}
elapsed = time.perf_counter() - started
print(elapsed, "grpc" in sys.modules)
"""
STATEMENTS: Final = (
    "import eventflux_transport",
    "import grpc.aio",
    "from eventflux_runtime import connect; from eventflux_transport import Message, TransportClient",
)


def import_s(statement: str) -> tuple[float, bool]:
    """Seconds in a fresh process, and whether grpc is loaded afterwards."""
    output = subprocess.check_output([sys.executable, "-c", PROGRAM.format(statement=statement)], text=True)
    seconds, has_grpc = output.split()
    return float(seconds), has_grpc == "True"


def main() -> None:
    """Prints medians, their ratio, and whether the SDK loads grpc."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    loads_grpc = False
    for _ in range(options.rounds):
        for statement in STATEMENTS:
            seconds, has_grpc = import_s(statement)
            taken[statement].append(seconds)
            loads_grpc |= has_grpc and "eventflux" in statement
    for statement in STATEMENTS:
        print(f"{statistics.median(taken[statement]) * 1000:>6.0f} ms  {statement}")
    ours, theirs = (statistics.median(taken[statement]) for statement in STATEMENTS[:2])
    print(f"ratio {ours / theirs:.2f} (target: at most 0.5); the SDK loads grpc: {'yes' if loads_grpc else 'no'}")


if __name__ == "__main__":
    main()
