"""What is done with a peer's calls for a span of time, and the figures that come of it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import anyio

from benchmarks.peers.api import Calls
from benchmarks.sample import LARGE_PAYLOAD

Figures: TypeAlias = dict[str, float]

IN_FLIGHT: Final = 64
LARGE_IN_FLIGHT: Final = 4
CROWDS: Final = {"crowd-1024": 1024, "crowd-4096": 4096, "crowd-10000": 10_000}
"""Workloads of many small calls at a time, which show whether the cost of a call grows with their number."""
WINDOW: Final = 64
"""Messages of the bidirectional stream that are on their way at a time."""


def percentiles(numbers: list[float] | list[int]) -> list[float]:
    """The 99 percentiles; of fewer than two numbers, which a starved machine leaves, none is anything but 0."""
    return statistics.quantiles(numbers, n=100) if len(numbers) > 1 else [0.0] * 99


async def latency(call: Callable[[], Awaitable[Any]], seconds: float) -> Figures:
    """One call at a time: ``calls``, and ``p50_us`` and ``p99_us``."""
    clock = time.perf_counter_ns
    taken: list[int] = []
    until = clock() + int(seconds * 1e9)
    now = clock()
    while now < until:
        started = now
        await call()
        now = clock()
        taken.append(now - started)
    ordered = percentiles(taken)
    return {"calls": len(taken), "p50_us": ordered[49] / 1000, "p99_us": ordered[98] / 1000}


async def throughput(call: Callable[[], Awaitable[Any]], seconds: float, in_flight: int) -> Figures:
    """Many calls at a time: ``calls``, ``calls_per_s``, and ``p50_us`` and ``p99_us`` under that load.

    What is timed is the crowd at work: for `seconds` from when each caller has had its first answer, which for
    thousands of them takes connections to be made.
    """
    clock = time.perf_counter
    done = 0
    absent = in_flight
    until = float("inf")
    cpu: list[float] = []
    taken: list[float] = []

    async def worker() -> None:
        nonlocal absent, done, until
        await call()
        done += 1
        now = clock()
        absent -= 1
        if not absent:
            until = now + seconds
            cpu.append(time.process_time())
        while now < until:
            before = now
            await call()
            now = clock()
            done += 1
            if not absent and now < until:
                taken.append(now - before)
        cpu.append(time.process_time())

    async with anyio.create_task_group() as tasks:
        for _ in range(in_flight):
            tasks.start_soon(worker)
    ordered = percentiles(taken)
    return {
        "calls": done,
        "calls_per_s": len(taken) / seconds,
        "p50_us": ordered[49] * 1e6,
        "p99_us": ordered[98] * 1e6,
        "client_cpu_s_per_10k": (cpu[1] - cpu[0]) / len(taken) * 10_000,
    }


async def download(calls: Calls, seconds: float) -> Figures:
    """Server streaming: ``calls`` counts messages; ``messages_per_s``."""
    assert calls.download is not None
    clock = time.perf_counter
    done = 0
    async with calls.download() as messages:
        await anext(messages)
        started = clock()
        until = started + seconds
        async for _ in messages:
            done += 1
            if not done & 0x3F and clock() > until:
                break
        elapsed = clock() - started
    return {"calls": done, "messages_per_s": done / elapsed}


async def exchange(calls: Calls, seconds: float) -> Figures:
    """Bidirectional streaming with `WINDOW` messages on their way: ``calls`` counts echoes; ``messages_per_s``."""
    assert calls.exchange is not None
    clock = time.perf_counter
    done = 0
    async with calls.exchange() as stream:
        for _ in range(WINDOW):
            await stream.send()
        started = clock()
        until = started + seconds
        now = started
        while now < until:
            for _ in range(WINDOW // 2):
                await stream.receive()
            for _ in range(WINDOW // 2):
                await stream.send()
            done += WINDOW // 2
            now = clock()
    return {"calls": done, "messages_per_s": done / (now - started)}


def has_workload(name: str, calls: Calls) -> bool:
    """Whether a peer has the calls that a workload makes."""
    needed = {"large": calls.large, "download": calls.download, "exchange": calls.exchange}
    return needed.get(name, calls.small) is not None


async def run_workload(name: str, calls: Calls, seconds: float, in_flight: int = IN_FLIGHT) -> Figures:
    """Warms up, then runs one of `WORKLOADS` for about that many seconds."""
    call = calls.large if name == "large" else calls.small
    assert call is not None
    for _ in range(20 if name == "large" else 200):
        await call()
    gc.collect()
    gc.freeze()
    cpu = time.process_time()
    if name == "latency":
        figures = await latency(call, seconds)
    elif name == "download":
        figures = await download(calls, seconds)
    elif name == "exchange":
        figures = await exchange(calls, seconds)
    else:
        at_a_time = CROWDS.get(name, LARGE_IN_FLIGHT if name == "large" else in_flight)
        figures = await throughput(call, seconds, at_a_time)
    figures.setdefault("client_cpu_s_per_10k", (time.process_time() - cpu) / figures["calls"] * 10_000)
    if name == "large":
        figures["mb_per_s"] = figures["calls_per_s"] * len(LARGE_PAYLOAD) / 1e6
    return figures


WORKLOADS: Final = ("latency", "throughput", "download", "exchange", "large", *CROWDS)
