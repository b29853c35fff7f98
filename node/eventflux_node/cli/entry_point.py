"""From the command line to an exit code, with every expected failure in one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from eventflux_node.cli.output import ReaderLeftError, abandon_output, flush_output, prepare_output
from eventflux_node.failure import CommandFailure, first_failure
from eventflux_runtime import MissingExtraError, TransportError

__all__ = ["main"]

READER_LEFT: Final = 141
"""What a shell makes of a program that SIGPIPE has ended, as of `yes` in ``yes | head``."""
_EXTRA_PACKAGES = frozenset({"click", "psutil", "rich"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 for success, 1 for a failure, 2 for a wrong command line.

    Commands have further ones of their own. 130 is Ctrl-C, 141 a reader of the output that has left.

    Args:
        arguments: the command line without the program's name; None: the process's own.
    """
    prepare_output()
    try:
        return_code = _run(sys.argv[1:] if arguments is None else arguments)
        flush_output()
    except* TransportError as errors:
        return_code = _fail(first_failure(errors))
    except* (BrokenPipeError, ReaderLeftError):
        abandon_output()
        return_code = READER_LEFT  # nobody is there to tell
    except* OSError as errors:
        abandon_output()
        return_code = _fail(first_failure(errors))
    except* KeyboardInterrupt:
        return_code = 130
    return return_code


def _run(arguments: Sequence[str]) -> int:
    """Runs one command, and tells which extra brings the packages that it misses."""
    try:
        from eventflux_node.cli.group import run  # noqa: PLC0415 - click is one of those packages

        return run(arguments)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA_PACKAGES:
            raise
        raise MissingExtraError("the eventflux command", "cli") from error


def _fail(error: BaseException) -> int:
    print(f"eventflux: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code if isinstance(error, CommandFailure) else 1
