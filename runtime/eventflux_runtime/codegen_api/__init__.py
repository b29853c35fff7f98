"""All that generated code may import from the runtime; its names are a versioned contract.

`CONTRACT_VERSION` rises when generated code of an older generator would no longer work; `check_contract` is called by
each generated package at import and says what to do.
"""

from __future__ import annotations

from eventflux_runtime.loading.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__)
