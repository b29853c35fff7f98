"""Names in the network inside the process."""

from __future__ import annotations

from itertools import count
from typing import Final

__all__ = ["memory_endpoint"]

_names: Final = count(1)


def memory_endpoint() -> str:
    """A ``memory://`` URL that nothing else in this process uses."""
    return f"memory://testing-{next(_names)}"
