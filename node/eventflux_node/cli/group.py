"""The click group of `eventflux`: it finds the commands, and turns what click reports into an exit code."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from eventflux_node.cli.output import ReaderLeftError, flush_output
from eventflux_node.cli.setting import defaults_of, name_variables, read_settings

__all__ = ["eventflux", "run"]

COMMANDS: Final = (
    "bench",
    "call",
    "demo",
    "describe",
    "doctor",
    "health",
    "heartbeat",
    "list",
    "monitor",
    "node",
    "publish",
    "subscribe",
    "top",
)
"""The modules beside this one that are commands: each has its click command under the name `command`."""


class _CommandGroup(click.Group):
    """The commands in `COMMANDS`, each imported when it is asked for, because most are slow to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order in which the help shows them."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name. None: all are imported then, so that click can name one like it."""
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                command: click.Command = importlib.import_module(f"eventflux_node.cli.{name}").command
                name_variables(command)
                self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command, and writes what it has left in a buffer.

        Raises:
            ReaderLeftError: it cannot be written. Of a BrokenPipeError click would make the exit code 1.
        """
        try:
            result = super().invoke(ctx)
            flush_output()
        except BrokenPipeError as error:
            raise ReaderLeftError from error
        return result


@click.group(cls=_CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="eventflux-transport", message="%(version)s")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="EVENTFLUX_CONFIG",
    metavar="FILE.toml",
    help="Options by command, as in: [call] timeout = 5. Also by EVENTFLUX_CONFIG.",
)
@click.pass_context
def eventflux(ctx: click.Context, config: Path | None) -> None:
    """Call any server of gRPC or of EventFlux transport, look at it, and run an EventFlux node.

    URLs say which wire is spoken: tcp://HOST:PORT, grpc://HOST:PORT, ws://HOST:PORT/PATH,
    unix:///PATH; tcps, grpcs and wss add TLS.

    An option may also be set by a variable, as EVENTFLUX_CALL_TIMEOUT=5, or by the file of --config.
    """
    name = ctx.invoked_subcommand
    if config is None or name is None:
        return
    settings = read_settings(config, COMMANDS)
    command = eventflux.get_command(ctx, name)
    if command is not None:
        ctx.default_map = {name: defaults_of(command, settings, config)}


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code.

    Raises:
        TransportError: the command failed.
        ReaderLeftError: who read its output has left.
    """
    try:
        result = eventflux.main(args=list(arguments), prog_name="eventflux", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"eventflux: {' '.join(error.format_message().split())}", err=True)
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return result if isinstance(result, int) else 0
