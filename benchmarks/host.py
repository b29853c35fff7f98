"""The serving process: prints where it serves, and ends when its standard input does."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

import anyio

from benchmarks.loop import LOOPS, run_on
from benchmarks.peers.api import Place
from benchmarks.peers.registry import WIRES, peer_named


def _end_with_the_caller() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


async def _serve(wire: str, scratch: Path) -> None:
    async with peer_named(wire).serve(Place(scratch=scratch)) as address:
        print(address, flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """Serves one peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wire", choices=WIRES, required=True)
    parser.add_argument("--loop", choices=LOOPS, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    options = parser.parse_args()
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    run_on(options.loop, _serve, options.wire, options.scratch)


if __name__ == "__main__":
    main()
