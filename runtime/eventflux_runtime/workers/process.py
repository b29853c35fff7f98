"""One worker process, as the process that started it sees it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Mapping
from multiprocessing import resource_tracker
from typing import Final

import anyio

from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.workers.order import Order
from eventflux_runtime.workers.worker import FAILED, HELD_BACK, SERVING, run_worker

__all__ = ["WorkerProcess"]

_CONTEXT: Final = multiprocessing.get_context("spawn")
"""A fresh Python for each worker: a fork would copy an event loop that runs, and whatever threads hold locked."""


class WorkerProcess:
    """A process that was started, until it has ended. Owns its connection.

    Invariants: `wait_serving` and `wait_ended` are each called once; `ended` is set by the latter. The connection stays
    open until both are done, because the last words of a worker are read after its end.
    """

    def __init__(self, packed: bytes, sockets: Mapping[str, socket.socket]) -> None:
        """Starts it.

        Raises:
            ConfigError: the program that is to be imported there starts workers when it is imported, or the system has
                no room for another process.
        """
        self.ended = anyio.Event()
        self.served_at: float | None = None
        """When it said that it serves, in seconds of the event loop's clock."""
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=run_worker, args=(packed, theirs, dict(sockets)))
        # A helper of multiprocessing's own, which unblocks the signals when it is started.
        resource_tracker.ensure_running()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            self._process.start()
        except OSError as error:
            self._connection.close()
            raise ConfigError(f"cannot start a worker: {error.strerror or error}") from error
        except RuntimeError as error:
            self._connection.close()
            raise ConfigError(
                "a worker imports the program that starts it, and that starts workers when it is imported: put the "
                "call of serve_forever below 'if __name__ == \"__main__\":'"
            ) from error
        except BaseException:
            self._connection.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()
        self._end = _end_descriptor(self.pid)

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_serving(self) -> bool:
        """Whether it has said that it serves, and has not ended."""
        return self.served_at is not None and not self.ended.is_set()

    def __str__(self) -> str:
        code = self._process.exitcode
        if code is None:
            return f"worker {self.pid}"
        if code < 0:
            return f"worker {self.pid} was ended by {signal.Signals(-code).name}"
        return f"worker {self.pid} ended" + (f" with exit code {code}" if code else "")

    async def wait_serving(self) -> tuple[str, ...]:
        """The URLs that it serves, once it does.

        Raises:
            ConfigError: it cannot serve; the text says why.
        """
        await anyio.wait_readable(self._connection.fileno())
        try:
            said = self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            said = b""
        if said.startswith(SERVING):
            self.served_at = anyio.current_time()
            return tuple(said.removeprefix(SERVING).decode().split("\n"))
        await self.ended.wait()
        self._connection.close()
        if not said:
            raise ConfigError(f"{self} before it served; what it wrote to its standard error says why")
        raise ConfigError(said.removeprefix(FAILED).decode())

    async def wait_ended(self) -> None:
        """Returns when it has ended, whoever wanted that."""
        await anyio.wait_readable(self._process.sentinel if self._end is None else self._end)
        self._process.join()
        if self._end is not None:
            os.close(self._end)
        if self.served_at is not None:
            self._connection.close()
        self.ended.set()

    def order(self, order: Order) -> None:
        """Tells it what to do; one that has just ended need not be told."""
        with contextlib.suppress(OSError):
            self._connection.send_bytes(order.value)

    def kill(self) -> None:
        """Ends it without asking."""
        self._process.kill()


def _end_descriptor(pid: int) -> int | None:
    """A file that is readable once the process has ended; None where the system has none.

    The sentinel of multiprocessing is a pipe, which stays open in processes that a worker has forked.
    """
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # an old kernel, or one that is told to refuse
            return os.pidfd_open(pid)
    return None
