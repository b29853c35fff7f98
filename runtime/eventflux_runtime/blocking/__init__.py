"""Clients for programs without an event loop: calls wait in the thread that makes them, whichever thread that is."""

from __future__ import annotations

from eventflux_runtime.loading.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__)
