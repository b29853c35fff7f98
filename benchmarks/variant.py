"""The table's rows: which peers are compared, on which loops, in which form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.workload import CROWDS

_USUAL: Final = ("latency", "throughput", "download", "exchange", "large")


@dataclass(frozen=True, slots=True)
class Variant:
    """One row."""

    wire: str
    loop: str
    form: str = "compiled"
    workloads: tuple[str, ...] = _USUAL

    @property
    def name(self) -> str:
        """How figures of this row are found in the JSON file."""
        return f"{self.wire} {self.loop} {self.form}" if self.is_ours else f"{self.wire} {self.loop}"

    @property
    def is_ours(self) -> bool:
        """Whether it is a wire of this project."""
        return self.wire in {"tcp", "tcps", "unix", "grpc"}


QUICK: Final = (
    Variant("ceiling", "asyncio", workloads=(*_USUAL, *CROWDS)),
    Variant("ceiling", "uvloop", workloads=(*_USUAL, *CROWDS)),
    Variant("ceiling-bytes", "asyncio", workloads=("large",)),
    Variant("ceiling-bytes", "uvloop", workloads=("large",)),
    Variant("tcp", "asyncio", workloads=(*_USUAL, *CROWDS)),
    Variant("tcp", "uvloop", workloads=(*_USUAL, *CROWDS)),
    Variant("grpc", "asyncio"),
    Variant("grpc.aio", "asyncio"),
    Variant("grpc", "asyncio", "interpreted"),
)
"""What the targets compare."""

FULL: Final = (
    *QUICK,
    Variant("tcp", "trio"),
    Variant("tcp", "asyncio", "interpreted"),
    Variant("tcp", "uvloop", "interpreted"),
    Variant("tcp", "trio", "interpreted"),
    Variant("tcps", "asyncio"),
    Variant("tcps", "uvloop"),
    Variant("unix", "asyncio"),
    Variant("unix", "uvloop"),
    Variant("grpc", "uvloop"),
    Variant("grpc.aio", "uvloop"),
    Variant("grpclib", "asyncio"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio to reach between two rows, taken within each round."""

    text: str
    ours: str
    other: str
    workload: str
    figure: str
    bound: float
    is_least: bool = True
    other_workload: str = ""
    """Of the row compared with; empty: the same."""

    def is_met(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        return ratio >= self.bound if self.is_least else ratio <= self.bound


def _of_loop(loop: str) -> tuple[Target, ...]:
    ours, ceiling, aio = f"tcp {loop} compiled", f"ceiling {loop}", "grpc.aio asyncio"
    return (
        Target(f"TCP, {loop}: calls/s, of the ceiling", ours, ceiling, "throughput", "calls_per_s", 0.8),
        Target(f"TCP, {loop}: p50, of the ceiling", ours, ceiling, "latency", "p50_us", 1.3, is_least=False),
        Target(f"TCP, {loop}: calls/s, of grpc.aio", ours, aio, "throughput", "calls_per_s", 10.0),
        Target(f"TCP, {loop}: p50, of grpc.aio", ours, aio, "latency", "p50_us", 0.2, is_least=False),
        Target(f"TCP, {loop}: streamed messages/s, of grpc.aio", ours, aio, "download", "messages_per_s", 10.0),
        Target(f"TCP, {loop}: MB/s of 1 MiB, of echoed bytes", ours, f"ceiling-bytes {loop}", "large", "mb_per_s", 0.7),
    )


def _crowded(loop: str, workload: str) -> Target:
    row = f"tcp {loop} compiled"
    text = f"TCP, {loop}: calls/s with {CROWDS[workload]:,} in flight, of those with 64"
    return Target(text, row, row, workload, "calls_per_s", 0.8, other_workload="throughput")


TARGETS: Final = (
    *_of_loop("asyncio"),
    *_of_loop("uvloop"),
    *(_crowded(loop, workload) for loop in ("asyncio", "uvloop") for workload in CROWDS),
    Target(
        "TCP, trio: calls/s, of asyncio", "tcp trio compiled", "tcp asyncio compiled", "throughput", "calls_per_s", 0.5
    ),
    *(
        Target(
            f"gRPC, asyncio, {form}: calls/s, of grpc.aio",
            f"grpc asyncio {form}",
            "grpc.aio asyncio",
            "throughput",
            "calls_per_s",
            0.9,
        )
        for form in ("compiled", "interpreted")
    ),
)
