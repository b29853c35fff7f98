"""The errors of generated codecs: what is wrong with a value or with bytes, in words.

Codecs are made of straight-line code that is compiled. Everything here runs once a message is refused, so it is not.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from eventflux_runtime.message.redaction import REDACTED, is_redacted, shown_of
from eventflux_runtime.rpc.errors import CodecError

__all__ = [
    "bad_flag",
    "bad_length",
    "bad_variant",
    "lacking",
    "malformed",
    "no_member",
    "no_variant",
    "overlong",
    "require",
    "shown",
    "too_deep",
    "too_many_empty",
    "trailing",
    "unfit",
    "unknown_layout",
    "unset",
    "veiled",
]

M = TypeVar("M", bound=msgspec.Struct)

_repr: Final = reprlib.Repr()
_repr.maxother = 80


def unknown_layout(layout: object, known: Iterable[str]) -> CodecError:
    """A message does not have that layout."""
    return CodecError(f"unknown layout {layout!r}: use one of {', '.join(known)}")


def require(message: object, kind: type[M]) -> M:
    """A message of a class, made of one of a child of it, whose fields are others or in another order.

    Raises:
        CodecError: it is none of either.
    """
    if not isinstance(message, kind):
        raise CodecError(f"expected a message of type {kind.__name__}, not {shown(message)}", field=kind.__name__)
    made = kind(**{name: getattr(message, name) for name in kind.__struct_fields__})
    _keep_unknown(message, made)
    return made


def _keep_unknown(message: Any, made: Any) -> None:
    if message.unknown_fields:
        made.unknown_fields = message.unknown_fields


def unfit(message: object, field: str, expected: Mapping[str, str]) -> CodecError:
    """A field holds what its type cannot carry; `expected` says for each field what it takes."""
    found = shown(shown_of(message, _attribute(field)))
    return CodecError(f"{field}: expected {expected[field]}; found {found}", field=field)


def veiled(message: object, field: str, error: CodecError) -> CodecError:
    """What is wrong with a message in a field, without what was found there if the field is not to be shown."""
    told, found, _ = str(error).partition("; found ")
    if not found or not is_redacted(message, _attribute(field)):
        return error
    return CodecError(f"{told}{found}{REDACTED}", field=error.field, offset=error.offset)


def malformed(field: str, pos: int, end: int, error: Exception) -> CodecError:
    """The input ends within a field, or a text is not UTF-8."""
    if isinstance(error, UnicodeDecodeError):
        offset = pos - len(error.object) + error.start
        return CodecError(f"{field}: byte {offset} of the input is not UTF-8", field=field, offset=offset)
    return CodecError(f"{field}: begins at byte {pos}, but the input ends at byte {end}", field=field, offset=pos)


def overlong(field: str, pos: int, length: int, limit: int) -> CodecError:
    """A length or count is beyond what the rest of the input has room for."""
    length &= 0xFFFFFFFFFFFFFFFF
    return CodecError(
        f"{field}: the length at byte {pos} is {length}, but the rest of the input has room for {limit}",
        field=field,
        offset=pos,
    )


def bad_length(field: str, begin: int, pos: int, limit: int) -> str:
    """Never returns: it stands in an expression, where a text is read that goes from `begin` to `pos`.

    Raises:
        CodecError: always.
    """
    raise overlong(field, begin - 8, pos - begin, limit - begin)


def bad_flag(field: str, pos: int, flag: int) -> CodecError:
    """A byte that tells whether something follows, or a bool, is neither 0 nor 1."""
    return CodecError(f"{field}: the flag at byte {pos} is {flag}, but must be 0 or 1", field=field, offset=pos)


def bad_variant(field: str, pos: int, number: int, limit: int) -> CodecError:
    """The input names a variant that there is not."""
    number &= 0xFFFFFFFF
    return CodecError(
        f"{field}: the variant at byte {pos} is {number}, but must be below {limit}", field=field, offset=pos
    )


def no_member(field: str, pos: int, number: int) -> CodecError:
    """The input has a number that an enum does not take, because it is closed."""
    return CodecError(
        f"{field}: the number at byte {pos} is {number}, which its enum does not have", field=field, offset=pos
    )


def unset(field: str) -> CodecError:
    """A required field is not set."""
    return CodecError(f"{field}: is required, but None", field=field)


def trailing(name: str, pos: int, end: int) -> CodecError:
    """The input goes on behind the message."""
    return CodecError(f"{name}: ends at byte {pos}, but the input goes on to byte {end}", field=name, offset=pos)


def too_deep(name: str, most: int, pos: int) -> CodecError:
    """Messages lie in each other without end."""
    return CodecError(f"{name}: nested more than {most} levels deep", field=name, offset=pos)


def too_many_empty(field: str, most: int, count: int, pos: int = -1) -> CodecError:
    """Elements of no bytes, which a few bytes of input could claim in any number."""
    return CodecError(
        f"{field}: {count & 0xFFFFFFFFFFFFFFFF} elements without content, but at most {most} are allowed",
        field=field,
        offset=pos,
    )


def lacking(message: object, field: str, layout: str) -> CodecError:
    """A layout has no place for a field that is set."""
    found = shown(shown_of(message, _attribute(field)))
    return CodecError(
        f"{field}: the layout {layout!r} has no place for it, so it must keep its default; found {found}",
        field=field,
    )


def no_variant(message: object, field: str, layout: str) -> CodecError:
    """A layout has no variant for the member of an enum that a field holds."""
    found = shown(shown_of(message, _attribute(field)))
    return CodecError(f"{field}: the layout {layout!r} has no variant for {found}", field=field)


def _attribute(field: str) -> str:
    return field.rpartition(".")[2]


def shown(value: object) -> str:
    """A value in an error, cut short."""
    try:
        return _repr.repr(value)
    except ValueError:  # repr() refuses an int of more than 4,300 digits
        return f"a value of type {type(value).__name__} too long to print"
