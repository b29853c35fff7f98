"""What every test shares: event loops, hypothesis' settings, and the surroundings of a program in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import hypothesis
import pytest
import uvloop

hypothesis.settings.register_profile("project", deadline=None, print_blob=True)
hypothesis.settings.load_profile("project")


def take_signals() -> None:
    """Lets this process and its children be stopped by signals, whatever who started it ignores or blocks.

    A shell without job control has the programs that it puts into the background ignore SIGINT, and so does ``nohup``
    with SIGHUP; children inherit that, and tests stop some of theirs by signals.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


take_signals()
for _name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(_name, None)  # tests compare what commands print


def hear_grpcio_out(loop_class: type[asyncio.AbstractEventLoop]) -> None:
    """Lets grpcio tell a loop that is closed of an operation's end, which is then nobody's business.

    grpc.aio completes the operations of every loop of the process in whichever loop reads its poller's socket next. An
    operation that was cut off may end after its own loop; "Event loop is closed" is raised then within another test.
    """
    plain: Any = loop_class.call_soon_threadsafe

    def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, callback: Any, *args: Any, context: Any = None) -> Any:
        if loop.is_closed() and getattr(callback, "__name__", "") == "_handle_callback_wrapper":
            return None
        return plain(loop, callback, *args, context=context)

    setattr(loop_class, "call_soon_threadsafe", call_soon_threadsafe)  # noqa: B010 - a method may not be assigned to


hear_grpcio_out(asyncio.BaseEventLoop)
hear_grpcio_out(uvloop.Loop)


def pytest_configure(config: pytest.Config) -> None:
    """Runs in the project's folder, wherever it was started: children import the tests from there."""
    os.chdir(config.rootpath)


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each event loop in turn; an async test, or one that uses this fixture, runs on all three."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend
