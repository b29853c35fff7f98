"""A progress bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(label: str, total: Callable[[], int | None]) -> Generator[Callable[[int], None]]:
    """Shows a bar while the context is open; what it yields is told how many steps are done in all.

    Args:
        label: stands in front of the bar.
        total: how many steps there are, asked for only where a bar is shown; None: not known.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total())
        yield lambda done: progress.update(task, completed=done)
