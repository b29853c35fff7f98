"""The command `eventflux-codegen`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from eventflux_codegen.error import GenerationError
from eventflux_codegen.generator import check, generate

__all__ = ["main"]

_DRIFTED = 1
_UNREAD = 1
_MISTAKEN = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0: done; 1: `check` found a difference, or who read the output has left; 2: the sources or the arguments are
        wrong, and nothing was written.
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a character of the IDL
    try:
        if options.command == "check":
            code = _check(options.config, options.output)
        else:
            code = _generate(options.config, options.output, options.accept_breaking)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _abandon_output()
        return _UNREAD
    except GenerationError as error:
        for line in str(error).splitlines():
            print(f"eventflux-codegen: {line}", file=sys.stderr)
    except OSError as error:
        print(f"eventflux-codegen: {error.filename}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
    return _MISTAKEN


def _abandon_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter does not complain of it at its end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _generate(config: str, output: str | None, accept_breaking: bool) -> int:
    result = generate(config, output=output, accept_breaking=accept_breaking)
    for name in result.written:
        print(f"wrote {name}")
    for name in result.removed:
        print(f"removed {name}")
    if not result.written and not result.removed:
        print(f"{result.output}: up to date")
    return 0


def _check(config: str, output: str | None) -> int:
    result = check(config, output=output)
    if result.is_current:
        print(f"{result.output}: up to date")
        return 0
    print(result.diff, end="")
    found = {"differs": result.changed, "is missing": result.missing, "is extra": result.extra}
    for what, names in found.items():
        for name in names:
            print(f"eventflux-codegen: {result.output}: {name} {what}", file=sys.stderr)
    print(f"eventflux-codegen: run eventflux-codegen generate --config {config}", file=sys.stderr)
    return _DRIFTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eventflux-codegen", description="Generates the typed SDK of an IDL.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("generate", "write the package: only what changed, and all of it or nothing"),
        ("check", "exit with 1 and a diff if the package is not what would be generated"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config", default="idl/transport.yaml", help="the options beside the .proto files (%(default)s)"
        )
        command.add_argument("--output", help="another directory for the package; the lock is then left alone")
        if name == "generate":
            command.add_argument(
                "--accept-breaking", action="store_true", help="take over changes that break peers into the lock"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
