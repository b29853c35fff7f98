"""The generated packages that a program has imported, whose messages need not be loaded yet."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Final

__all__ = ["load_messages", "note_package"]

_NOTED: Final[dict[str, None]] = {}
"""Their names, in order; a name stays, because another thread may still be loading its messages."""


def note_package(name: str) -> None:
    """Tells of a generated package, which is being imported."""
    _NOTED[name] = None


def load_messages() -> None:
    """Loads every message class of the packages."""
    for package in tuple(_NOTED):
        if package in sys.modules and find_spec(f"{package}.messages") is not None:
            import_module(f"{package}.messages")
