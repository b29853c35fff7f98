"""Trace context and baggage in the metadata of calls, by OpenTelemetry's propagators."""

from __future__ import annotations

import logging
from functools import lru_cache
from time import monotonic
from typing import Final

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator

from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["extracted", "injected", "with_context"]

_log: Final = LimitedLog(logging.getLogger("eventflux_runtime.otel"), monotonic)


class _MetadataGetter(Getter[Metadata]):
    """Reads metadata. Values that are bytes are for nobody here."""

    def get(self, carrier: Metadata, key: str) -> list[str] | None:
        """Every value of a key; None: there is none."""
        return [value for value in carrier.get_all(key) if isinstance(value, str)] or None

    def keys(self, carrier: Metadata) -> list[str]:
        """All keys."""
        return [key for key, _ in carrier]


_GETTER: Final = _MetadataGetter()


def extracted(propagator: TextMapPropagator, metadata: Metadata, context: Context) -> Context:
    """A context with what the metadata of a call say of trace and baggage."""
    return propagator.extract(metadata, context=context, getter=_GETTER) if metadata else context


def injected(propagator: TextMapPropagator, context: Context) -> Metadata:
    """The metadata that carry a context; none, if the propagator makes what is no metadata: calls go on without."""
    carrier: dict[str, str] = {}
    propagator.inject(carrier, context=context)
    try:
        return Metadata.of(carrier) if carrier else EMPTY_METADATA
    except ConfigError as error:
        _log.warning("the trace context is left out of calls: %s", error)
        return EMPTY_METADATA


def with_context(propagator: TextMapPropagator, metadata: Metadata, context: Context) -> Metadata:
    """The metadata of a call with a context in the place of any that they carry.

    Where there is no context to carry, because nothing records, they are left as they are: so what the runtime hands
    on from the call that a handler serves goes on as ever.
    """
    added = injected(propagator, context)
    if not added:
        return metadata
    if not metadata:
        return added
    fields = _fields(propagator)
    kept = tuple(pair for pair in metadata if pair[0] not in fields and pair[0] not in added)
    return Metadata.from_trusted(kept) | added


@lru_cache(maxsize=16)
def _fields(propagator: TextMapPropagator) -> frozenset[str]:
    """The keys that a propagator writes; one of several asks each of them, which takes longer than to write them."""
    return frozenset(propagator.fields)
