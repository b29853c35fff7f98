"""From an endpoint to its wire; modules are imported at first use, so that an unused wire costs nothing."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, cast

from eventflux_runtime.protocol.api import Wire
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError, MissingExtraError
from eventflux_runtime.rpc.scheme import Scheme

__all__ = ["wire_of", "wire_of_rows"]


def wire_of(endpoint: Endpoint) -> Wire:
    """The wire of an endpoint's scheme, or of those that it joins.

    Raises:
        ConfigError: schemes are joined that cannot share a port.
        MissingExtraError: the wire needs a package that is not installed.
    """
    return wire_of_rows(endpoint.rows)


@cache
def wire_of_rows(rows: tuple[Scheme, ...]) -> Wire:
    """The wire of one row, or of several that share a port; as `wire_of`."""
    for row in rows:
        if row.wire and len(rows) > 1:
            others = " and ".join(f"{other.name}://" for other in rows if other is not row)
            raise ConfigError(
                f"{row.name}:// opens a port of its own and shares none with {others}: give it its own URL"
            )
    first = rows[0]
    if first.wire:
        return cast("Wire", _loaded(first, first.wire))
    from eventflux_runtime.wire.stack import Inner, StackedWire  # noqa: PLC0415 - only stacked wires need what it imports

    return StackedWire(
        _loaded(first, first.carrier),
        [_loaded(first, layer) for layer in first.layers],
        [Inner(_loaded(row, row.protocol), _loaded(row, row.upgrade) if row.upgrade else None) for row in rows],
        [_loaded(row, guest) for row, guest in {guest: (row, guest) for row in rows for guest in row.guests}.values()],
        next((_loaded(row, row.front) for row in rows if row.front), None),
    )


def _loaded(row: Scheme, name: str) -> Any:
    """The object that a row names as ``module:name``."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in row.packages:
            raise MissingExtraError(f"the {row.name}:// wire", row.extra) from None
        raise
