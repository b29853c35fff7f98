"""A soak of one wire: many large calls, each checked, with memory, files and tasks of both processes looked at between.

Rounds of calls alternate with moments in which no call is in flight: only then are two samples comparable.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import psutil

from benchmarks.loop import run_on
from eventflux_runtime import ClientConfig, RpcError, connect
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.soak.content import REQUEST_BYTES, RESPONSE_BYTES, request_of, response_of
from tests.support.authority import Authority
from tests.support.wires import at

__all__ = ["WIRES", "Sample", "Soak", "run_soak"]

WIRES: Final = ("tcp", "unix", "grpc", "rdma", "tcps", "quic")
ROOT: Final = Path(__file__).resolve().parents[2]
WARM_UP: Final = 0.2
"""The part of the calls after which memory has to stay where it is: pools and caches are filled by then."""
GROWTH_BYTES_PER_CALL: Final = 400
"""Memory may grow by this much for each call, which is less than a forgotten task, future or message header takes."""

NOISE_BYTES: Final = 4 * 2**20
"""What an allocator may keep more at one moment than at another, however few calls there were."""


@dataclass(frozen=True)
class Sample:
    """One process at a moment without calls."""

    rss: int
    """BackgroundTask bytes."""
    files: int
    tasks: int


@dataclass
class Soak:
    """What a soak has seen. `client` and `server` have a sample from before each round, and one from the end."""

    wire: str
    loop: str
    calls: int
    in_flight: int = 16
    seconds: float = 0.0
    """Of the rounds alone."""
    failures: list[str] = field(default_factory=list)
    client: list[Sample] = field(default_factory=list)
    server: list[Sample] = field(default_factory=list)

    @property
    def calls_per_s(self) -> float:
        return self.calls / self.seconds

    @property
    def bytes_per_s(self) -> float:
        """Of payload, both ways."""
        return self.calls_per_s * (REQUEST_BYTES + RESPONSE_BYTES)

    def growth(self, samples: list[Sample]) -> float:
        """BackgroundTask bytes gained over all rounds after the warm-up, by the line that fits the samples best."""
        later = _warm(samples)
        slope, _ = statistics.linear_regression(range(len(later)), [sample.rss for sample in later])
        return slope * (len(later) - 1)

    def allowed_growth(self) -> float:
        """What `growth` may be."""
        return max(NOISE_BYTES, GROWTH_BYTES_PER_CALL * self.calls * (1 - WARM_UP))

    def faults(self) -> list[str]:
        """What is wrong; empty: nothing."""
        found = [f"{len(self.failures)} calls failed, the first: {self.failures[0]}"] if self.failures else []
        for side, samples in (("client", self.client), ("server", self.server)):
            later = _warm(samples)
            # A server keeps idle tasks for the next handlers, never more than there were calls at a time.
            for name, spare in (("files", 0), ("tasks", self.in_flight)):
                first, last = getattr(later[0], name), getattr(later[-1], name)
                if last > first + spare:
                    found.append(f"the {side} had {first} {name} after the warm-up and {last} in the end")
            growth = self.growth(samples)
            if growth > self.allowed_growth():
                found.append(
                    f"the {side}'s memory grew by {growth / 2**20:.1f} MiB after the warm-up, "
                    f"{self.allowed_growth() / 2**20:.1f} MiB are allowed"
                )
        return found


def _warm(samples: list[Sample]) -> list[Sample]:
    return samples[math.ceil((len(samples) - 1) * WARM_UP) :]


def run_soak(
    wire: str,
    loop: str,
    calls: int,
    folder: Path,
    *,
    rounds: int = 40,
    in_flight: int = 16,
    progress: Callable[[str], None] = lambda _: None,
) -> Soak:
    """Soaks one wire, with the server in a process of its own on the same kind of loop."""
    soak = Soak(wire, loop, calls, in_flight)
    tls: Authority | None = Authority(folder) if wire.endswith("s") or wire == "quic" else None
    config = ClientConfig(tls=tls.trusting() if tls is not None else None)
    with _server(wire, loop, folder, tls) as (url, pid):
        run_on(loop, _calls, soak, url, pid, config, rounds, progress)
    return soak


@contextmanager
def _server(wire: str, loop: str, folder: Path, tls: Authority | None) -> Iterator[tuple[str, int]]:
    url = f"unix://{folder}/soak.sock" if wire == "unix" else at(wire)
    command = [sys.executable, "-m", "tests.soak.node", url, "--loop", loop]
    if tls is not None:
        pair = tls.server()
        command += ["--cert-file", pair.cert_file, "--key-file", pair.key_file]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            bound = process.stdout.readline().strip()
            assert bound, f"the serving process of {wire} on {loop} did not start"
            yield bound, process.pid
        finally:
            process.kill()


async def _calls(
    soak: Soak,
    url: str,
    pid: int,
    config: ClientConfig,
    rounds: int,
    progress: Callable[[str], None],
) -> None:
    ours, theirs = psutil.Process(), psutil.Process(pid)
    async with connect(url, config=config) as channel:
        client = TransportClient(channel)

        async def sample() -> None:
            answer = await client.heartbeat(HeartbeatRequest())
            tasks = answer.server_status.active_connections if answer.server_status is not None else 0
            soak.server.append(Sample(theirs.memory_info().rss, theirs.num_fds(), tasks))
            soak.client.append(Sample(ours.memory_info().rss, ours.num_fds(), len(anyio.get_running_tasks())))

        async def work(numbers: Iterator[int]) -> None:
            for call in numbers:
                await _call(client, call, soak.failures)

        for round_ in range(rounds):
            await sample()
            numbers = iter(range(soak.calls * round_ // rounds, soak.calls * (round_ + 1) // rounds))
            began = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                for _ in range(soak.in_flight):
                    tasks.start_soon(work, numbers)
            soak.seconds += time.perf_counter() - began
            progress(f"{soak.wire}: {soak.calls * (round_ + 1) // rounds} calls, {len(soak.failures)} failed")
        await sample()


async def _call(client: TransportClient, call: int, failures: list[str]) -> None:
    try:
        answer = await client.send_message(Message(id=str(call), payload=request_of(call)), timeout_s=60.0)
    except RpcError as error:
        failures.append(f"call {call}: {error}")
        return
    if answer.id != str(call) or answer.payload != response_of(call):
        failures.append(f"call {call}: the answer is not what was sent")
