"""What is not shown of a message: fields that the IDL marks as `debug_redact`."""

from __future__ import annotations

from typing import Final, final

import msgspec

__all__ = ["REDACTED", "Redacted", "RedactedChoice", "redacted_repr"]

REDACTED: Final = "<redacted>"
"""Stands for a value that is not shown."""


@final
class Redacted:
    """Stands for a value that is not shown, where its repr is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return REDACTED


def redacted_repr(struct: msgspec.Struct, hidden: frozenset[str]) -> str:
    """The repr of a struct without the values of some fields."""
    shown = (
        f"{name}={REDACTED if name in hidden else repr(getattr(struct, name))}" for name in struct.__struct_fields__
    )
    return f"{type(struct).__name__}({', '.join(shown)})"


class RedactedChoice(msgspec.Struct):
    """The base class of a choice of a oneof whose value is not shown."""

    def __repr__(self) -> str:
        return redacted_repr(self, frozenset({"value"}))

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("value", Redacted())]
