"""The options that several commands share, and the types of their values."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from eventflux_runtime import ClientConfig, TlsConfig

__all__ = ["Timestamp", "client_config", "client_options", "loop_option", "node_id_option", "seconds_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Timestamp(click.ParamType[int]):
    """Milliseconds since the epoch, or an ISO 8601 date and time, taken as UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds since the epoch that a value says."""
        if isinstance(value, int) or (str(value).isascii() and str(value).isdigit()):
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither milliseconds since the epoch nor a time such as 2026-01-31T12:00:00", param, ctx
            )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)


def loop_option(command: _Command) -> _Command:
    """Adds ``--loop``: uvloop where it is installed."""
    return click.option(
        "--loop",
        type=click.Choice(["asyncio", "uvloop", "trio"]),
        default="uvloop" if importlib.util.find_spec("uvloop") is not None else "asyncio",
        show_default=True,
        help="The event loop to run on.",
    )(command)


def seconds_option(
    flag: str, default: float | None, text: str, *, is_zero_allowed: bool = True
) -> Callable[[_Command], _Command]:
    """An option that takes seconds; its parameter is named as the flag is, with ``_s`` behind."""
    name = flag.removeprefix("--").replace("-", "_") + "_s"
    kind = click.FloatRange(0, min_open=not is_zero_allowed)
    return click.option(flag, name, type=kind, default=default, show_default=True, metavar="SECONDS", help=text)


def node_id_option(text: str) -> Callable[[_Command], _Command]:
    """The option ``--node-id``: a name, the host's where none is given."""
    return click.option("--node-id", default=_host_name, show_default="the host's name", help=text)


def _host_name() -> str:
    return platform.node() or "localhost"


def client_options(command: _Command) -> _Command:
    """Adds what every command takes that connects to a server: TLS, from which `client_config` reads, and the loop."""
    for option in (
        click.option(
            "--ca-file", help="PEM file of the authorities that vouch for the server [default: the system's]."
        ),
        click.option("--cert-file", help="PEM file of our own certificate chain, for a server that asks for one."),
        click.option("--key-file", help="PEM file of the key that belongs to --cert-file."),
        click.option("--server-name", help="The name in the server's certificate [default: the URL's host]."),
        click.option("--insecure-skip-verify", is_flag=True, help="Accept any certificate. Anyone can listen in."),
    ):
        command = option(command)
    return loop_option(command)


def client_config(options: dict[str, Any]) -> ClientConfig:
    """The configuration that the client options in `options` ask for; they are taken out of it."""
    given = {name: options.pop(name) for name in ("ca_file", "cert_file", "key_file", "server_name")}
    skip_verify = bool(options.pop("insecure_skip_verify"))
    if not any(given.values()) and not skip_verify:
        return ClientConfig()
    return ClientConfig(tls=TlsConfig(**given, insecure_skip_verify=skip_verify))
