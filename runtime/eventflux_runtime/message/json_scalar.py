"""Scalar values in proto3's JSON mapping: how each kind is written, what is taken for one, and its default.

What a text may look like is what protobuf's own runtime for Python takes, which is more than the mapping asks for:
numbers in quotes, with whitespace or underscores as `int` and `float` take them. A number that would become infinite
is refused here in each of its forms.
"""

from __future__ import annotations

import binascii
import math
import struct
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eventflux_runtime.message.json_misfit import Misfit

__all__ = ["SCALARS", "Scalar", "checked_text", "read_int", "written_int"]

_FLOAT: Final = struct.Struct("<f")
_INFINITE: Final = frozenset({"inf", "infinity"})


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of scalar."""

    write: Callable[[Any], object]
    """What stands in JSON for a value. Raises Misfit."""
    read: Callable[[Any], Any]
    """The value that stands in JSON. Raises Misfit."""
    is_default: Callable[[Any], bool]
    """Whether a value, which can be written, is proto3's default."""
    read_key: Callable[[str], Any]
    """The value of a map's key. Raises Misfit."""
    write_key: Callable[[Any], str]
    """A map's key. Raises Misfit."""


def checked_text(value: object) -> str:
    """A text that UTF-8 can encode. Raises Misfit."""
    if not isinstance(value, str):
        raise Misfit.of("a str", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Misfit.of("a str that UTF-8 can encode", value) from None
    return value


def written_int(value: object, least: int, most: int) -> int:
    """An int in a range. Raises Misfit."""
    if not isinstance(value, int) or not least <= value <= most:
        raise Misfit.of(f"an int from {least} to {most}", value)
    return int(value)


def read_int(value: object, least: int, most: int) -> int:
    """The int that a number or a text stands for. Raises Misfit."""
    number = _whole(value)
    if number is None or not least <= number <= most:
        raise Misfit.of(f"an integer from {least} to {most}", value)
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if not isinstance(value, str) or " " in value:
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _integer(least: int, most: int, *, is_quoted: bool) -> Scalar:
    def write(value: object) -> object:
        number = written_int(value, least, most)
        return str(number) if is_quoted else number

    def read(value: object) -> int:
        return read_int(value, least, most)

    def write_key(value: object) -> str:
        return str(written_int(value, least, most))

    return Scalar(write, read, _is_false, read, write_key)


def _is_false(value: object) -> bool:
    return not value


def _floating(to_json: Callable[[float], float], narrow: Callable[[float], float], name: str) -> Scalar:
    def write(value: object) -> object:
        number = _as_float(value)
        if math.isfinite(number):
            return to_json(number)
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    def read(value: object) -> float:
        number = _read_float(value, name)
        if not math.isfinite(number):
            return number
        try:
            return narrow(number)
        except OverflowError:
            raise Misfit.of(f"a number that fits into a {name}", value) from None

    return Scalar(write, read, _is_zero, _no_key, _no_key)


def _as_float(value: object) -> float:
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            pass
    raise Misfit.of("a float", value)


def _is_zero(value: float) -> bool:
    return value == 0.0 and math.copysign(1.0, value) > 0.0


def _read_float(value: object, name: str) -> float:
    """A number, or the text of one; `true` is 1, as protobuf's own runtime has it."""
    if not isinstance(value, (int, float, str)) or value == "nan":
        raise Misfit.of('a number, "NaN", "Infinity" or "-Infinity"', value)
    try:
        number = float(value)
    except ValueError:
        raise Misfit.of('a number, "NaN", "Infinity" or "-Infinity"', value) from None
    except OverflowError:
        number = math.inf
    if math.isinf(number) and not (isinstance(value, str) and value.strip().lstrip("+-").lower() in _INFINITE):
        raise Misfit.of(f"a number that fits into a {name}", value)
    return number


def _to_float32(value: float) -> float:
    number: float
    (number,) = _FLOAT.unpack(_FLOAT.pack(value))
    return number


def _shortest(value: float) -> float:
    """The number with the fewest digits that is the same float of 32 bits."""
    try:
        narrow = _to_float32(value)
    except OverflowError:
        raise Misfit.of("a float of 32 bits", value) from None
    for digits in (6, 7, 8):
        number = float(f"{narrow:.{digits}g}")
        if _fits(number, narrow):
            return number
    return float(f"{narrow:.9g}")


def _fits(number: float, narrow: float) -> bool:
    try:
        return _to_float32(number) == narrow
    except OverflowError:  # rounded up, beyond the greatest one
        return False


def _no_key(value: object) -> Any:
    raise Misfit.of("a key of a map", value)


def _write_bool(value: object) -> object:
    if value is not True and value is not False:
        raise Misfit.of("True or False", value)
    return value


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise Misfit.of("true or false", value)
    return value


def _read_bool_key(value: str) -> bool:
    if value not in ("true", "false"):
        raise Misfit.of('"true" or "false"', value)
    return value == "true"


def _write_bool_key(value: object) -> str:
    return "true" if _write_bool(value) else "false"


def _write_bytes(value: object) -> object:
    if not isinstance(value, bytes):
        raise Misfit.of("bytes", value)
    return b64encode(value).decode()


def _read_bytes(value: object) -> bytes:
    """Base64 of either alphabet, with or without padding."""
    if not isinstance(value, str):
        raise Misfit.of("a text of Base64", value)
    try:
        text = value.encode()
        return urlsafe_b64decode(text + b"=" * (4 - len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise Misfit.of("a text of Base64", value) from None


_INT32: Final = _integer(-(2**31), 2**31 - 1, is_quoted=False)
_INT64: Final = _integer(-(2**63), 2**63 - 1, is_quoted=True)
_UINT32: Final = _integer(0, 2**32 - 1, is_quoted=False)
_UINT64: Final = _integer(0, 2**64 - 1, is_quoted=True)

SCALARS: Final[dict[str, Scalar]] = {
    "double": _floating(float, float, "double"),
    "float": _floating(_shortest, _to_float32, "float"),
    "int32": _INT32,
    "sint32": _INT32,
    "sfixed32": _INT32,
    "int64": _INT64,
    "sint64": _INT64,
    "sfixed64": _INT64,
    "uint32": _UINT32,
    "fixed32": _UINT32,
    "uint64": _UINT64,
    "fixed64": _UINT64,
    "bool": Scalar(_write_bool, _read_bool, _is_false, _read_bool_key, _write_bool_key),
    "string": Scalar(checked_text, checked_text, _is_false, checked_text, checked_text),
    "bytes": Scalar(_write_bytes, _read_bytes, _is_false, _no_key, _no_key),
}
"""Every kind, by its name in the IDL."""
