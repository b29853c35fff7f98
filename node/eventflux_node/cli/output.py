"""What the commands write: characters that a terminal cannot show, and a reader that has left, are no failure."""

from __future__ import annotations

import codecs
import io
import json
import os
import stat
import sys
from collections.abc import AsyncIterable, Callable
from typing import Any, Final, TypeVar

__all__ = [
    "ReaderLeftError",
    "abandon_output",
    "can_show",
    "flush_output",
    "json_line",
    "json_text",
    "output_pipe",
    "prepare_output",
    "print_lines",
]

_T = TypeVar("_T")


class ReaderLeftError(Exception):
    """Who read the output has left."""


_LAST_STANDARD: Final = 2
"""The descriptor of standard error."""


def prepare_output() -> None:
    """Makes a character that the terminal's encoding lacks be written as an escape, and a missing output go nowhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Where the process was started without standard streams, a socket would take their numbers, which uvloop aborts on.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        pass
    os.close(descriptor)


def json_line(record: dict[str, Any]) -> str:
    """A record as one line of JSON; beyond ASCII escaped as JSON does it, unless the output is UTF-8."""
    return json.dumps(record, ensure_ascii=not _is_unicode(), separators=(",", ":"))


def json_text(text: str) -> str:
    """A text of JSON; beyond ASCII escaped as JSON does it, unless the output is UTF-8."""
    return text if text.isascii() or _is_unicode() else json.dumps(json.loads(text))


def can_show(text: str) -> bool:
    """Whether the output's encoding has every character of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_unicode() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name == "utf-8"


async def print_lines(items: AsyncIterable[_T], line_of: Callable[[_T], str], count: int | None) -> None:
    """Prints a line for each item as it comes, to the end of them or until there were `count`.

    Each line leaves at once: whoever reads a pipe sees it when it happens, not when a buffer fills.
    """
    left = count
    async for item in items:
        print(line_of(item), flush=True)
        if left is not None:
            left -= 1
            if left <= 0:
                return


def output_pipe() -> int | None:
    """The descriptor of the output, if that is a pipe."""
    try:
        descriptor = sys.stdout.fileno()
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (AttributeError, OSError, ValueError):  # there is no output, or it is no file, or it is closed
        return None


def flush_output() -> None:
    """Writes what is still buffered, while it can be told that this fails.

    Raises:
        BrokenPipeError: the reader has left.
        OSError: it cannot be written, because a disk is full for example.
    """
    if sys.stdout is not None:  # it is where the process was started without an output
        sys.stdout.flush()


def abandon_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter does not complain of it at its end."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
