"""A worker process, from its first line to its exit code.

Invariants: signals of the terminal change nothing here, because the process that started the worker gets them too and
says what follows; a worker whose starter is gone drains and ends.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Final

import anyio

from eventflux_runtime.net.unix_socket import hand_down
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.workers.job import Job, unpack
from eventflux_runtime.workers.order import Order, Orders

__all__ = ["FAILED", "HELD_BACK", "SERVING", "run_worker"]

SERVING: Final = b"serving "
"""Begins what a worker says once it serves; its URLs follow, one a line."""
FAILED: Final = b"failed "
"""Begins what a worker says if it cannot serve; the reason follows."""
HELD_BACK: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that a worker is started with blocked, until it can take them."""

_log: Final = logging.getLogger("eventflux_runtime.workers")


def run_worker(packed: bytes, connection: Connection, sockets: Mapping[str, socket.socket]) -> None:
    """Serves a job until it is told to stop; ends the process with 1 if it cannot serve.

    Args:
        packed: the job.
        connection: to the process that started this one.
        sockets: listening Unix sockets by their paths.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)  # no SIG_IGN, which programs that a handler starts would inherit
    try:
        job = unpack(packed)
        for path, sock in sockets.items():
            hand_down(path, sock)
        backend, options = job.backend
        failure = anyio.run(_work, job, connection, backend=backend, backend_options=options)
    except TransportError as error:
        failure = str(error)
    if failure:
        connection.send_bytes(FAILED + failure.encode(errors="replace"))
        sys.exit(1)


def _leave(number: int, frame: object) -> None:
    """A handler that does nothing."""


async def _work(job: Job, connection: Connection) -> str:
    """Serves; the text says why it could not, if it could not."""
    orders = Orders()
    failure = ""

    def tell(urls: Sequence[str]) -> None:
        connection.send_bytes(SERVING + "\n".join(urls).encode())

    with anyio.open_signal_receiver(signal.SIGTERM) as terminations:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        async with anyio.create_task_group() as tasks:

            async def heed_signals() -> None:
                async for _ in terminations:
                    orders.give(Order.DRAIN)

            tasks.start_soon(heed_signals)
            tasks.start_soon(_heed, connection, orders)
            try:
                await job.serving(job, orders, tell)
            except TransportError as error:  # told by its text: as part of a group it would hardly be read
                failure = str(error)
            tasks.cancel_scope.cancel()
    return failure


async def _heed(connection: Connection, orders: Orders) -> None:
    """Passes on what the starter says, until it says nothing more."""
    while True:
        await anyio.wait_readable(connection.fileno())
        try:
            orders.give(Order(connection.recv_bytes()))
        except (EOFError, ConnectionError):
            _log.warning("the process that started this worker is gone: it drains")
            orders.give(Order.DRAIN)
            return
