"""What differs between a recording and what came, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

__all__ = ["difference"]


def difference(recorded: Any, found: Any) -> str:
    """The lines of JSON that differ, with those around them; empty if none do."""
    if recorded == found:
        return ""
    return "\n".join(unified_diff(list(_lines(recorded)), list(_lines(found)), "recorded", "found", lineterm=""))


def _lines(value: Any) -> Iterator[str]:
    yield from json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).splitlines()
