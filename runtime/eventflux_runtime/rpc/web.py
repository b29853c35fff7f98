"""What a server tells the web: who may open WebSockets, behind which proxies it stands, and the pages it shows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from eventflux_runtime.rpc.checked import Checked
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["SAME_ORIGIN", "Page", "PageSource", "WebConfig"]

SAME_ORIGIN: Final = "same-origin"
"""In a list of origins: pages that came from the host and port that the browser connects to."""
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+")
_PATH: Final = re.compile(r"/[!-\"$->@-~]*")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_OURS: Final = frozenset({"connection", "content-length", "content-type", "date", "transfer-encoding"})
HEALTH_PATH: Final = "/healthz"
"""Where probes ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Checked):
    """What stands at a path of a port, for ``GET`` and ``HEAD``."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    """The media type, as in the header of that name."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers, each a name and a value, such as a policy of security."""

    def _check_together(self) -> None:
        if not _FIELD_VALUE.fullmatch(self.content_type):
            raise ConfigError(f"content_type is a media type such as text/html, not {self.content_type!r}")
        for name, value in self.headers:
            if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise ConfigError(f"headers: {name!r} with {value!r} is no header: both are printable ASCII")
            if name.lower() in _OURS:
                raise ConfigError(f"headers: {name} is written by the server itself: leave it out")


PageSource: TypeAlias = Page | Callable[[], Page]
"""A page, or what makes one for each request: a plain function that does not wait, because the event loop runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig(Checked):
    """What is for browsers, probes and proxies, on each endpoint that has a host."""

    origins: tuple[str, ...] = ()
    """Whose pages may open WebSockets: origins as browsers send them, such as ``https://app.example.com``, and the word
    ``same-origin`` for pages of the very host and port. Empty: no page may, because a page that anybody wrote could use
    its visitors' access otherwise. Clients that are no browsers send no origin, and are taken in any case."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses, or networks such as ``10.0.0.0/8``, whose ``X-Forwarded-For`` tells who the client of a WebSocket is:
    the last in it that is none of them. Empty: nobody's is believed, because whoever connects can write one."""
    metrics: str | None = None
    """The path of a page with the server's stats for Prometheus, such as ``/metrics``. None: there is none, because it
    shows everybody who can connect how much which method is called, and how often it fails."""
    pages: Mapping[str, PageSource] = field(default_factory=dict, hash=False)
    """What is shown at which path, ``/`` for example. There are none unless told otherwise: an RPC port is no web
    server's."""

    def _check_together(self) -> None:
        for origin in self.origins:
            if origin != SAME_ORIGIN and not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"origins: {origin!r} is none: write scheme, host and port, as in https://app.example.com, in "
                    f"small letters and without a slash at the end, or {SAME_ORIGIN}"
                )
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ConfigError(f"trusted_proxies: {error}: write an address, or a network as 10.0.0.0/8") from None
        for path in self.pages:
            _check_path("pages", path)
        if self.metrics is not None:
            _check_path("metrics", self.metrics)
            if self.metrics in self.pages:
                raise ConfigError(f"metrics: {self.metrics} is one of the pages already: choose another path")
        object.__setattr__(self, "pages", MappingProxyType(dict(self.pages)))

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickling, which a view of a dict refuses."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        return _made, (settings | {"pages": dict(self.pages)},)


def _made(settings: dict[str, Any]) -> WebConfig:
    return WebConfig(**settings)


def _check_path(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        raise ConfigError(f"{name}: {path!r} is no path: it begins with a slash and has neither ? nor #")
    if path == HEALTH_PATH:
        raise ConfigError(f"{name}: {HEALTH_PATH} tells the health of the server: choose another path")
