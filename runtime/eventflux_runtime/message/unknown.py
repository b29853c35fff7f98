"""Records that a message has no field for, and messages that come in several parts.

Protobuf keeps what it does not know and writes it again behind the fields. And where a field that holds one message
stands more than once, the parts are merged, which is what reading them put together amounts to
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.message.protobuf_refusal import in_parts
from eventflux_runtime.message.varint import long_size, long_tag, long_varint, write_block, write_varint
from eventflux_runtime.rpc.errors import CodecError

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = ["MAX_DEPTH", "Repeats", "keep", "keep_any", "keep_entry", "keep_number", "repeated", "skip_value"]

MAX_DEPTH: Final = 100
"""How deep messages, entries of maps, and groups may lie below the outermost message: as protobuf has it."""

_VARINT: Final = 0
_I64: Final = 1
_LEN: Final = 2
_GROUP: Final = 3
_GROUP_END: Final = 4
_I32: Final = 5

T = TypeVar("T")


def skip_value(data: bytes, pos: i64, limit: i64, tag: i64, depth: i64) -> i64:
    """Where the record ends whose tag ends at `pos`; beyond `limit`, if it is cut off there.

    Args:
        data: what is read.
        pos: where the value begins.
        limit: where the message ends that the record is in.
        tag: the record's number and wire type.
        depth: how deep that message lies in others.

    Raises:
        IndexError: the input ends in it.
        ValueError: it is no record.
    """
    kind = tag & 7
    if kind == _VARINT:
        _, pos = long_varint(data, pos)
        return pos
    if kind == _LEN:
        size, pos = long_size(data, pos)
        return pos + size
    if kind == _I32:
        return pos + 4
    if kind == _I64:
        return pos + 8
    if kind == _GROUP:
        return _skip_group(data, pos, limit, tag, depth + 1)
    if kind == _GROUP_END:
        raise ValueError("a group ends that has not begun")
    raise ValueError(f"there is no wire type {kind}")


def _skip_group(data: bytes, pos: i64, limit: i64, opened: i64, depth: i64) -> i64:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    while pos < limit:
        tag, pos = long_tag(data, pos)
        if tag & 7 == _GROUP_END:
            if tag >> 3 != opened >> 3:
                raise ValueError("a group ends that has not begun")
            return pos
        pos = skip_value(data, pos, limit, tag, depth)
    raise IndexError


def keep(unknown: BytesWriter | None, data: bytes, start: i64, pos: i64, tag: i64) -> BytesWriter:
    """Adds the record from `start` to `pos` to those that a message does not know.

    Raises:
        ValueError: its number is 0.
    """
    if tag < 8:
        raise ValueError("there is no field 0")
    return keep_any(unknown, data, start, pos)


def keep_any(unknown: BytesWriter | None, data: bytes, start: i64, pos: i64) -> BytesWriter:
    """Does so for a message without fields, where protobuf takes the number 0 too, as it does within a group."""
    if unknown is None:
        unknown = BytesWriter()
    unknown.write(data[start:pos])
    return unknown


def keep_number(unknown: BytesWriter | None, tag: i64, number: i64) -> BytesWriter:
    """Adds an element of a packed list, which its enum does not know, as a record of its own."""
    if unknown is None:
        unknown = BytesWriter()
    write_varint(unknown, tag)
    write_varint(unknown, number)
    return unknown


def keep_entry(unknown: BytesWriter | None, tag: i64, entry: bytes) -> BytesWriter:
    """Adds an entry of a map, which had records beside key and value, to the records that the message does not know."""
    if unknown is None:
        unknown = BytesWriter()
    write_varint(unknown, tag)
    write_block(unknown, entry)
    return unknown


@final
class Repeats:
    """The earlier parts of messages that stand more than once in another one, by their tag.

    Each part consists of whole records, so that it can be put before the next one.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[int, BytesWriter] = {}

    def add(self, tag: i64, data: bytes, begin: i64, end: i64, depth: i64) -> None:
        """Keeps ``data[begin:end]`` until the last part has come. Raises as `skip_value`."""
        pos = begin
        while pos < end:
            inner, pos = long_tag(data, pos)
            pos = skip_value(data, pos, end, inner, depth)
        if pos != end:
            raise IndexError
        parts = self._parts.get(tag)
        if parts is None:
            parts = BytesWriter()
            self._parts[tag] = parts
        parts.write(data[begin:end])

    def read(
        self,
        read: Callable[[bytes, int, int, int], T],
        tag: i64,
        data: bytes,
        begin: i64,
        end: i64,
        depth: i64,
    ) -> T:
        """The message whose last, or only, part is ``data[begin:end]``. Raises CodecError."""
        parts = self._parts.pop(tag, None)
        if parts is None:
            return read(data, begin, end, depth)
        parts.write(data[begin:end])
        whole = parts.getvalue()
        try:
            return read(whole, 0, len(whole), depth)
        except CodecError as error:
            raise in_parts(error, begin) from None


def repeated(repeats: Repeats | None, tag: i64, data: bytes, begin: i64, end: i64, depth: i64) -> Repeats:
    """Keeps an earlier part of a message, now that a further one has come. Raises as `skip_value`."""
    if repeats is None:
        repeats = Repeats()
    repeats.add(tag, data, begin, end, depth)
    return repeats
