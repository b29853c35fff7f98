"""What the header blocks of both sides have in common: the encoder, blocks that repeat, metadata, the peer's limits."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import MetadataTooLarge
from eventflux_runtime.protocol.grpc.http2.binary_value import encode_binary
from eventflux_runtime.protocol.grpc.http2.hpack_encoder import Encoder, literal_name, write_text
from eventflux_runtime.protocol.grpc.http2.static_table import ENTRY_BYTES
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataValue

__all__ = ["HeadWriter", "KnownBlocks", "metadata_bytes"]

UNLIMITED: Final = 1 << 62
MAX_KEYS: Final = 256
MAX_LAST_CHARACTERS: Final = 1024
METADATA_SHARE: Final = 2
"""Metadata fills the table up to this part of it, so that the methods of calls find room."""

NOT_SENT: Final = frozenset(
    {
        # HTTP/2 or gRPC itself says these; peers refuse a call with two of them, or with those that HTTP/2 forbids.
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
SECRET_KEYS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
SECRET_ENDINGS: Final = ("credential", "credentials", "key", "password", "secret", "token", "-key-bin", "token-bin")
"""The keys of what a stranger could find out by guessing where tables are shared (RFC 7541, 7.1.3)."""


@final
class KnownBlocks:
    """Blocks, by any number, that are right while the encoder's generation is the one of `_generation`."""

    __slots__ = ("_blocks", "_generation")

    def __init__(self) -> None:
        self._blocks: Final[dict[int, bytes]] = {}
        self._generation: int = 0

    def get(self, number: int, encoder: Encoder) -> bytes | None:
        """A block that may be sent again; None if there is none."""
        if self._generation != encoder.generation or encoder.has_update:
            return None
        return self._blocks.get(number)

    def keep(self, number: int, block: bytes, encoder: Encoder) -> None:
        """Keeps a block that was just made, and neither told of an update nor inserted anything."""
        if self._generation != encoder.generation:
            self._blocks.clear()
            self._generation = encoder.generation
        self._blocks[number] = block


@final
class _Key:
    """What is known of a key of metadata: the beginning of its field, and the last value that was sent."""

    __slots__ = ("begin", "is_secret", "is_sent", "last", "name")

    def __init__(self, key: str) -> None:
        self.name: Final = key.encode("ascii")
        self.is_secret: Final = key in SECRET_KEYS or key.endswith(SECRET_ENDINGS)
        self.is_sent: Final = key not in NOT_SENT
        self.begin: Final = literal_name(self.name, is_secret=self.is_secret)
        self.last: MetadataValue | None = None

    def remember(self, value: MetadataValue) -> None:
        """Keeps what was sent, to compare the next one with it; no secret, and nothing too long for the table."""
        self.last = value if len(value) <= MAX_LAST_CHARACTERS and not self.is_secret else None


class HeadWriter:
    """Writes the header blocks of one direction of a connection.

    The peer has to get each block that is made, in their order: a later one may refer to what it added to the table.
    """

    __slots__ = ("_encoder", "_keys", "_max_list_bytes")

    def __init__(self) -> None:
        self._encoder: Final = Encoder()
        self._keys: Final[dict[str, _Key]] = {}
        self._max_list_bytes: int = UNLIMITED

    def limit_table(self, max_bytes: int) -> None:
        """Takes over the peer's SETTINGS_HEADER_TABLE_SIZE: each value that it sends, before the next block."""
        self._encoder.limit(max_bytes)

    def limit_lists(self, max_bytes: int) -> None:
        """Takes over the peer's SETTINGS_MAX_HEADER_LIST_SIZE."""
        self._max_list_bytes = max_bytes

    def table_mark(self) -> int:
        """A number that changes with each block that has to be sent because it changed the table, or says its size."""
        return self._encoder.generation * 2 + self._encoder.has_update

    def _check_list(self, metadata: Metadata, other_bytes: int) -> None:
        """Checks a list before anything of it is encoded.

        Args:
            metadata: the application's part.
            other_bytes: the size of all other fields.

        Raises:
            MetadataTooLarge: the list is over the peer's limit.
        """
        size = other_bytes if metadata is EMPTY_METADATA else other_bytes + metadata_bytes(metadata)
        if size > self._max_list_bytes:
            raise MetadataTooLarge(size, self._max_list_bytes)

    def _write_metadata(self, writer: BytesWriter, metadata: Metadata) -> None:
        """Appends the fields of metadata: one that repeats by the table, one that changes as it is."""
        for key, value in metadata.pairs:
            known = self._keys.get(key)
            if known is None:
                known = self._learn(key)
            if not known.is_sent:
                continue
            text = encode_binary(value) if isinstance(value, bytes) else value.encode("utf-8")
            if known.is_secret or known.last != value:
                known.remember(value)
                writer.write(known.begin)
                write_text(writer, text)
            else:
                self._encoder.repeat(writer, known.name, text, self._encoder.capacity // METADATA_SHARE)

    def _learn(self, key: str) -> _Key:
        if len(self._keys) >= MAX_KEYS:
            self._keys.clear()
        known = _Key(key)
        self._keys[key] = known
        return known


def metadata_bytes(metadata: Metadata) -> int:
    """What metadata adds to the size of a list of fields, as HTTP/2 counts it (RFC 9113, 6.5.2)."""
    size = 0
    for key, value in metadata.pairs:
        size += len(key) + ENTRY_BYTES
        if isinstance(value, bytes):
            size += (len(value) * 4 + 2) // 3
        else:
            size += len(value) if value.isascii() else len(value.encode("utf-8"))
    return size
