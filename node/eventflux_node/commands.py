"""The subcommands of `eventflux`: their arguments, and the calls that they come down to."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import anyio
import click

from eventflux_node.demo.run import run_demo
from eventflux_node.event_file import EventFile, FileFormat
from eventflux_node.heartbeat import print_heartbeat
from eventflux_node.monitoring import print_changes
from eventflux_node.publishing import publish_file
from eventflux_node.serving import serve_node
from eventflux_node.subscribing import print_events
from eventflux_runtime import ClientConfig, ServerConfig, TlsConfig
from eventflux_transport import EventFilter, EventRequest, MessageType, MonitorConfig

__all__ = ["demo", "eventflux", "heartbeat", "monitor", "node", "publish", "run", "subscribe"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

MONITOR: Final = MonitorConfig()
TYPE_NAMES: Final = tuple(kind.name.lower() for kind in MessageType)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code.

    Raises:
        TransportError: the command failed.
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


class _Timestamp(click.ParamType[int]):
    """Milliseconds since the epoch, or an ISO 8601 date and time, taken as UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
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


def _loop_option(command: _Command) -> _Command:
    return click.option(
        "--loop",
        type=click.Choice(["asyncio", "uvloop", "trio"]),
        default="uvloop" if importlib.util.find_spec("uvloop") is not None else "asyncio",
        show_default=True,
        help="The event loop to run on.",
    )(command)


def _seconds_option(
    flag: str, default: float | None, text: str, *, is_zero_allowed: bool = True
) -> Callable[[_Command], _Command]:
    """An option that takes seconds; its parameter is named as the flag is, with ``_s`` behind."""
    name = flag.removeprefix("--").replace("-", "_") + "_s"
    kind = click.FloatRange(0, min_open=not is_zero_allowed)
    return click.option(flag, name, type=kind, default=default, show_default=True, metavar="SECONDS", help=text)


def _client_options(command: _Command) -> _Command:
    for option in (
        click.option("--ca-file", help="PEM file of the authorities that vouch for the node [default: the system's]."),
        click.option("--cert-file", help="PEM file of our own certificate chain, for a node that asks for one."),
        click.option("--key-file", help="PEM file of the key that belongs to --cert-file."),
        click.option("--server-name", help="The name in the node's certificate [default: the URL's host]."),
        click.option("--insecure-skip-verify", is_flag=True, help="Accept any certificate. Anyone can listen in."),
    ):
        command = option(command)
    return _loop_option(command)


def _client_config(options: dict[str, Any]) -> ClientConfig:
    """The configuration that the client options in `options` ask for; they are taken out of it."""
    given = {name: options.pop(name) for name in ("ca_file", "cert_file", "key_file", "server_name")}
    skip_verify = bool(options.pop("insecure_skip_verify"))
    if not any(given.values()) and not skip_verify:
        return ClientConfig()
    return ClientConfig(tls=TlsConfig(**given, insecure_skip_verify=skip_verify))


def _run_async(loop: str, command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    if loop != "asyncio" and importlib.util.find_spec(loop) is None:
        raise click.UsageError(f"--loop {loop} needs an extra: run pip install 'eventflux-transport[{loop}]'")
    if loop == "trio":
        return anyio.run(command, backend="trio")
    return anyio.run(command, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})


def _own_name() -> str:
    return platform.node() or "localhost"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="eventflux-transport", message="%(version)s")
def eventflux() -> None:
    """Run an EventFlux node, and talk to one.

    URLs say which wire is spoken: tcp://HOST:PORT, grpc://HOST:PORT, unix:///PATH; tcps and grpcs add TLS.
    """


@eventflux.command()
@click.option("--listen", "endpoints", multiple=True, required=True, metavar="URL", help="Where to listen; repeatable.")
@click.option("--node-id", default=_own_name, show_default="the host's name", help="How the node calls itself.")
@click.option("--cluster-id", default="", help="The cluster that the node belongs to.")
@click.option(
    "--buffer-events",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Events held for one subscriber; while they are this many, publishers wait.",
)
@_seconds_option("--patience", 10.0, "How long a full subscriber holds publishers up before it is cut off.")
@_seconds_option("--drain-grace", 10.0, "How long calls in flight have to finish when the node is stopped.")
@click.option("--cert-file", help="PEM file of the node's certificate chain, for tcps and grpcs.")
@click.option("--key-file", help="PEM file of the key that belongs to --cert-file.")
@click.option("--client-ca-file", help="PEM file of authorities: clients must show a certificate that one has signed.")
@_loop_option
def node(
    *,
    endpoints: tuple[str, ...],
    loop: str,
    drain_grace_s: float,
    cert_file: str | None,
    key_file: str | None,
    client_ca_file: str | None,
    **options: Any,
) -> int:
    """Run a node until it is told to stop (SIGTERM or Ctrl-C)."""
    tls = None
    if cert_file or key_file or client_ca_file:
        tls = TlsConfig(
            cert_file=cert_file,
            key_file=key_file,
            ca_file=client_ca_file,
            require_client_cert=client_ca_file is not None,
        )
    config = ServerConfig(tls=tls, drain_grace_s=drain_grace_s)
    return _run_async(loop, lambda: serve_node(endpoints, config=config, **options))


