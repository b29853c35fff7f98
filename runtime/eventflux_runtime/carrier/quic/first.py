"""The first packets of strangers: what can be read without keys, and tokens that prove where they come from.

The layouts are those of RFC 8999 (all versions) and RFC 9000, 17.2. A token is made of a secret of the server, the
sender's address, the time and the connection ids of the attempt, and kept by the client alone: a flood of forged
addresses leaves nothing behind. The secret is the server's by its private key, not the process's, because the datagram
that brings a token may reach another process: a worker on the same port, or a server behind the same balancer.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final, NamedTuple

from eventflux_runtime.net.udp import Address

__all__ = ["FIRST_BYTES", "ID_BYTES", "VERSION", "FirstPacket", "RetryTokens", "read_first", "short_id"]

VERSION: Final = 1
"""The one version that is spoken here (RFC 9000)."""
FIRST_BYTES: Final = 1200
"""A datagram with a client's first packet has as many at least (RFC 9000, 14.1)."""
ID_BYTES: Final = 8
"""Of the connection ids that are issued here."""
_MAX_ID_BYTES: Final = 20
_LONG: Final = 0x80
_TYPE: Final = 0x30
TOKEN_S: Final = 30.0
"""Seconds for which a token is good, and by which clocks may differ: some round trips on any path."""
_TOKEN_HEAD: Final = struct.Struct("!dB")
_MAC_BYTES: Final = 16


class FirstPacket(NamedTuple):
    """The head of a packet with a long header."""

    version: int
    destination: bytes
    source: bytes
    is_initial: bool
    """Whether a client begins with it; only known of `VERSION`."""
    token: bytes


def short_id(data: bytes, offset: int = 0) -> bytes | None:
    """The destination of a packet with a short header, of the length of ids issued here; None: its header is long."""
    return None if data[offset] & _LONG else data[offset + 1 : offset + 1 + ID_BYTES]


def read_first(data: bytes) -> FirstPacket | None:
    """The head of a packet with a long header; None: it is cut off, or its ids are longer than any version's."""
    if len(data) < 7:
        return None
    first, version = data[0], int.from_bytes(data[1:5], "big")
    offset = 6 + data[5]
    destination = data[6:offset]
    if len(data) <= offset or data[5] > _MAX_ID_BYTES:
        return None
    source = data[offset + 1 : offset + 1 + data[offset]]
    if len(source) < data[offset] or data[offset] > _MAX_ID_BYTES:
        return None
    offset += 1 + len(source)
    is_initial = version == VERSION and first & _TYPE == 0
    token = b""
    if is_initial:
        if offset >= len(data):
            return None
        size = 1 << (data[offset] >> 6)
        length = int.from_bytes(data[offset : offset + size], "big") & ((1 << (8 * size - 2)) - 1)
        offset += size
        token = data[offset : offset + length]
        if len(token) < length:
            return None
    return FirstPacket(version, destination, source, is_initial, token)


class RetryTokens:
    """Makes and checks tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = self._last_secret = secret

    def use(self, secret: bytes) -> None:
        """Makes tokens with this secret from now on; those of the one before are still good."""
        if secret != self._secret:
            self._last_secret, self._secret = self._secret, secret

    def make(self, address: Address, original: bytes, chosen: bytes, now: float) -> bytes:
        """A token for a client at `address`.

        Args:
            address: where its first packet came from.
            original: the destination that it chose.
            chosen: the one that it is told to use.
            now: seconds on a clock that other servers have too.
        """
        head = _TOKEN_HEAD.pack(now, len(original)) + original
        return head + _mac(self._secret, head, address, chosen)

    def original_of(self, token: bytes, address: Address, chosen: bytes, now: float) -> bytes | None:
        """The destination that the client chose at first; None: the token was not made here for it, or is too old."""
        head, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        if len(head) < _TOKEN_HEAD.size:
            return None
        secrets = {self._secret, self._last_secret}
        if not any(hmac.compare_digest(mac, _mac(secret, head, address, chosen)) for secret in secrets):
            return None
        made_at, length = _TOKEN_HEAD.unpack_from(head)
        original = head[_TOKEN_HEAD.size :]
        return original if len(original) == length and abs(now - made_at) <= TOKEN_S else None


def _mac(secret: bytes, head: bytes, address: Address, chosen: bytes) -> bytes:
    about = repr((address[:2], chosen, head)).encode("ascii")
    return hmac.digest(secret, about, "sha256")[:_MAC_BYTES]
