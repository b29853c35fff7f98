"""What the generated code says of elements that the IDL calls deprecated."""

from __future__ import annotations

import re
from typing import Final

from eventflux_codegen.model import Lines

__all__ = ["noted", "reason"]

_LONGEST: Final = 200
"""Room for the reason, which stands in the warning."""


def reason(full_name: str, comment: str, *, is_deprecated: bool) -> str:
    """What a user is told: what the comment says of it, if it begins so; empty, if the element is not deprecated."""
    if not is_deprecated:
        return ""
    first = " ".join(re.split(r"\n\s*\n", comment.strip(), maxsplit=1)[0].split())
    if re.match(r"@?deprecated\b", first, re.IGNORECASE) and len(first) <= _LONGEST:
        return f"{full_name}: {first.removeprefix('@')}"
    return f"{full_name} is deprecated"


def noted(doc: Lines, *, is_deprecated: bool) -> Lines:
    """A docstring, with a note if the element is deprecated and does not say so itself."""
    if not is_deprecated or any("deprecated" in line.lower() for line in doc):
        return doc
    return (*doc, "", "Deprecated.") if doc else ("Deprecated.",)
