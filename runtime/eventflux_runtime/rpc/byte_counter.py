"""A count of bytes that everything in one scope has in common, a channel or a server."""

from __future__ import annotations

from typing import final

__all__ = ["ByteCounter"]


@final
class ByteCounter:
    """Bytes that are held.

    Attributes:
        held: how many; whoever takes some adds them, and gives the same back.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0
