"""`eventflux node`: a `NodeService` on its endpoints from start to drain."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, Final

import click

from eventflux_node.cli.log import log_options, log_settings
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import loop_option, node_id_option, seconds_option
from eventflux_node.place import NodePlace
from eventflux_node.web_page import page_urls, socket_path, web_pages
from eventflux_runtime import Server, ServerAccessLog, ServerConfig, TlsConfig, WebConfig, Workers, serve_forever

__all__ = ["command"]

METRICS_PATH: Final = "/metrics"


@click.command("node")
@click.option("--listen", "endpoints", multiple=True, required=True, metavar="URL", help="Where to listen; repeatable.")
@node_id_option("How the node calls itself.")
@click.option("--cluster-id", default="", help="The cluster that the node belongs to.")
@click.option(
    "--buffer-events",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Events held for one subscriber; while they are this many, publishers wait.",
)
@seconds_option("--patience", 10.0, "How long a full subscriber holds publishers up before it is cut off.")
@seconds_option("--drain-grace", 10.0, "How long calls in flight have to finish when the node is stopped.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Serve by N processes, which share each port.")
@click.option("--web", "has_page", is_flag=True, help="Serve a live page of the node; takes a URL with ws or wss.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Whose pages may connect, such as https://app.example.com; repeatable. With --web the node's own may.",
)
@click.option("--stats", "has_stats", is_flag=True, help="Serve stats to everybody who can connect, for eventflux top.")
@click.option("--metrics", "has_metrics", is_flag=True, help="Show them at /metrics of each port, for Prometheus.")
@click.option("--cert-file", help="PEM file of the node's certificate chain, for tcps, grpcs and wss.")
@click.option("--key-file", help="PEM file of the key that belongs to --cert-file.")
@click.option("--client-ca-file", help="PEM file of authorities: clients must show a certificate that one has signed.")
@log_options
@loop_option
def command(  # noqa: PLR0913 - click hands over each option as a parameter
    *,
    endpoints: tuple[str, ...],
    loop: str,
    drain_grace_s: float,
    has_page: bool,
    origins: tuple[str, ...],
    has_stats: bool,
    has_metrics: bool,
    cert_file: str | None,
    key_file: str | None,
    client_ca_file: str | None,
    **options: Any,
) -> int:
    """Run a node until it is told to stop (SIGTERM or Ctrl-C)."""
    log = log_settings(options)
    log.set_up()
    web = _web_config(endpoints, has_page, origins, METRICS_PATH if has_metrics else None)
    tls = None
    if cert_file or key_file or client_ca_file:
        tls = TlsConfig(
            cert_file=cert_file,
            key_file=key_file,
            ca_file=client_ca_file,
            require_client_cert=client_ca_file is not None,
        )
    config = ServerConfig(tls=tls, drain_grace_s=drain_grace_s, web=web, stats=has_stats)
    return run_async(loop, lambda: _serve_node(endpoints, config, has_page=has_page, log=log, **options))


def _web_config(
    endpoints: Sequence[str], has_page: bool, origins: tuple[str, ...], metrics: str | None
) -> WebConfig | None:
    """What browsers may do, and Prometheus at a path; None: nothing.

    Raises:
        ConfigError: the page could not reach the node, or an origin is none.
    """
    if has_page:
        pages = web_pages(socket_path(endpoints))
        return WebConfig(origins=("same-origin", *origins), pages=pages, metrics=metrics)
    return WebConfig(origins=origins, metrics=metrics) if origins or metrics else None


async def _serve_node(
    endpoints: Sequence[str],
    config: ServerConfig,
    *,
    has_page: bool,
    has_access_log: bool,
    workers: int | None,
    **options: Any,
) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Returns the exit code, 0.

    Prints one line ``listening on URL`` for each endpoint once all are bound, and then where the page is.

    Raises:
        ConfigError: an endpoint cannot be served.
    """

    def announce(serving: Server | Workers) -> None:
        lines = [f"listening on {url}" for url in serving.endpoints]
        if has_page:
            lines += [f"page at {url}" for url in page_urls(serving.endpoints)]
        print("\n".join(lines), flush=True)

    interceptors = [ServerAccessLog()] if has_access_log else []
    # Subscriptions have no end of their own: unless the hub ends them, a drain would wait its whole grace time.
    if workers is None:
        place = NodePlace(**options)
        await serve_forever(
            place.services,
            *endpoints,
            config=config,
            interceptors=interceptors,
            on_started=announce,
            on_draining=place.close_hub,
        )
        return 0
    with tempfile.TemporaryDirectory(prefix="eventflux-") as folder:
        place = NodePlace(**options, folder=folder)
        await serve_forever(
            place.services,
            *endpoints,
            config=config,
            interceptors=interceptors,
            on_started=announce,
            on_draining=place.close_hub,
            workers=workers,
        )
    return 0
