"""The runtime of EventFlux transport: typed clients and services over gRPC, a native TCP protocol, and more."""

from __future__ import annotations

from eventflux_runtime.loading.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__)
