"""Comments of the IDL as the lines of TSDoc."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from eventflux_codegen.model import Lines

__all__ = ["as_tsdoc"]


def as_tsdoc(comment: str, fallback: str = "", *, notes: Iterable[str] = (), deprecated: str = "") -> Lines:
    """The text of a comment, line by line.

    Args:
        comment: as the IDL has it; may be empty.
        fallback: what stands there instead of an empty one.
        notes: paragraphs that come behind it.
        deprecated: what users are told of a deprecated element; empty for others.
    """
    text = textwrap.dedent("\n".join(f" {line}" if line[:1] != " " else line for line in comment.splitlines())).strip()
    blocks = [text or fallback, *notes]
    if deprecated:
        blocks.append(f"@deprecated {deprecated}")
    lines: list[str] = []
    for block in filter(None, blocks):
        lines += ["", *block.splitlines()] if lines else block.splitlines()
    return tuple(line.rstrip().replace("*/", "*\\/") for line in lines)
