"""The whole soak: 20,000 large calls on each wire, then a table; any fault is an exit code of 1.

python -m tests.soak --wire tcp --loop uvloop --calls 20000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.loop import LOOPS
from tests.soak.content import REQUEST_BYTES, RESPONSE_BYTES
from tests.soak.soak import WIRES, Soak, run_soak

COLUMNS = (
    "wire",
    "calls/s",
    "MB/s",
    "failed",
    "client MiB: start, warm, end",
    "server MiB: start, warm, end",
    "files (c, s)",
    "tasks (c, s)",
)


def row(soak: Soak) -> tuple[str, ...]:
    """One line of the table."""
    warm = len(soak.client) // 5
    memory = [
        ", ".join(f"{samples[index].rss / 2**20:.1f}" for index in (0, warm, -1))
        for samples in (soak.client, soak.server)
    ]
    return (
        soak.wire,
        f"{soak.calls_per_s:.0f}",
        f"{soak.bytes_per_s / 1e6:.0f}",
        str(len(soak.failures)),
        *memory,
        f"{soak.client[-1].files}, {soak.server[-1].files}",
        f"{soak.client[-1].tasks}, {soak.server[-1].tasks}",
    )


def main() -> int:
    """Runs the wires asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wire", choices=WIRES, action="append", help="repeatable; all without it")
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=16)
    options = parser.parse_args()
    rows: list[tuple[str, ...]] = [COLUMNS]
    faults: list[str] = []
    for wire in options.wire or WIRES:
        with tempfile.TemporaryDirectory() as folder:
            soak = run_soak(
                wire, options.loop, options.calls, Path(folder), in_flight=options.in_flight, progress=_progress
            )
        rows.append(row(soak))
        faults += [f"{wire}: {fault}" for fault in soak.faults()]
    print(f"{options.calls} calls, {REQUEST_BYTES} bytes out and {RESPONSE_BYTES} back, on {options.loop}:")
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
