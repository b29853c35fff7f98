"""`Timestamp`, `Duration` and `FieldMask` in proto3's JSON mapping: each is a text.

What is read is what protobuf's own runtime for Python takes, which is more than RFC 3339: a month may have one digit.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from eventflux_runtime.message.json_misfit import Misfit
from eventflux_runtime.message.json_scalar import checked_text
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.well_known.messages import NANOS, Duration, FieldMask, Timestamp

__all__ = [
    "read_duration",
    "read_field_mask",
    "read_timestamp",
    "write_duration",
    "write_field_mask",
    "write_timestamp",
]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the text's zone is counted apart
_TIMESTAMP: Final = 'a text such as "2001-02-03T04:05:06.789Z"'
_DURATION: Final = 'a text such as "-1.500s"'
_MOST_DIGITS: Final = 9


def write_timestamp(message: Timestamp, _depth: int) -> str:
    """RFC 3339 in UTC, with as many groups of three digits as the nanoseconds need. Raises Misfit."""
    _check(message)
    moment = _EPOCH + timedelta(seconds=message.seconds)
    return f"{moment.isoformat()}{_fraction(message.nanos)}Z"


def read_timestamp(value: object, _depth: int, _ignore_unknown: bool) -> Timestamp:
    """The timestamp of a text. Raises Misfit."""
    try:
        message = _parsed_timestamp(value)
        message.check()
    except (ValueError, CodecError):
        raise Misfit.of(_TIMESTAMP, value) from None
    return message


def _parsed_timestamp(value: object) -> Timestamp:
    """Raises ValueError for what is no timestamp."""
    if not isinstance(value, str):
        raise ValueError
    zone_at = value.find("Z")
    if zone_at == -1:
        zone_at = value.find("+")
    if zone_at == -1:
        zone_at = value.rfind("-")
    if zone_at == -1:
        raise ValueError
    moment, zone = value[:zone_at], value[zone_at:]
    whole, _, fraction = moment.partition(".")
    if "t" in whole or len(fraction) > _MOST_DIGITS:
        raise ValueError
    since = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S") - _EPOCH  # noqa: DTZ007 - as above
    seconds = since.days * 86_400 + since.seconds - _offset_s(zone)
    return Timestamp(seconds, _nanos(f"0.{fraction}") if fraction else 0)


def _offset_s(zone: str) -> int:
    """The seconds of ``Z`` or ``+01:30``. Raises ValueError."""
    if zone == "Z":
        return 0
    hours, colon, minutes = zone[1:].partition(":")
    if not colon or zone[0] == "Z":
        raise ValueError
    offset = (int(hours) * 60 + int(minutes)) * 60
    return offset if zone[0] == "+" else -offset


def write_duration(message: Duration, _depth: int) -> str:
    """Seconds, with as many groups of three digits behind the point as the nanoseconds need. Raises Misfit."""
    _check(message)
    sign = "-" if message.seconds < 0 or message.nanos < 0 else ""
    return f"{sign}{abs(message.seconds)}{_fraction(abs(message.nanos))}s"


def read_duration(value: object, _depth: int, _ignore_unknown: bool) -> Duration:
    """The duration of a text. Raises Misfit."""
    try:
        if not isinstance(value, str) or not value.endswith("s"):
            raise ValueError
        whole, point, fraction = value[:-1].partition(".")
        nanos = _nanos(f"0.{fraction}") if point else 0
        message = Duration(int(whole), -nanos if value.startswith("-") else nanos)
        message.check()
    except (ValueError, CodecError):
        raise Misfit.of(_DURATION, value) from None
    return message


def write_field_mask(message: FieldMask, _depth: int) -> str:
    """The paths in lowerCamelCase, with commas between them. Raises Misfit."""
    if not isinstance(message.paths, list):
        raise Misfit.of("a list of str", message.paths).within(".paths")
    paths = []
    for index, path in enumerate(message.paths):
        first, *words = checked_text(path).split("_")
        if path.lower() != path or not all(word[:1].islower() for word in words):
            raise Misfit.of("a path in snake_case, which JSON can carry", path).within(f".paths[{index}]")
        paths.append(first + "".join(word[0].upper() + word[1:] for word in words))
    return ",".join(paths)


def read_field_mask(value: object, _depth: int, _ignore_unknown: bool) -> FieldMask:
    """The mask of paths with commas between them. Raises Misfit."""
    text = checked_text(value)
    if "_" in text:
        raise Misfit.of("paths in lowerCamelCase with commas between them", value)
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in text)
    return FieldMask(snake.split(",") if snake else [])


def _check(message: Timestamp | Duration) -> None:
    for name in ("seconds", "nanos"):
        if not isinstance(getattr(message, name), int):
            raise Misfit.of("an int", getattr(message, name)).within(f".{name}")
    try:
        message.check()
    except CodecError as error:
        name, _, reason = str(error).partition(": ")
        redacted = "expected a time within its range"
        raise Misfit(reason, is_shown=False, redacted=redacted).within(f".{name.rpartition('.')[2]}") from None


def _fraction(nanos: int) -> str:
    """``.5`` as ``.500``; nothing for none."""
    if nanos == 0:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


def _nanos(text: str) -> int:
    """The nanoseconds of a number of seconds. Raises ValueError."""
    nanos = float(text) * NANOS
    if not math.isfinite(nanos):
        raise ValueError
    return round(nanos)
