"""What it takes to import the SDK, beside what it takes to import ``grpc.aio``: ``python -m benchmarks.startup``."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from typing import Final

PROGRAM: Final = """
import sys, time
started = time.perf_counter()
import {module}
elapsed = time.perf_counter() - started
print(elapsed, "grpc" in sys.modules)
"""
MODULES: Final = ("eventflux_transport", "grpc.aio")


def import_s(module: str) -> tuple[float, bool]:
    """Seconds in a fresh process, and whether grpc is loaded afterwards."""
    output = subprocess.check_output([sys.executable, "-c", PROGRAM.format(module=module)], text=True)
    seconds, has_grpc = output.split()
    return float(seconds), has_grpc == "True"


def main() -> None:
    """Prints medians, their ratio, and whether the SDK loads grpc."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {module: [] for module in MODULES}
    loads_grpc = False
    for _ in range(options.rounds):
        for module in MODULES:
            seconds, has_grpc = import_s(module)
            taken[module].append(seconds)
            loads_grpc |= has_grpc and module != "grpc.aio"
    ours, theirs = (statistics.median(taken[module]) for module in MODULES)
    for module in MODULES:
        print(f"import {module:<22}{statistics.median(taken[module]) * 1000:>8.0f} ms")
    print(f"ratio {ours / theirs:.2f} (target: at most 0.5); the SDK loads grpc: {'yes' if loads_grpc else 'no'}")


if __name__ == "__main__":
    main()
