"""Transports by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["create_transport"]

T = TypeVar("T")


def create_transport(name: str, config: object, kinds: Mapping[str, tuple[type[object], Callable[..., T]]]) -> T:
    """A transport from its name, in any case, and its configuration; None: the defaults.

    Args:
        name: a key of `kinds`.
        config: an instance of that kind's configuration class.
        kinds: a configuration class and a transport class for each name.

    Raises:
        ConfigError: no transport has that name, or the configuration is another one's.
    """
    kind = kinds.get(name.lower())
    if kind is None:
        raise ConfigError(f"unknown transport {name!r}: use one of {', '.join(sorted(kinds))}")
    config_class, transport_class = kind
    if config is not None and not isinstance(config, config_class):
        raise ConfigError(
            f"transport {name!r} takes a {config_class.__name__}, not a {type(config).__name__}: "
            f"pass {config_class.__name__}(...) or nothing"
        )
    return transport_class(config)
