"""Server processes that tests start, kill and restart, and the load that runs meanwhile."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from eventflux_runtime import RpcError
from tests.support.wires import FLEET_HOST, at, server_config

ROOT = Path(__file__).resolve().parents[2]


class Fleet:
    """Several processes that serve `tests.support.server_process`."""

    def __init__(self, urls: list[str]) -> None:
        self._processes = [self._start(str(index), url) for index, url in enumerate(urls)]
        self.urls = [self._url(process) for process in self._processes]

    @staticmethod
    def _start(name: str, url: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.server_process", name, url]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def _url(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def kill(self, index: int) -> None:
        """As ``kill -9``."""
        self._processes[index].kill()
        self._processes[index].wait()

    def freeze(self, index: int) -> None:
        """As ``kill -STOP``: the sockets stay open and nobody answers."""
        self._processes[index].send_signal(signal.SIGSTOP)

    def thaw(self, index: int) -> None:
        """As ``kill -CONT``."""
        self._processes[index].send_signal(signal.SIGCONT)

    async def drain(self, index: int) -> None:
        """As an orderly stop: returns when the process has ended by itself."""
        self._processes[index].terminate()
        assert await run_sync(self._processes[index].wait) == 0

    async def restart(self, index: int) -> None:
        """Serves again at the same address; returns when it does."""
        self._close(index)
        self._processes[index] = self._start(str(index), self.urls[index])
        assert await run_sync(self._url, self._processes[index]) == self.urls[index]

    def _close(self, index: int) -> None:
        process = self._processes[index]
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def close(self) -> None:
        """Ends them all."""
        for index in range(len(self._processes)):
            self._close(index)


@contextmanager
def fleet(wire: str, size: int, tmp_path: Path) -> Iterator[Fleet]:
    """So many servers on one wire."""
    if wire == "unix":
        urls = [f"unix://{tmp_path}/{index}.sock" for index in range(size)]
    else:
        urls = [at(wire, FLEET_HOST)] * size
        server_config(None, *urls)  # makes the certificates that the children find
    started = Fleet(urls)
    try:
        yield started
    finally:
        started.close()


BREATH_S = 0.015


@dataclass
class Load:
    """Workers that make one call after another, and what came of it. Each takes a breath between two.

    Without it the workers would keep the processor from the servers that are to start meanwhile.
    """

    call: Callable[[], Awaitable[str]]
    workers: int = 16
    answers: dict[str, int] = field(default_factory=dict)
    failures: list[RpcError] = field(default_factory=list)
    slowest_s: float = 0.0
    _is_over: bool = False
    _goal: float = math.inf
    _reached: anyio.Event = field(default_factory=anyio.Event)

    @property
    def answered(self) -> int:
        """Calls that succeeded."""
        return sum(self.answers.values())

    async def run(self) -> None:
        """Until `stop`."""
        async with anyio.create_task_group() as tasks:
            for _ in range(self.workers):
                tasks.start_soon(self._work)

    def stop(self) -> None:
        """Each worker ends after its call."""
        self._is_over = True

    async def more(self, calls: int) -> None:
        """Returns when so many more calls have been answered."""
        self._goal = self.answered + calls
        self._reached = anyio.Event()
        await self._reached.wait()

    async def _work(self) -> None:
        while not self._is_over:
            began = anyio.current_time()
            try:
                name = await self.call()
            except RpcError as error:
                self.failures.append(error)
                await anyio.lowlevel.checkpoint()
            else:
                self.answers[name] = self.answers.get(name, 0) + 1
                if self.answered >= self._goal:
                    self._reached.set()
            self.slowest_s = max(self.slowest_s, anyio.current_time() - began)
            await anyio.sleep(BREATH_S)
