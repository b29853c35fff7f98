"""What `connect` and `serve` are given besides services: checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from eventflux_runtime.rpc.checked import require_instance
from eventflux_runtime.rpc.config import TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint, parse_target
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["config_or_default", "refuse_unused_tls", "target_endpoints"]

C = TypeVar("C")

_ENCRYPTED: Final = ("tcp", "grpc")
"""Schemes that are encrypted with an ``s`` behind them, whatever follows a ``+``."""


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
    schemes = list(dict.fromkeys(endpoint.scheme for endpoint in endpoints))
    encrypted = [_encrypted(scheme) for scheme in schemes if scheme.partition("+")[0] in _ENCRYPTED]
    wanted = " or ".join(f"{scheme}://" for scheme in encrypted or ("tcps", "grpcs"))
    plain = " and ".join(f"{scheme}://" for scheme in schemes)
    raise ConfigError(f"tls is set, and {plain} is not encrypted: write {wanted}, or leave tls out")


def _encrypted(scheme: str) -> str:
    protocol, plus, resolver = scheme.partition("+")
    return f"{protocol}s{plus}{resolver}"
