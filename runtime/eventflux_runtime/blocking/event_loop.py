"""The event loop of a thread: which one a channel's own thread runs, and whether the caller's thread runs one."""

from __future__ import annotations

import asyncio
import sys

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["new_event_loop", "refuse_event_loop"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop for a thread that has nothing else to do: uvloop's where it is installed, else asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def refuse_event_loop() -> None:
    """Refuses to wait in a thread whose event loop would stand still meanwhile.

    The kernel of a notebook runs cells within a loop of its own, which has nothing else to do: there it is fine.

    Raises:
        ConfigError: the thread runs an event loop, asyncio's or trio's.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")  # who runs trio has imported it
        if trio is None or not trio.lowlevel.in_trio_run():
            return
    if _is_cell_of_notebook():
        return
    raise ConfigError(
        "a blocking call would stop the event loop that runs in this thread: use eventflux_runtime.connect() and the "
        "async client (TransportClient for TransportBlockingClient), or call from a thread (anyio.to_thread.run_sync)"
    )


def _is_cell_of_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
