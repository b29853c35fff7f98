"""Public fakes for tests of services and clients: a network inside the process, clocks, fake calls, recordings.

The in-memory network is ``memory://``: `memory_endpoint` gives a fresh name, and `connect` and `serve` take it as any
other URL, with the whole native protocol in between.
"""

from __future__ import annotations

from eventflux_runtime.loading.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__)
