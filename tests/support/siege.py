"""A server process under attack: its memory is watched, another client calls it meanwhile, and it has to stop in time.

What is measured is printed, so that ``pytest -s`` shows the figures.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
import psutil
from anyio.to_thread import run_sync

from eventflux_runtime import connect
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.fleet import Load

__all__ = ["BASE_GROWTH", "MIB", "Besiege", "Forge", "Siege", "besieged", "forge"]

ROOT: Final = Path(__file__).resolve().parents[2]
MIB: Final = 1024 * 1024
GRACE_S: Final = 0.5
"""What the server's handlers have to end in, before they are cancelled."""
CLOSING_S: Final = 1.0
"""What a peer has that takes nothing: `eventflux_runtime.carrier.api.CLOSE_S`."""
SLACK_S: Final = 3.0
"""What a busy machine may add."""
SLOWEST_S: Final = 5.0
"""No call of the other client takes longer; on a machine that does nothing else they take milliseconds."""
WARM_CALLS: Final = 20
LEAST_CALLS: Final = 20
"""Calls that the other client makes in any case, so that it has seen what the attack leaves behind."""
CALL_S: Final = 10.0
SAMPLE_S: Final = 0.02


BASE_GROWTH: Final = 16 * MIB
"""What any client may cost: 1 MiB that waits to be sent (`HIGH_WATER_BYTES`), 256 KiB read at a time and as much of
answers (`max_reply_bytes`), the objects of at most 1,000 calls, and what Python's allocator keeps of them."""


class Siege:
    """One server process, and what was seen of it."""

    def __init__(self, process: int, url: str) -> None:
        self.url = url
        self.load: Load
        self.growth = 0
        """Bytes by which its memory rose above what it was before, at most."""
        self.held = 0
        """The same at the last look."""
        self._process = psutil.Process(process)
        self._before = 0
        self._cpu_before = 0.0
        self.used_s = 0.0
        """The processor's time that it has used since."""

    def __repr__(self) -> str:
        return (
            f"+{self.growth / MIB:.1f} MiB at most, {self.held / MIB:.1f} at last, {self.used_s:.2f} s of CPU; "
            f"{self.load.answered} calls of the other client, the slowest {self.load.slowest_s * 1000:.0f} ms"
        )

    def begin(self) -> None:
        """The attack begins: what the memory is now counts as before it."""
        self._before = self._private_bytes()
        self._cpu_before = self._cpu()

    def _private_bytes(self) -> int:
        # Without the pages of files, which a fork maps again as it touches them.
        memory = self._process.memory_info()
        return int(memory.rss - memory.shared)

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def look(self) -> None:
        """Takes a sample."""
        self.held = self._private_bytes() - self._before
        self.growth = max(self.growth, self.held)
        self.used_s = self._cpu() - self._cpu_before

    async def watch(self) -> None:
        """Takes samples; to be cancelled."""
        while True:
            self.look()
            await anyio.sleep(SAMPLE_S)

    def files(self) -> int:
        """Files that it has open, connections among them."""
        return int(self._process.num_fds())

    async def has_files(self, count: int) -> None:
        """Returns when it has no more files open than that.

        Raises:
            TimeoutError: it has for too long.
        """
        with anyio.fail_after(CLOSING_S + SLACK_S):
            while self.files() > count:  # noqa: ASYNC110 - another process tells no event
                await anyio.sleep(SAMPLE_S)

    def check(self, growth: int) -> None:
        """Checks what holds after every attack.

        Raises:
            AssertionError: it does not.
        """
        assert self.load.failures == []
        assert self.load.slowest_s < SLOWEST_S
        assert self.growth < growth, f"{self.growth / MIB:.1f} MiB"


class Forge:
    """Starts server processes quickly: they are forks of one that has imported everything."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.target"]
        self._parent = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, order: object) -> str:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        return self._parent.stdout.readline().strip()

    def start(self, loop: str, options: dict[str, Any], errors: Path, scheme: str) -> tuple[int, str]:
        """A new server; its process id and its URL. It writes its log to a file."""
        order = {"loop": loop, "url": f"{scheme}://127.0.0.1:0", "options": options, "errors": str(errors)}
        number, url = self._ask(order).split()
        return int(number), url

    def wait(self, process: int) -> int:
        """Waits for the end of a process; its exit code, or less its signal."""
        return int(self._ask(process))

    def close(self) -> None:
        """Ends the parent; the others have ended."""
        self._parent.kill()
        self._parent.communicate()


@contextmanager
def forge() -> Iterator[Forge]:
    """Where servers are started."""
    made = Forge()
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def besieged(
    made_by: Forge,
    name: str,
    loop: str = "asyncio",
    *,
    growth: int,
    errors: Path,
    scheme: str = "grpc",
    **options: Any,
) -> AsyncIterator[Siege]:
    """A server that is attacked within the context, and has to come out of it well.

    Args:
        made_by: what starts it.
        name: of the attack, for what is printed.
        loop: of the server: asyncio, uvloop or trio.
        growth: bytes of memory that the attack may cost the server.
        errors: a file for its log.
        scheme: of the wire.
        options: of `eventflux_runtime.ServerConfig`, as `tests.support.target.config_of` takes them.

    Raises:
        AssertionError: the server grew, served the other client badly, or a new one, did not stop, or logged a fault.
    """
    process, url = made_by.start(loop, {"drain_grace_s": GRACE_S, **options}, errors, scheme)
    has_ended = False
    try:
        siege = Siege(process, url)
        async with _other_client(siege):
            yield siege
        await _serves_somebody_new(url)
        began = time.monotonic()
        os.kill(process, signal.SIGTERM)
        with anyio.fail_after(GRACE_S + CLOSING_S + SLACK_S):
            code = await run_sync(made_by.wait, process, abandon_on_cancel=True)
        has_ended = True
        stopped_s = time.monotonic() - began
    finally:
        if not has_ended:
            os.kill(process, signal.SIGKILL)
    print(f"\n{name} on {loop}: {siege!r}; stopped within {stopped_s:.2f} s")
    siege.check(growth)
    assert code == 0
    assert "Traceback" not in await anyio.Path(errors).read_text()


@asynccontextmanager
async def _other_client(siege: Siege) -> AsyncIterator[None]:
    async with connect(siege.url) as channel, anyio.create_task_group() as tasks:
        client = TransportClient(channel)

        async def call() -> str:
            return (await client.heartbeat(HeartbeatRequest(), timeout_s=CALL_S)).server_node_id

        siege.load = load = Load(call, workers=2)
        for _ in range(WARM_CALLS):
            await call()
        siege.begin()
        tasks.start_soon(siege.watch)
        tasks.start_soon(load.run)
        yield
        await load.more(LEAST_CALLS)
        load.stop()
        siege.look()
        tasks.cancel_scope.cancel()


async def _serves_somebody_new(url: str) -> None:
    async with connect(url) as channel:
        await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=CALL_S)


Besiege: TypeAlias = Callable[..., AbstractAsyncContextManager[Siege]]
"""`besieged` with all but the attack's own arguments."""
