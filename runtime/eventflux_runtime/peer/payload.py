"""What becomes of a message on its way over gRPC: what EventFlux fills in, and the compression of its payload.

EventFlux's own nodes mark messages as compressed and never compress them, and never look at the mark of a message they
get. So a payload is compressed only towards a peer that announced, in the metadata of its call, what it decompresses,
and no message leaves here, or reaches the program, with a mark that is not true of it.
"""

from __future__ import annotations

import time
from typing import Final, Generic, TypeVar

from eventflux_runtime.compression.offer import offer, offered, usable
from eventflux_runtime.compression.payload import compress_payload, decompress_payload, is_marked
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.rpc.config import COMPRESSION_IDS, Compression
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["ANNOUNCEMENT", "PayloadCodec", "announced"]

M = TypeVar("M")

ANNOUNCEMENT: Final = "eventflux-payload-compression"
"""The metadata key; its value is the names of algorithms, the most wanted first, joined by commas."""
KNOWN: Final = (Compression.LZ4, Compression.SNAPPY, Compression.ZSTD)
"""The algorithms of ``CompressionType`` in EventFlux's IDL."""
BY_NUMBER: Final = {COMPRESSION_IDS[compression]: compression for compression in KNOWN}
MIN_BYTES: Final = 256
"""Payloads below this size travel plain: hardly any gets smaller by what the work costs."""


def announced(metadata: Metadata) -> tuple[Compression, ...]:
    """The algorithms that a peer's metadata announces."""
    value = metadata.get(ANNOUNCEMENT)
    return offered(value, KNOWN) if isinstance(value, str) else ()


class PayloadCodec(Generic[M]):
    """Fills in the messages of one transport, and packs and unpacks their payloads."""

    def __init__(
        self, binding: PeerBinding[M], preferred: Compression, max_bytes: int, *, reads_priority: bool = True
    ) -> None:
        self._binding = binding
        self._max_bytes = max_bytes
        self._reads_priority = reads_priority
        found = usable(KNOWN) if preferred is not Compression.NONE else ()
        self._usable = tuple(sorted(found, key=lambda compression: compression is not preferred))

    @property
    def announcement(self) -> Metadata:
        """What a peer is told; empty where compression is off."""
        if not self._usable:
            return EMPTY_METADATA
        return Metadata([(ANNOUNCEMENT, offer(self._usable))])

    def size_of(self, message: M) -> int:
        """What a message that waits costs, in bytes."""
        return self._binding.size_of(message)

    def stamp(self, message: M) -> M:
        """A copy of a message in which nothing is unset that EventFlux sets.

        Raises:
            CodecError: it is no message.
        """
        try:
            return self._binding.stamp(message, time.time_ns() // 1_000_000, self._reads_priority)
        except (AttributeError, TypeError) as error:
            raise CodecError(f"a {type(message).__name__} cannot be sent as a message: {error}") from None

    def pack(self, message: M, accepted: tuple[Compression, ...]) -> M:
        """The message as it travels to a peer that accepts these algorithms."""
        message = self._without_false_mark(message)
        payload, number = self._binding.payload_of(message)
        chosen = next((compression for compression in self._usable if compression in accepted), None)
        if chosen is None or number or len(payload) < MIN_BYTES:
            return message
        packed = compress_payload(chosen, payload)
        return (
            self._binding.with_payload(message, packed, COMPRESSION_IDS[chosen])
            if len(packed) < len(payload)
            else message
        )

    def unpack(self, message: M) -> M:
        """The message as it was before `pack`; one that is marked as compressed and is not, without the mark.

        Raises:
            CodecError: the payload is damaged.
            ResourceExhausted: it expands beyond the limit.
        """
        message = self._without_false_mark(message)
        payload, number = self._binding.payload_of(message)
        compression = BY_NUMBER.get(number)
        if compression is None or compression not in self._usable:
            return message
        return self._binding.with_payload(message, decompress_payload(compression, payload, self._max_bytes), 0)

    def _without_false_mark(self, message: M) -> M:
        payload, number = self._binding.payload_of(message)
        compression = BY_NUMBER.get(number)
        if compression is None or is_marked(compression, payload):
            return message
        return self._binding.with_payload(message, payload, 0)
