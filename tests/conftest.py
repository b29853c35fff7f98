"""What every test shares: event loops, hypothesis' settings, and the surroundings of a program in the foreground."""

from __future__ import annotations

import os
import signal
from typing import Any

import hypothesis
import pytest

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
