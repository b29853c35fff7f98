"""Generates again whenever a source has changed: looks at the times of files, which works on every file system."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["watch"]

_Snapshot: TypeAlias = dict[Path, tuple[int, int]]
"""The time and the size of each file."""

_PAUSE_S: Final = 0.5
_SHARE: Final = 10
"""Looking takes at most about one part in so many of the time, however many files there are."""


def watch(
    run: Callable[[], None], sources: Callable[[], Iterable[Path]], pause: Callable[[float], None] = time.sleep
) -> None:
    """Runs at once, and again after each change, until `pause` raises KeyboardInterrupt.

    What changes during a run counts as a change after it.

    Args:
        run: generates; tells of its errors itself.
        sources: the files to look at; asked each time, because files come and go.
        pause: waits for some seconds.
    """
    known = _snapshot(sources())
    run()
    try:
        while True:
            started = time.monotonic()
            found = _snapshot(sources())
            if found != known:
                known = found
                run()
            else:
                pause(max(_PAUSE_S, _SHARE * (time.monotonic() - started)))
    except KeyboardInterrupt:
        return


def _snapshot(paths: Iterable[Path]) -> _Snapshot:
    found: _Snapshot = {}
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            continue  # it is not there, or just going
        found[path] = (state.st_mtime_ns, state.st_size)
    return found
