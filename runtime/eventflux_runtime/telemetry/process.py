"""What Prometheus is told of the process, under the names that its own client libraries use."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from eventflux_runtime.telemetry.prometheus import metric

__all__ = ["process_text"]

_PROC: Final = Path("/proc")
_FIELDS: Final = {"start": 19, "virtual": 20, "resident": 21}
"""Where they stand in ``/proc/self/stat``, counted from behind the name of the program (proc(5))."""


def process_text() -> str:
    """Time of the processors everywhere; memory, files and the time of the start where there is a ``/proc`` as Linux's.

    Whatever the system does not tell is left out.
    """
    rows = [("process_cpu_seconds_total", "counter", "Seconds of processors used.", time.process_time())]
    with suppress(OSError, ValueError, IndexError):  # another system, or one that does not let us look
        rows += _of_proc()
    return "".join(line for name, kind, text, value in rows for line in metric(name, kind, text, [("", value)]))


def _of_proc() -> list[tuple[str, str, str, float]]:
    fields = (_PROC / "self/stat").read_text().rpartition(")")[2].split()
    _, _, booted = (_PROC / "stat").read_text().partition("\nbtime ")
    started = int(booted.split()[0]) + int(fields[_FIELDS["start"]]) / os.sysconf("SC_CLK_TCK")
    resident = int(fields[_FIELDS["resident"]]) * os.sysconf("SC_PAGE_SIZE")
    return [
        ("process_start_time_seconds", "gauge", "When the process began, in seconds since the Unix epoch.", started),
        ("process_resident_memory_bytes", "gauge", "Bytes of memory in use.", resident),
        ("process_virtual_memory_bytes", "gauge", "Bytes of addresses in use.", int(fields[_FIELDS["virtual"]])),
        ("process_open_fds", "gauge", "Open files and sockets.", len(os.listdir(_PROC / "self/fd"))),
    ]
