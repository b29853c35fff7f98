"""The head of a request of HTTP/1 (RFC 9112) without I/O: read strictly, and within a bound."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from eventflux_runtime.rpc.errors import ProtocolError

__all__ = ["MAX_HEAD_BYTES", "HeadError", "HeadReader", "RequestHead"]

MAX_HEAD_BYTES: Final = 16 * 1024
"""Twice what browsers send with many cookies."""
_END: Final = b"\r\n\r\n"
_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/(\d\.\d)")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_VERSIONS: Final = (b"1.0", b"1.1")


class HeadError(ProtocolError):
    """What came is no request that can be answered otherwise than with an error."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body."""

    method: str
    path: str
    """As it was sent, percent encoding included."""
    query: str
    """What stands behind the first question mark."""
    fields: tuple[tuple[str, str], ...]
    """Names in small letters, and values, in their order."""
    raw: bytes
    """All of it as it came."""

    def values(self, name: str) -> list[str]:
        """The values of a field, whose name is in small letters."""
        return [value for known, value in self.fields if known == name]

    def tokens(self, name: str) -> list[str]:
        """The values of a field that is a list of words, in small letters."""
        return [token.strip().lower() for value in self.values(name) for token in value.split(",") if token.strip()]

    @property
    def has_body(self) -> bool:
        """Whether something follows the head."""
        return bool(self.values("transfer-encoding")) or any(value != "0" for value in self.values("content-length"))


class HeadReader:
    """Collects the bytes of one head."""

    def __init__(self) -> None:
        self._begun = b""
        self.rest = b""
        """What came behind the head."""

    @property
    def beginning(self) -> bytes:
        """What there is of a head that is not whole."""
        return self._begun

    def receive_data(self, data: bytes) -> RequestHead | None:
        """Reads on; None: the head is not whole yet.

        Raises:
            HeadError: it is too long, or is none.
        """
        seen = max(len(self._begun) - len(_END) + 1, 0)
        self._begun += data[: MAX_HEAD_BYTES + 1]
        end = self._begun.find(_END, seen)
        if end < 0 or end + len(_END) > MAX_HEAD_BYTES:
            if len(self._begun) > MAX_HEAD_BYTES:
                reason = f"the head of the request is longer than {MAX_HEAD_BYTES} bytes"
                raise HeadError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
            if b"\n\n" in self._begun:
                raise HeadError(HTTPStatus.BAD_REQUEST, "lines end with a carriage return and a line feed")
            return None
        end += len(_END)
        self.rest = self._begun[end:] + data[MAX_HEAD_BYTES + 1 :]
        return _parse(self._begun[:end])


def _parse(raw: bytes) -> RequestHead:
    first, *lines = raw[: -len(_END)].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise HeadError(HTTPStatus.BAD_REQUEST, "the first line is no request of HTTP/1")
    method, target, version = line.groups()
    if version not in _VERSIONS:
        raise HeadError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"HTTP/{version.decode()} is not spoken here")
    fields: list[tuple[str, str]] = []
    for text in lines:
        field = _FIELD.fullmatch(text)
        if field is None:
            raise HeadError(HTTPStatus.BAD_REQUEST, f"line {len(fields) + 2} of the head is no field")
        fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
    hosts = sum(name == "host" for name, _ in fields)
    if hosts > 1 or (version == b"1.1" and not hosts):
        raise HeadError(HTTPStatus.BAD_REQUEST, f"a request has one Host, this one has {hosts}")
    path, _, query = _origin_form(target.decode()).partition("?")
    return RequestHead(method.decode(), path, query, tuple(fields), raw)


def _origin_form(target: str) -> str:
    """A target as clients send it that know of no proxy (RFC 9112, 3.2.1)."""
    for scheme in ("http://", "https://"):
        if target.lower().startswith(scheme):
            return "/" + target[len(scheme) :].partition("/")[2]
    return target
