"""The command `eventflux-codegen`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Final, TypeAlias

from eventflux_codegen import command
from eventflux_codegen.error import GenerationError

__all__ = ["main", "make_parser"]

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_UNREAD: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0: done; 1: `check` found a difference, `breaking` a change, or who read the output has left; 2: the sources or
        the arguments are wrong, and nothing was written.
    """
    options = make_parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a character of the IDL
    try:
        code: int = options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _abandon_output()
        return _UNREAD
    except (GenerationError, OSError) as error:
        for line in command.said(error):
            print(line, file=sys.stderr)
    return command.MISTAKEN


def _abandon_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter does not complain of it at its end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def make_parser() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="eventflux-codegen", description="Generates the typed SDK of an IDL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate = _command(commands, "generate", "write the package: only what changed, and all of it or nothing")
    _add_sources(generate)
    generate.add_argument("--output", help="another directory for the package's files; the lock is then left alone")
    generate.add_argument(
        "--accept-breaking", action="store_true", help="take over changes that break peers into the lock"
    )
    generate.add_argument("--watch", action="store_true", help="go on, and generate again after each change")
    generate.set_defaults(run=command.generate_package)
    check = _command(commands, "check", "exit with 1 and a diff if the package is not what would be generated")
    _add_sources(check)
    check.add_argument("--output", help="another directory of the package's files; the lock is then left alone")
    check.set_defaults(run=command.check_package)
    breaking = _command(commands, "breaking", "list the changes that break peers, and exit with 1 if there are any")
    _add_sources(breaking)
    breaking.add_argument(
        "--against",
        required=True,
        metavar="REVISION|FILE",
        help="what to compare with: a git revision of the IDL, a lock, or a descriptor set",
    )
    breaking.set_defaults(run=command.breaking)
    _add_others(commands)
    return parser


def _add_others(commands: _Commands) -> None:
    """The commands that generate nothing."""
    init = _command(commands, "init", "write a first YAML file beside .proto files, with comments")
    init.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the directory of the .proto files (.)")
    init.add_argument("--package", help="the Python package to generate (named as the proto package)")
    init.add_argument("--out", metavar="DIR", default=".", help="the directory to put the package into (.)")
    init.set_defaults(run=command.init)
    schema = _command(commands, "schema", "print the JSON schema of the YAML file")
    schema.add_argument("--page", action="store_true", help="print the page that describes it instead")
    schema.set_defaults(run=command.schema)
    compiling = _command(commands, "compile", "compile the codecs of a generated package with mypyc")
    compiling.add_argument("package", metavar="PACKAGE", help="the package's name, or its directory")
    compiling.add_argument(
        "--wheel", metavar="DIR", help="put a wheel there, rather than machine code beside the sources"
    )
    compiling.add_argument(
        "--wheel-version", metavar="VERSION", default="0.1.0", help="the wheel's version (%(default)s)"
    )
    compiling.set_defaults(run=command.compile_package)


def _command(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text.capitalize()}.", allow_abbrev=False)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what is to be generated, alike for each command."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="directories, files and patterns of .proto files, a descriptor set, or a YAML file",
    )
    parser.add_argument("--config", help=f"the YAML file beside the .proto files ({command.DEFAULT_CONFIG})")
    parser.add_argument("--package", help="the Python package to generate, where no YAML file says it")
    parser.add_argument(
        "--include", "-I", action="append", default=[], metavar="DIR", help="a directory that imports are looked for in"
    )
    parser.add_argument("--out", metavar="DIR", help="the directory to put the package into (.)")
    for section, name in command.LANGUAGES.items():
        parser.add_argument(f"--{section}", metavar="DIR", help=f"a directory for the same in {name}")
    parser.add_argument("--tree", action="store_true", help="make each proto package a package below that one")
    parser.add_argument(
        "--extern",
        action="append",
        default=[],
        metavar="PROTO=PACKAGE",
        help="a proto package or a .proto file, and the Python package that has its types already",
    )


if __name__ == "__main__":
    sys.exit(main())
