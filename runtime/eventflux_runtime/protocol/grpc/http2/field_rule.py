"""What makes the fields of a message malformed (RFC 9113, 8.1.1 and the sections that it names)."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.protocol.grpc.http2.field import (
    AUTHORITY,
    CONNECTION_SPECIFIC,
    CONTENT_LENGTH,
    FIRST_WRONG,
    LAST_PSEUDO,
    METHOD,
    PATH,
    SCHEME,
    STATUS,
    TE,
    UNKNOWN_PSEUDO,
    Field,
)

__all__ = ["malformation"]

REQUEST_PSEUDO: Final = 1 << METHOD | 1 << SCHEME | 1 << PATH | 1 << AUTHORITY
RESPONSE_PSEUDO: Final = 1 << STATUS
NO_PSEUDO: Final = 0
ALL_PSEUDO: Final = REQUEST_PSEUDO | RESPONSE_PSEUDO
PSEUDO_KINDS: Final[dict[str, int]] = {
    ":method": METHOD,
    ":scheme": SCHEME,
    ":path": PATH,
    ":authority": AUTHORITY,
    ":status": STATUS,
}

_SHOWN_BYTES: Final = 64
_MAX_DIGITS: Final = 18


def malformation(fields: list[Field], allowed: int, required: int) -> str:
    """Why fields are malformed; "" if they are not.

    Args:
        fields: a whole block's.
        allowed: the pseudo-header fields that may be there, a bit for each kind.
        required: those of them that have to be.
    """
    seen = 0
    for field in fields:
        kind = field.kind
        if kind >= FIRST_WRONG:
            return _wrong(field)
        if METHOD <= kind <= LAST_PSEUDO:
            if not allowed >> kind & 1:
                return f"the pseudo-header field {_shown(field.name)} does not belong here"
            if seen & ~ALL_PSEUDO:
                return f"the pseudo-header field {_shown(field.name)} stands behind other fields"
            if seen >> kind & 1:
                return f"the pseudo-header field {_shown(field.name)} stands there twice"
        elif kind == TE and field.value != b"trailers":
            return "the field 'te' may say 'trailers' only"
        elif kind == CONTENT_LENGTH:
            if not field.value.isdigit() or len(field.value) > _MAX_DIGITS:
                return f"the field 'content-length' is no number of bytes: {_shown(field.value)}"
            if seen >> kind & 1:
                return "the field 'content-length' stands there twice"
        seen |= 1 << kind
    return _missing(required & ~seen) if required & ~seen else ""


def _missing(kinds: int) -> str:
    names = [name for name, kind in PSEUDO_KINDS.items() if kinds >> kind & 1]
    return f"the pseudo-header field {names[0]!r} is missing"


def _wrong(field: Field) -> str:
    name = _shown(field.name)
    if field.kind == CONNECTION_SPECIFIC:
        return f"the field {name} is about a connection of HTTP/1.1"
    if field.kind == UNKNOWN_PSEUDO:
        return f"the pseudo-header field {name} is none of HTTP/2's"
    if field.name != field.name.lower():
        return f"the name of the field {name} has upper case"
    return f"the field {name} has a character that is not allowed in its name or its value"


def _shown(name: bytes) -> str:
    return repr(name[:_SHOWN_BYTES].decode("latin-1"))
