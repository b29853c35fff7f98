"""The base classes of generated enums: those that take any number, and those that take only their own."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

__all__ = ["ClosedEnum", "OpenEnum"]


class OpenEnum(IntEnum):
    """An enum as proto3 has it: a number without a name is a value too, and survives decoding and encoding."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not -0x80000000 <= value <= 0x7FFFFFFF:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNRECOGNIZED_{value}".replace("-", "MINUS_")
        member._value_ = value
        return member


class ClosedEnum(IntEnum):
    """An enum as proto2 has it: a number without a name is no value, and stays among the unknown fields."""
