"""The table's rows: which peers are compared, on which loops, in which form."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        return self.wire not in {"ceiling", "ceiling-bytes", "grpc.aio", "grpc.aio-gzip", "grpclib"}


_PACKED: Final = ("throughput", "large")

QUICK: Final = (
    Variant("ceiling", "asyncio"),
    Variant("ceiling", "uvloop"),
    Variant("ceiling-bytes", "asyncio", workloads=("large",)),
    Variant("ceiling-bytes", "uvloop", workloads=("large",)),
    Variant("tcp", "asyncio"),
    Variant("tcp", "uvloop"),
    Variant("grpc", "asyncio"),
    Variant("grpc", "uvloop"),
    Variant("grpc.aio", "asyncio"),
    Variant("grpc", "asyncio", "interpreted"),
)
"""What the targets compare, but for the loops and the crowds that take long."""

_CROWDED: Final = ("ceiling", "tcp")

FULL: Final = (
    *(replace(row, workloads=(*row.workloads, *CROWDS)) if row.wire in _CROWDED else row for row in QUICK),
    Variant("grpc.aio", "uvloop"),
    Variant("tcp", "trio"),
    Variant("grpc", "trio"),
    Variant("tcp", "asyncio", "interpreted"),
    Variant("tcp", "uvloop", "interpreted"),
    Variant("tcp", "trio", "interpreted"),
    Variant("grpc", "uvloop", "interpreted"),
    Variant("grpc", "trio", "interpreted"),
    Variant("tcps", "asyncio"),
    Variant("tcps", "uvloop"),
    Variant("grpcs", "asyncio"),
    Variant("grpcs", "uvloop"),
    Variant("ws", "asyncio"),
    Variant("ws", "uvloop"),
    Variant("wss", "asyncio"),
    Variant("wss", "uvloop"),
    Variant("quic", "asyncio"),
    Variant("quic", "uvloop"),
    Variant("quic", "trio"),
    Variant("rdma", "asyncio"),
    Variant("rdma", "uvloop"),
    Variant("unix", "asyncio"),
    Variant("unix", "uvloop"),
    Variant("grpc.aio-to-grpc", "asyncio"),
    Variant("grpc-to-grpc.aio", "asyncio"),
    Variant("grpcio", "asyncio"),
    Variant("grpc-gzip", "asyncio", workloads=_PACKED),
    Variant("grpc-zstd", "asyncio", workloads=_PACKED),
    Variant("grpc.aio-gzip", "asyncio", workloads=_PACKED),
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


def _of_loop(loop: str, p50: float) -> tuple[Target, ...]:
    ours, ceiling, aio = f"tcp {loop} compiled", f"ceiling {loop}", f"grpc.aio {loop}"
    return (
        Target(f"TCP, {loop}: calls/s, of the ceiling", ours, ceiling, "throughput", "calls_per_s", 1.0),
        Target(f"TCP, {loop}: p50, of the ceiling", ours, ceiling, "latency", "p50_us", 1.3, is_least=False),
        Target(f"TCP, {loop}: calls/s, of grpc.aio", ours, aio, "throughput", "calls_per_s", 25.0),
        Target(f"TCP, {loop}: p50, of grpc.aio", ours, aio, "latency", "p50_us", p50, is_least=False),
        Target(f"TCP, {loop}: streamed messages/s, of grpc.aio", ours, aio, "download", "messages_per_s", 10.0),
        Target(f"TCP, {loop}: MB/s of 1 MiB, of echoed bytes", ours, f"ceiling-bytes {loop}", "large", "mb_per_s", 0.7),
    )


def _grpc(loop: str, p50: float) -> tuple[Target, ...]:
    ours, aio, tcp = f"grpc {loop} compiled", f"grpc.aio {loop}", f"tcp {loop} compiled"
    interpreted = f"grpc {loop} interpreted"
    return (
        Target(f"gRPC, {loop}: calls/s, of grpc.aio", ours, aio, "throughput", "calls_per_s", 15.0),
        Target(f"gRPC, {loop}: calls/s, of TCP", ours, tcp, "throughput", "calls_per_s", 0.8),
        Target(f"gRPC, {loop}, interpreted: calls/s, of grpc.aio", interpreted, aio, "throughput", "calls_per_s", 5.0),
        Target(f"gRPC, {loop}: p50, of grpc.aio", ours, aio, "latency", "p50_us", p50, is_least=False),
        Target(f"gRPC, {loop}: streamed messages/s, of grpc.aio", ours, aio, "download", "messages_per_s", 20.0),
    )


def _crowded(loop: str, workload: str) -> Target:
    row = f"tcp {loop} compiled"
    text = f"TCP, {loop}: calls/s with {CROWDS[workload]:,} in flight, of those with 64"
    return Target(text, row, row, workload, "calls_per_s", 0.8, other_workload="throughput")


def _carried(name: str, wire: str, loop: str, bound: float) -> Target:
    ours, tcp = f"{wire} {loop} compiled", f"tcp {loop} compiled"
    return Target(f"{name}, {loop}: calls/s, of TCP", ours, tcp, "throughput", "calls_per_s", bound)


def _large(name: str, wire: str, loop: str, bound: float) -> Target:
    ours, tcp = f"{wire} {loop} compiled", f"tcp {loop} compiled"
    return Target(f"{name}, {loop}: MB/s of 1 MiB, of TCP", ours, tcp, "large", "mb_per_s", bound)


def _trio(name: str, wire: str) -> Target:
    trio, asyncio = f"{wire} trio compiled", f"{wire} asyncio compiled"
    return Target(f"{name}, trio: calls/s, of asyncio", trio, asyncio, "throughput", "calls_per_s", 0.5)


TARGETS: Final = (
    *_of_loop("asyncio", 1 / 5),
    *_of_loop("uvloop", 1 / 8),
    *(_crowded(loop, workload) for loop in ("asyncio", "uvloop") for workload in CROWDS),
    *_grpc("asyncio", 1 / 5),
    *_grpc("uvloop", 1 / 8),
    Target(
        "grpc.aio to our server: calls/s, of grpc.aio to its own",
        "grpc.aio-to-grpc asyncio compiled",
        "grpc.aio asyncio",
        "throughput",
        "calls_per_s",
        2.0,
    ),
    *(_carried("WebSocket", "ws", loop, 0.8) for loop in ("asyncio", "uvloop")),
    *(_carried("QUIC", "quic", loop, 0.35) for loop in ("asyncio", "uvloop")),
    *(_carried("RDMA in software", "rdma", loop, 0.6) for loop in ("asyncio", "uvloop")),
    *(_large("RDMA in software", "rdma", loop, 0.8) for loop in ("asyncio", "uvloop")),
    _trio("TCP", "tcp"),
    _trio("gRPC", "grpc"),
)
