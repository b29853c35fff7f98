"""Compares every wire of ours with gRPC's libraries and with the ceiling: ``nox -s bench``.

Each row is measured in turn within a round, by two fresh processes, and there are several rounds, so that what the
machine does besides falls on all of them. Figures are medians over the rounds; ratios are taken within each round.
Writes ``bench.json`` and pictures, and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.form import ROOT
from benchmarks.plot import draw
from benchmarks.report import render
from benchmarks.variant import FULL, QUICK, Variant
from benchmarks.workload import Figures

Rounds: TypeAlias = dict[str, list[dict[str, Figures]]]

MARKERS: Final = ("<!-- bench -->", "<!-- /bench -->")


def compiled_path() -> str:
    """Where the compiled form lies, made afresh if the sources have changed."""
    from hatch_build import compile_into  # noqa: PLC0415 - needs hatchling, which only this form does

    compile_into(ROOT / "build" / "compiled")
    return str(ROOT / "build" / "compiled")


def run_variant(variant: Variant, seconds: float, compiled: str) -> dict[str, Figures]:
    """One row in one round."""
    command = [sys.executable, "-m", "benchmarks.call", "--json", f"--seconds={seconds}"]
    command += [f"--wire={variant.wire}", f"--loop={variant.loop}", "--workload", *variant.workloads]
    environment = dict(os.environ)
    if variant.form == "compiled":
        environment["PYTHONPATH"] = compiled
    output = subprocess.check_output(command, cwd=ROOT, env=environment, text=True, timeout=300)
    result: dict[str, Figures] = json.loads(output)
    return result


def run_rounds(variants: Sequence[Variant], rounds: int, seconds: float) -> Rounds:
    """Every row in each round."""
    compiled = compiled_path()
    results: Rounds = {variant.name: [] for variant in variants}
    for number in range(rounds):
        for variant in variants:
            print(f"round {number + 1} of {rounds}: {variant.name:<28}", end="\r", file=sys.stderr, flush=True)
            results[variant.name].append(run_variant(variant, seconds, compiled))
    print(" " * 60, end="\r", file=sys.stderr)
    return results


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}


def renew_page(page: Path, tables: str) -> None:
    """Puts the tables into the page, between its markers."""
    before, rest = page.read_text().split(MARKERS[0])
    _, after = rest.split(MARKERS[1])
    page.write_text(f"{before}{MARKERS[0]}\n{tables}\n{MARKERS[1]}{after}")


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="what the targets compare, once; within a minute")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each workload in each round")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build" / "bench", help="folder of the JSON file and the pictures"
    )
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md and its files")
    options = parser.parse_args()
    folder = ROOT / "docs" if options.docs else options.output
    started = time.monotonic()
    results = run_rounds(QUICK, 1, 0.2) if options.quick else run_rounds(FULL, options.rounds, options.seconds)
    folder.mkdir(parents=True, exist_ok=True)
    document = {"machine": describe_machine(), "rounds": results}
    (folder / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    pictures = draw(results, folder / "assets" if options.docs else folder)
    tables = render(results)
    if options.docs:
        renew_page(folder / "performance.md", tables)
    print(tables)
    print(f"\n{time.monotonic() - started:.0f} s; {folder / 'bench.json'}, {len(pictures)} pictures beside it")


if __name__ == "__main__":
    main()
