"""What is not shown of a message: fields that the IDL marks as `debug_redact`."""

from __future__ import annotations

from typing import Final, final

import msgspec

__all__ = ["REDACTED", "Redacted", "RedactedChoice", "is_redacted", "redacted_repr", "shown_of"]

REDACTED: Final = "<redacted>"
"""Stands for a value that is not shown."""


@final
class Redacted:
    """Stands for a value that is not shown, where its repr is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return REDACTED


def is_redacted(message: object, attribute: str) -> bool:
    """Whether a message's attribute is not to be shown, or holds a oneof with a choice that is not."""
    return attribute in getattr(message, "__redacted__", ()) or attribute in getattr(message, "__half_redacted__", ())


def shown_of(message: object, attribute: str) -> object:
    """What is shown of an attribute: its value, or what stands for it.

    The choices of a oneof know themselves what to show; what is none of them is not shown if one of them is not.
    """
    value = getattr(message, attribute, None)
    if attribute in getattr(message, "__redacted__", ()):
        return Redacted()
    is_choice = isinstance(value, msgspec.Struct) and not hasattr(value, "__redacted__")  # which a message has
    if value is not None and not is_choice and attribute in getattr(message, "__half_redacted__", ()):
        return Redacted()
    return value


def redacted_repr(message: msgspec.Struct) -> str:
    """The repr of a message without what is not to be shown."""
    shown = (f"{name}={shown_of(message, name)!r}" for name in message.__struct_fields__)
    return f"{type(message).__name__}({', '.join(shown)})"


class RedactedChoice(msgspec.Struct):
    """The base class of a choice of a oneof whose value is not shown."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(value={REDACTED})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("value", Redacted())]
