"""The pictures of the comparison, before they are drawn: which question each answers, and by which figures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Final

from benchmarks.report import values
from benchmarks.workload import Figures

Results = dict[str, list[dict[str, Figures]]]
"""Of each row, what each round measured."""


@dataclass(frozen=True, slots=True)
class Bars:
    """One question, answered by a bar for each row; rows that were not measured are left out."""

    name: str
    title: str
    workload: str
    figure: str
    rows: tuple[tuple[str, str], ...]
    """What a bar is called, and its row of the comparison."""


_LIKE_FOR_LIKE: Final = (
    ("ours, uvloop", "grpc uvloop compiled"),
    ("ours, asyncio", "grpc asyncio compiled"),
    ("ours, asyncio, not compiled", "grpc asyncio interpreted"),
    ("grpc.aio, uvloop", "grpc.aio uvloop"),
    ("grpc.aio, asyncio", "grpc.aio asyncio"),
    ("grpclib, asyncio", "grpclib asyncio"),
)
_WIRES: Final = tuple((wire, f"{wire} asyncio compiled") for wire in ("tcp", "unix", "tcps", "grpc", "grpcs", "grpcio"))
_LOOPS: Final = tuple(
    (f"{wire}, {loop}", f"{wire} {loop} compiled") for wire in ("tcp", "grpc") for loop in ("uvloop", "asyncio", "trio")
)

PICTURES: Final = (
    Bars("grpc-calls", "gRPC, like for like: calls per second", "throughput", "calls_per_s", _LIKE_FOR_LIKE),
    Bars("grpc-latency", "gRPC, like for like: one call, µs (less is better)", "latency", "p50_us", _LIKE_FOR_LIKE),
    Bars("grpc-stream", "gRPC, like for like: streamed messages/s", "download", "messages_per_s", _LIKE_FOR_LIKE),
    Bars("wires", "Which wire? Calls per second, asyncio", "throughput", "calls_per_s", _WIRES),
    Bars("loops", "Which event loop? Calls per second", "throughput", "calls_per_s", _LOOPS),
)

CROWDED: Final = (
    ("tcp, uvloop", "tcp uvloop compiled"),
    ("tcp, asyncio", "tcp asyncio compiled"),
    ("the ceiling, asyncio", "ceiling asyncio"),
)
"""The lines of the picture that tells how many calls may be in flight, and their rows."""


def medians(results: Results, picture: Bars) -> list[tuple[str, float, bool]]:
    """The label, the median and whether it is ours, of each bar of a picture."""
    found = []
    for label, row in picture.rows:
        numbers = values(results.get(row, []), picture.workload, picture.figure)
        if numbers:
            found.append((label, statistics.median(numbers), not row.startswith(("grpc.aio ", "grpclib "))))
    return found


def label(middle: float) -> str:
    """A figure as it stands beside its bar: in three digits, more of which no round repeats."""
    return f"{float(f'{middle:.3g}'):,.0f}"
