"""The one exception of the generator, and how it points at a place in a source file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["COMMAND_LINE", "GenerationError", "Place", "nearest"]


COMMAND_LINE: Final = "command line"
"""What stands for a file where the mistake is in the arguments."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source file; line 0 stands for the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class GenerationError(Exception):
    """The sources cannot be turned into code. Nothing was written.

    Attributes:
        place: where the mistake is.
        others: further mistakes that were found with it.
    """

    def __init__(self, message: str, place: Place, others: Sequence[GenerationError] = ()) -> None:
        super().__init__("\n".join([f"{place}: {message}", *map(str, others)]))
        self.message = message
        self.place = place
        self.others = tuple(others)

    @classmethod
    def of_all(cls, errors: Sequence[GenerationError]) -> GenerationError:
        """One error that names all of them, a line each."""
        first, *others = errors
        return cls(first.message, first.place, others)


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error message: the closest valid name, or all of them, if there are few enough to read."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "none is valid here"
    listed = ", ".join(names[:12])
    return f"valid are: {listed}{', ...' if len(names) > 12 else ''}"
