"""The fields of a declared error, as the texts that the metadata of a ``google.rpc.ErrorInfo`` holds.

A text is what proto3's JSON mapping makes of the value, without the quotes where that is a string; so a list is a JSON
array and a message a JSON object: https://protobuf.dev/programming-guides/json/. Nobody needs a schema to read it.
"""

from __future__ import annotations

import base64
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

__all__ = ["EnumValue", "ErrorField", "ErrorValue", "MessageValue", "ScalarValue"]

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")
_NO_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MOST_F32: Final = (2 - 2**-23) * 2.0**127
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}


class ErrorValue(ABC):
    """The type of one value. Its methods raise ValueError, CodecError or RecursionError for what is no such value."""

    @abstractmethod
    def to_json(self, value: Any) -> object:
        """A value as JSON knows it."""

    @abstractmethod
    def from_json(self, found: object) -> Any:
        """The value of a text, or of an element of a JSON array."""


@final
@dataclass(frozen=True, slots=True)
class ScalarValue(ErrorValue):
    """A scalar of proto3."""

    name: str
    """Its type in the IDL, as ``sint32``."""

    def to_json(self, value: Any) -> object:
        """See `ErrorValue.to_json`. Numbers of 64 bits are texts in JSON, because JavaScript's numbers are shorter."""
        if self.name in _RANGES:
            number = _whole(value, self.name)
            return str(number) if self.name.endswith("64") else number
        if self.name in ("double", "float"):
            return _fraction_as_json(value, self.name)
        kind = {"string": str, "bytes": bytes, "bool": bool}[self.name]
        if not isinstance(value, kind):
            raise _wrong(self.name, value)
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value

    def from_json(self, found: object) -> Any:
        """See `ErrorValue.from_json`."""
        if self.name in _RANGES:
            whole = int(found) if isinstance(found, str) and _INTEGER.fullmatch(found) else found
            return _whole(whole, self.name)
        if self.name in ("double", "float"):
            return _fraction(_number_of(found), self.name)
        if self.name == "bool":
            return _flag(found)
        if not isinstance(found, str):
            raise _wrong(self.name, found)
        return found if self.name == "string" else base64.b64decode(found, validate=True)


@final
@dataclass(frozen=True, slots=True)
class EnumValue(ErrorValue):
    """A member of an enum, under its name in the IDL; a number without a name is itself."""

    kind: type[int]
    names: Mapping[int, str]

    def to_json(self, value: Any) -> object:
        """See `ErrorValue.to_json`."""
        number = _whole(value, "int32")
        return self.names.get(number, number)

    def from_json(self, found: object) -> Any:
        """See `ErrorValue.from_json`. Names that this side does not know are refused: they have no number."""
        for number, name in self.names.items():
            if name == found:
                return self.kind(number)
        if isinstance(found, str) and _INTEGER.fullmatch(found):
            found = int(found)
        return self.kind(_whole(found, "int32"))


@final
@dataclass(frozen=True, slots=True)
class MessageValue(ErrorValue):
    """A message."""

    kind: type[Any]
    """A generated class."""

    def to_json(self, value: Any) -> object:
        """See `ErrorValue.to_json`."""
        if not isinstance(value, self.kind):
            raise _wrong(self.kind.__name__, value)
        return json.loads(value.to_json())

    def from_json(self, found: object) -> Any:
        """See `ErrorValue.from_json`. What a newer peer added to the message is passed over."""
        text = found if isinstance(found, str) else json.dumps(found)
        return self.kind.from_json(text, ignore_unknown_fields=True)


@final
@dataclass(frozen=True, slots=True)
class ErrorField:
    """One field of a declared error."""

    name: str
    """In the options, and on the wire."""
    value: ErrorValue
    is_repeated: bool = False
    attribute: str = ""
    """In Python; empty: the name."""

    @property
    def python_name(self) -> str:
        """The attribute of the exception."""
        return self.attribute or self.name

    def to_text(self, value: Any) -> str:
        """What the metadata holds. Raises ValueError, or CodecError, for what is no such value."""
        found: object = [self.value.to_json(each) for each in value] if self.is_repeated else self.value.to_json(value)
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    def from_text(self, text: str) -> Any:
        """The value of a text. Raises ValueError, or CodecError, for one that no such value has."""
        if not self.is_repeated:
            return self.value.from_json(text)
        found: object = json.loads(text)
        if not isinstance(found, list):
            raise _wrong("list", found)
        return [self.value.from_json(each) for each in found]


def _whole(value: object, name: str) -> int:
    least, most = _RANGES[name]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(name, value)
    return int(value)


def _fraction_as_json(value: object, name: str) -> object:
    number = _fraction(value, name)
    if math.isfinite(number):
        return number
    return next(text for text, special in _NO_NUMBERS.items() if repr(special) == repr(number))


def _fraction(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(name, value)
    number = float(value)
    if name == "float" and math.isfinite(number) and abs(number) > _MOST_F32:
        raise _wrong(name, value)
    return number


def _number_of(found: object) -> object:
    """The number that a text is, if it is one; too large a one is none."""
    if isinstance(found, str):
        number = _NO_NUMBERS.get(found)
        if number is None and _NUMBER.fullmatch(found) and math.isfinite(float(found)):
            number = float(found)
        return found if number is None else number
    return found


def _flag(found: object) -> bool:
    if found is True or found == "true":
        return True
    if found is False or found == "false":
        return False
    raise _wrong("bool", found)


def _wrong(name: str, value: object) -> ValueError:
    return ValueError(f"expected {name}, not {value!r:.80}")
