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
_ABBREVIATION: Final = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf)\.$")
_LABEL: Final = re.compile(r"(?:(?:Required|Optional|Output only|Input only|Immutable|Identifier)\.\s*)+")
"""What Google's style has stand before the first sentence of a field."""
_ITEM: Final = re.compile(r"(?:[-*]|\d+[.)])\s+")
_REFERENCE: Final = re.compile(r"(?<!\w)\[([\w.]+)\]\s?\[[\w.]*\.[\w.]*\]")
"""A link of Google's style: what is shown, and the full name of what is meant."""


def as_docstring(comment: str, fallback: str, *, unit: str | None = None) -> Lines:
    """A summary line that ends with a full stop, and the rest of the comment beneath it.

    Args:
        comment: as the IDL has it; may be empty.
        fallback: the summary where the IDL says nothing, or nothing that fits on a line.
        unit: the unit of a field, which the options give.
    """
    first, *rest = [_legible(block) for block in _blocks(comment)] or [fallback]
    summary, more = _first_sentence(first)
    if len(summary) > _WIDTH:
        summary, more = fallback, first
    rest = [more, *rest] if more else rest
    if summary[-1] not in (".!?:" if rest else ".!?"):
        summary += "."
    if unit is not None:
        rest.append(f"Unit: {_escape(unit)}.")
    lines, was_item = [summary], False
    for block in rest:
        marker = _ITEM.match(block)
        if not (marker and was_item):
            lines.append("")
        was_item = marker is not None
        indent = " " * (marker.end() if marker else 0)
        lines += textwrap.wrap(block, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return tuple(lines)


def _blocks(comment: str) -> list[str]:
    """The paragraphs of a comment and the items of its lists, each on one line."""
    blocks: list[list[str]] = []
    for paragraph in re.split(r"\n\s*\n", comment.strip()):
        blocks.append([])
        for line in paragraph.splitlines():
            if _ITEM.match(line.strip()) and blocks[-1]:
                blocks.append([])
            blocks[-1] += line.split()
    return [" ".join(words) for words in blocks if words]


def _first_sentence(text: str) -> tuple[str, str]:
    """The first sentence, with a label before it, and what comes behind it."""
    label = _LABEL.match(text)
    for end in _SENTENCE_END.finditer(text, label.end() if label else 0):
        before = text[: end.start()]
        if end.start() > _WIDTH:
            break
        if not _ABBREVIATION.search(before) and before.count("(") <= before.count(")"):
            return before, text[end.end() :]
    if label and len(text) > _WIDTH and label.end() < len(text):
        return text[: label.end()].rstrip(), text[label.end() :]
    return text, ""


def _legible(text: str) -> str:
    return _escape(_REFERENCE.sub(r"`\1`", text))


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")
