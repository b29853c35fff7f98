"""What the parts of an error become, whatever they are given as: a code, text, details and trailers for any wire."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Final

from eventflux_runtime.rpc.counted_log import CountedLog
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode

__all__ = [
    "MAX_TEXT_BYTES",
    "encoded_bytes",
    "escaped",
    "fitted",
    "plain_code",
    "plain_details",
    "plain_metadata",
    "plain_text",
    "shortened",
]

MAX_TEXT_BYTES: Final = 4096
"""The longest text of an error, as gRPC's percent-encoding counts it: half of the 8 KiB of headers that any gRPC peer
takes. It is the same on every wire, so that an error is."""

_UNENCODED: Final = bytes(code for code in range(0x20, 0x7F) if code != ord("%"))
"""What percent-encoding leaves as it is; every other byte becomes three."""
_log: Final = CountedLog(logging.getLogger("eventflux_runtime"))


def plain_code(code: object) -> StatusCode:
    """The status code that a member, a number or a name stands for, grpcio's members too; UNKNOWN where none does."""
    if isinstance(code, StatusCode):
        return code
    if isinstance(code, int):
        return StatusCode.from_number(code)
    name = getattr(code, "name", code)
    found = StatusCode.__members__.get(name.upper()) if isinstance(name, str) else None
    return found if found is not None else StatusCode.UNKNOWN


def plain_text(text: object) -> str:
    """A text that UTF-8 can encode; of other objects what they say of themselves, and none of None."""
    if text is None:
        return ""
    if not isinstance(text, str):
        try:
            text = str(text)
        except Exception:  # noqa: BLE001 - it is the object's own code that fails, and the error still has to be told
            return f"<a {type(text).__name__} that has no text>"
    # A subclass may encode as it likes, text of Python's own does as the line below has it.
    exact = str.__str__(text)
    return exact if exact.isascii() else exact.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_details(details: object) -> tuple[ErrorDetail, ...]:
    """The details that are such, messages packed, in order; others are left out, and the log says so."""
    try:
        given: tuple[Any, ...] = tuple(details) if isinstance(details, Iterable) else (details,)
    except Exception:  # noqa: BLE001 - as in `plain_text`
        given = (details,)
    plain = tuple(made for made in map(_detail, given) if made is not None)
    if len(plain) < len(given):
        _log.warning(
            "left out %d of %d details of an error: each has to be an ErrorDetail with a text and bytes, or a message "
            "that can be encoded",
            len(given) - len(plain),
            len(given),
        )
    return plain


def _detail(detail: object) -> ErrorDetail | None:
    if not isinstance(detail, ErrorDetail):
        try:
            return ErrorDetail.of(detail)  # type: ignore[arg-type] # whatever it is: what is no message is left out
        except Exception:  # noqa: BLE001 - as in `plain_text`
            return None
    url: object = detail.type_url
    value: object = detail.value
    if type(url) is str and url.isascii() and type(value) is bytes:
        return detail
    if isinstance(value, bytes | bytearray | memoryview):
        return ErrorDetail(plain_text(url), bytes(value))
    return None


def plain_metadata(metadata: object) -> Metadata:
    """Metadata that keeps the rules; none, with a word in the log, where what is given does not."""
    if isinstance(metadata, Metadata):
        return metadata
    try:
        return Metadata.of(metadata)  # type: ignore[arg-type] # whatever it is: what is none of these is refused
    except ConfigError as error:
        _log.warning("left out the metadata of an error: %s", error)
        return EMPTY_METADATA


def shortened(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """The text if percent-encoding makes no more than `limit` bytes of it, otherwise its beginning and a mark.

    The mark says how many bytes of UTF-8 were cut.
    """
    if len(text) * 12 <= limit or encoded_bytes(text) <= limit:
        return text
    whole = len(text.encode())
    room = limit - len(_mark(whole))
    kept, beyond = 0, len(text)
    while kept + 1 < beyond:
        middle = (kept + beyond) // 2
        if encoded_bytes(text[:middle]) <= room:
            kept = middle
        else:
            beyond = middle
    return text[:kept] + _mark(whole - len(text[:kept].encode()))


def _mark(size: int, what: str = "") -> str:
    return f"... [cut: {size} bytes{what}]"


def fitted(status: Status, size_of: Callable[[Status], int], limit: int) -> Status:
    """The status as far as it fits into `limit`, as `size_of` counts; marks in its text say what was cut.

    Trailers go first, then details, and the end of the text last: a status over a limit still has to end its call.
    """
    if size_of(status) <= limit:
        return status
    details_bytes = sum(len(detail.type_url) + len(detail.value) for detail in status.details)
    trailers_bytes = sum(len(key) + len(value) for key, value in status.trailers.pairs)
    no_trailers = _mark(trailers_bytes, " of trailers") if status.trailers else ""
    no_details = _mark(details_bytes, " of details") if status.details else ""
    text = status.message
    for made in (
        Status(status.code, text + no_trailers, status.details),
        Status(status.code, text + no_details, (), status.trailers),
        Status(status.code, text + no_details + no_trailers),
    ):
        if size_of(made) <= limit:
            return made
    marks = no_details + no_trailers
    return Status(status.code, shortened(text, limit - size_of(Status(status.code, marks))) + marks)


def encoded_bytes(text: str) -> int:
    """How long percent-encoding makes a text, in bytes."""
    raw = text.encode()
    return len(raw) + 2 * len(raw.translate(None, _UNENCODED))


def escaped(text: str) -> str:
    """A text that may come from a peer, for people to read: what a terminal or a log would obey is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
