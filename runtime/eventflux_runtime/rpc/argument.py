"""What `connect` and `serve` are given besides services: checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from eventflux_runtime.rpc.checked import require_instance
from eventflux_runtime.rpc.config import TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint, parse_target
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.scheme import SCHEMES, AddressForm
from eventflux_runtime.rpc.web import WebConfig

__all__ = ["config_or_default", "refuse_unseen_metrics", "refuse_unused_tls", "target_endpoints"]

C = TypeVar("C")


def config_or_default(config: C | None, kind: type[C], name: str = "config") -> C:
    """A configuration of the right class; the defaults for None.

    Raises:
        ConfigError: it is another one's.
    """
    if config is None:
        return kind()
    require_instance(name, config, kind)
    return config


def target_endpoints(target: str | Iterable[str]) -> tuple[Endpoint, ...]:
    """The endpoints of a channel's target.

    Raises:
        ConfigError: it is no URL, and no list of URLs of one scheme.
    """
    given: object = target
    if not isinstance(given, str) and (isinstance(given, bytes | bytearray) or not isinstance(given, Iterable)):
        raise ConfigError(f"a target is a URL such as tcp://127.0.0.1:7070, or a list of them, not {given!r}")
    return parse_target(target)


def refuse_unused_tls(endpoints: Sequence[Endpoint], tls: TlsConfig | None) -> None:
    """Checks that certificates that were given are used, because nobody gives them for plain text.

    Raises:
        ConfigError: no endpoint is encrypted; the message says how to write one that is.
    """
    if tls is None or not endpoints or any(endpoint.is_tls for endpoint in endpoints):
        return
    rows = dict.fromkeys(row for endpoint in endpoints for row in endpoint.rows)
    wanted = [row.encrypted for row in rows if row.encrypted] or [
        row.name for row in SCHEMES.values() if row.is_tls and row.form is AddressForm.HOST
    ]
    plain = " and ".join(f"{row.name}://" for row in rows)
    why = f"{plain} is not encrypted" if any(row.encrypted for row in rows) else f"there is no TLS on {plain}"
    secured = " or ".join(f"{name}://" for name in wanted)
    raise ConfigError(f"tls is set, and {why}: write {secured}, or leave tls out")


def refuse_unseen_metrics(endpoints: Sequence[Endpoint], web: WebConfig | None) -> None:
    """Checks that a page of metrics that was asked for has a port to stand on.

    Raises:
        ConfigError: no endpoint answers requests of HTTP/1; the message says which do.
    """
    if web is None or web.metrics is None or any(row.front for endpoint in endpoints for row in endpoint.rows):
        return
    fitting = ", ".join(row.name for row in SCHEMES.values() if row.front)
    raise ConfigError(f"WebConfig.metrics is set, and no endpoint shows pages: add one of {fitting}, or leave it out")