@eventflux.command()
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(FileFormat)),
    help="What the file holds [default: what its name says: .csv, .jsonl, .ndjson, else plain lines].",
)
@click.option("--stream", help="The stream that the events belong to [default: the file's name without its suffix].")
@click.option(
    "--type",
    "type_name",
    type=click.Choice(TYPE_NAMES),
    default="event",
    show_default=True,
    help="The type of the messages.",
)
@click.option("--node-id", default=_own_name, show_default="the host's name", help="The sender that the events name.")
@_client_options
def publish(
    *,
    url: str,
    file: Path,
    file_format: FileFormat | None,
    stream: str | None,
    type_name: str,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Send each record of FILE to the node at URL, and see it acknowledged."""
    config = _client_config(options)
    events = EventFile(
        path=file,
        stream=stream if stream is not None else file.stem,
        message_type=MessageType[type_name.upper()],
        source_node=node_id,
        file_format=file_format,
    )
    return _run_async(loop, lambda: publish_file(url, events, config))


@eventflux.command()
@click.argument("url")
@click.option("--stream", "streams", multiple=True, help="A stream to listen to; repeatable [default: all].")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(TYPE_NAMES),
    help="A type of message to listen to; repeatable [default: all].",
)
@click.option("--since", type=_Timestamp(), default=0, help="The earliest timestamp: ISO 8601, or ms since the epoch.")
@click.option("--until", type=_Timestamp(), default=0, help="The latest timestamp [default: no end].")
@click.option("--count", type=click.IntRange(1), help="Stop after this many events [default: go on].")
@click.option("--node-id", default=_own_name, show_default="the host's name", help="How we call ourselves.")
@_client_options
def subscribe(
    *,
    url: str,
    streams: tuple[str, ...],
    types: tuple[str, ...],
    since: int,
    until: int,
    count: int | None,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Print the events of the node at URL as they come, each as a line of JSON."""
    config = _client_config(options)
    request = EventRequest(
        node_id=node_id,
        filter=EventFilter(
            stream_names=list(streams),
            message_types=[MessageType[name.upper()] for name in types],
            start_timestamp=since,
            end_timestamp=until,
        ),
    )
    return _run_async(loop, lambda: print_events(url, request, config, count))


@eventflux.command()
@click.argument("url")
@_seconds_option("--timeout", 5.0, "How long to wait for the answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.option("--node-id", default=_own_name, show_default="the host's name", help="How we call ourselves.")
@_client_options
def heartbeat(*, url: str, timeout_s: float, as_json: bool, node_id: str, loop: str, **options: Any) -> int:
    """Ask the node at URL how it is."""
    config = _client_config(options)
    return _run_async(loop, lambda: print_heartbeat(url, node_id, config, timeout_s, as_json))


@eventflux.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@_seconds_option("--interval", MONITOR.interval_s, "How often each node is asked.", is_zero_allowed=False)
@_seconds_option("--timeout", MONITOR.timeout_s, "How long to wait for each answer.", is_zero_allowed=False)
@_seconds_option("--slow", MONITOR.slow_s, "An answer that takes longer counts as degraded.", is_zero_allowed=False)
@click.option("--count", type=click.IntRange(1), help="Stop after this many changes [default: go on].")
@click.option("--node-id", default=_own_name, show_default="the host's name", help="How we call ourselves.")
@_client_options
def monitor(
    *,
    urls: tuple[str, ...],
    interval_s: float,
    timeout_s: float,
    slow_s: float,
    count: int | None,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Ask the nodes at URL... how they are, and print a line of JSON whenever one changes."""
    client = _client_config(options)
    config = MonitorConfig(interval_s=interval_s, timeout_s=timeout_s, slow_s=min(slow_s, timeout_s))
    return _run_async(loop, lambda: print_changes(urls, node_id, client, config, count))


@eventflux.command()
@click.option("--limit", type=click.IntRange(12), help="Publish only the first readings [default: all].")
@_loop_option
def demo(limit: int | None, loop: str) -> int:
    """Publish a real data set over every wire, check what subscribers get, and print a table of figures."""
    return _run_async(loop, lambda: run_demo(limit, loop))
