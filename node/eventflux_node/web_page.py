"""The live page of a node: the files that a browser gets, and where in a browser it is."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final
from urllib.parse import SplitResult, urlsplit

from eventflux_runtime import ConfigError, Page

__all__ = ["page_urls", "socket_path", "web_pages"]

_CONTENT_TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but the files here is loaded or run. Connections may go to any node, because users add nodes by hand."""
_HEADERS: Final = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_SOCKET_META: Final = '<meta name="eventflux-socket" content="/">'
_SCHEMES: Final = {"ws": "http", "wss": "https"}
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def socket_path(endpoints: Iterable[str]) -> str:
    """The path of the WebSocket among the URLs to listen on.

    Raises:
        ConfigError: none of them is a WebSocket's, or their paths differ.
    """
    paths = {url.path or "/" for url in map(urlsplit, endpoints) if _web_scheme(url)}
    if not paths:
        raise ConfigError(
            "--web: the page reaches the node by a WebSocket, and none is listened on: add ws to a URL, as in "
            "--listen tcp+grpc+ws://127.0.0.1:7070"
        )
    if len(paths) > 1:
        raise ConfigError(
            f"--web: the page knows one path, and the WebSockets have {' and '.join(sorted(paths))}: give them the same"
        )
    return paths.pop()


def web_pages(path: str) -> Mapping[str, Page]:
    """The page and what belongs to it, by their paths; `path` is where the WebSocket listens on the same port."""
    folder = files("eventflux_node") / "page"
    bodies = {name: (folder / name).read_text("utf-8") for name in _CONTENT_TYPES}
    meta = _SOCKET_META.replace('"/"', f'"{html.escape(path)}"')
    bodies["index.html"] = bodies["index.html"].replace(_SOCKET_META, meta)
    return {
        "/" if name == "index.html" else f"/{name}": Page(
            body=body.encode(), content_type=_CONTENT_TYPES[name], headers=_HEADERS
        )
        for name, body in bodies.items()
    }


def page_urls(endpoints: Iterable[str]) -> list[str]:
    """Where a browser finds the page, of the URLs really bound; one for every address is shown as this machine's."""
    return [
        f"{scheme}://{_LOOPBACK.get(url.hostname or '', url.netloc.rpartition(':')[0])}:{url.port}/"
        for url in map(urlsplit, endpoints)
        if (scheme := _web_scheme(url))
    ]


def _web_scheme(url: SplitResult) -> str:
    """The scheme that a browser gets the page by; empty: there is no WebSocket at this URL."""
    return next((_SCHEMES[scheme] for scheme in url.scheme.split("+") if scheme in _SCHEMES), "")
