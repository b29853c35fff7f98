"""The errors of the generated protobuf codecs that the native ones do not have, in words.

Everything here runs once a message is refused, so it is not compiled.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventflux_runtime.rpc.errors import CodecError

__all__ = ["absent", "bad_record", "in_parts", "overrun", "path_of"]


def absent(field: str, limit: int) -> CodecError:
    """A message that ends at `limit` lacks a required field."""
    return CodecError(
        f"{field}: is required, but not in the message that ends at byte {limit}", field=field, offset=limit
    )


def path_of(paths: Mapping[int, str], name: str, tag: int) -> str:
    """The field with the number in a tag, as ``Message.field``; the name of the message, if that has none."""
    return paths.get(tag >> 3, name)


def bad_record(field: str, start: int, pos: int, limit: int, error: Exception) -> CodecError:
    """What begins at `start` is no record of a message that ends at `limit`; `pos` is how far it was read."""
    if isinstance(error, UnicodeDecodeError):
        offset = pos - len(error.object) + error.start
        return CodecError(f"{field}: byte {offset} of the input is not UTF-8", field=field, offset=offset)
    if isinstance(error, IndexError):
        return CodecError(f"{field}: begins at byte {start} and is cut off at byte {limit}", field=field, offset=start)
    return CodecError(f"{field}: at byte {start} of the input, {error}", field=field, offset=start)


def overrun(field: str, start: int, size: int, room: int) -> CodecError:
    """A record claims more bytes than its message has left."""
    return CodecError(
        f"{field}: begins at byte {start} with the length {size}, but the rest of its message has room for {room}",
        field=field,
        offset=start,
    )


def in_parts(error: CodecError, begin: int) -> CodecError:
    """What is wrong with a message that came in several parts, the last of which begins at `begin`."""
    return CodecError(f"{error}, counted in all parts of the message together", field=error.field, offset=begin)
