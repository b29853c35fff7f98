"""Compression that grpcio's core does not know, between two peers that both run this package.

A client whose call names LZ4, Snappy or Zstandard says in its metadata what it decompresses, the server answers in kind
in its trailers. From then on either compresses what it sends in such calls: a compressed message is one protobuf field
of bytes under the highest number there is, its first byte the id of the algorithm. Towards any other peer, which does
not answer, messages stay plain. As the answer comes with a call's end, requests are compressed from a connection's
second call on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.compression.algorithm import compress, require_compression
from eventflux_runtime.compression.offer import offer, offered, usable
from eventflux_runtime.rpc.config import COMPRESSION_IDS, COMPRESSION_OF_ID, Compression
from eventflux_runtime.rpc.errors import CodecError

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import Loan

__all__ = ["ACCEPT_KEY", "PACKING", "acceptance", "accepted_by", "pack", "unpack"]

ACCEPT_KEY: Final = "eventflux-accept-compression"
"""The metadata key: names of algorithms, joined by commas."""
PACKING: Final = frozenset({Compression.LZ4, Compression.SNAPPY, Compression.ZSTD})
"""The algorithms that travel so; gzip is grpcio's own."""

_FIELD: Final = b"\xfa\xff\xff\xff\x0f"
"""The tag of field 2**29 - 1 with a length (https://protobuf.dev/programming-guides/encoding/)."""


def acceptance() -> tuple[str, str]:
    """The metadata that tells the other side what this one decompresses."""
    return ACCEPT_KEY, offer(usable(PACKING))


def accepted_by(metadata: Iterable[tuple[str, Any]] | None) -> frozenset[Compression] | None:
    """What the other side's metadata says that it decompresses; None: it is not one of ours, or does not want any."""
    for key, value in metadata or ():
        if key == ACCEPT_KEY:
            return frozenset(offered(str(value), PACKING))
    return None


def pack(data: bytes, compression: Compression, min_bytes: int) -> bytes:
    """A message as it is sent; plain below a size, and where it would not shrink.

    One that begins like a packed message, with a field of that number of its own, is packed whatever its size.

    Raises:
        MissingExtraError: the algorithm is not installed here.
    """
    require_compression(compression)
    is_like_packed = data.startswith(_FIELD)
    if len(data) < min_bytes and not is_like_packed:
        return data
    body = bytes([COMPRESSION_IDS[compression]]) + compress(compression, data)
    packed = _FIELD + _varint(len(body)) + body
    return packed if len(packed) < len(data) or is_like_packed else data


def unpack(data: bytes, max_bytes: int, loan: Loan) -> bytes:
    """The message that `pack` was given, in whatever form it came. The call holds it on `loan`, if it was compressed.

    Raises:
        ResourceExhausted: it expands beyond the limit, or there is no room for it now.
        CodecError: it does not decompress.
    """
    if not data.startswith(_FIELD):
        return data
    position = len(_FIELD)
    while position < len(data) and data[position] & 0x80:
        position += 1
    body = data[position + 1 :]
    if (
        data[len(_FIELD) : position + 1] != _varint(len(body))
        or not body
        or COMPRESSION_OF_ID.get(body[0]) not in PACKING
    ):
        raise CodecError("a compressed message is not in the form that was agreed on", offset=0)
    return loan.expand(COMPRESSION_OF_ID[body[0]], body[1:], max_bytes)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
