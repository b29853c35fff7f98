"""A progress bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["Show", "progress_bar"]


class Show(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: float, count: int | None = None) -> None:
        """So much of the total is done; that is also what is counted, unless that is something else."""


@contextmanager
def progress_bar(label: str, total: Callable[[], float | None], unit: str) -> Generator[Show]:
    """Shows a bar while the context is open; what it yields is told how far it is.

    Args:
        label: stands in front of the bar.
        total: what there is to do in all, asked for only where a bar is shown; None: not known.
        unit: what is counted, as ``events``.
    """
    if not sys.stderr.isatty():
        yield _show_nothing
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]:,} " + unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total(), count=0)

        def show(done: float, count: int | None = None) -> None:
            progress.update(task, completed=done, count=count if count is not None else int(done))

        yield show


def _show_nothing(done: float, count: int | None = None) -> None:
    """Stands for the bar where there is no terminal."""
