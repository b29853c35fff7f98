"""Comments of the IDL as the lines of Python docstrings."""

from __future__ import annotations

import re
import textwrap
from typing import Final

from eventflux_codegen.model import Lines

__all__ = ["as_docstring"]

_WIDTH: Final = 100
"""Room for a line: the generated code's 120 columns less the deepest indentation and the quotes."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=\S)")


def as_docstring(comment: str, fallback: str, *, unit: str | None = None) -> Lines:
    """A summary line that ends with a full stop, and the rest of the comment beneath it.

    Args:
        comment: as the IDL has it; may be empty.
        fallback: the summary where the IDL says nothing, or nothing that fits on a line.
        unit: the unit of a field, which the options give.
    """
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", comment.strip())]
    paragraphs = [_escape(paragraph) for paragraph in paragraphs if paragraph] or [fallback]
    summary, *more = _SENTENCE_END.split(paragraphs[0], maxsplit=1)
    if len(summary) > _WIDTH:
        summary, more = fallback, [paragraphs[0]]
    if summary[-1] not in ".!?":
        summary += "."
    rest = [*more, *paragraphs[1:]]
    if unit is not None:
        rest.append(f"Unit: {_escape(unit)}.")
    lines = [summary]
    for paragraph in rest:
        lines += ["", *textwrap.wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)]
    return tuple(lines)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")
