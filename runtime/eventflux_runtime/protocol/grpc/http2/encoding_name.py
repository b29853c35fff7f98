"""The names of compressions in ``grpc-encoding`` and ``grpc-accept-encoding``, and the numbers that stand for them.

https://github.com/grpc/grpc/blob/master/doc/compression.md
"""

from __future__ import annotations

from typing import Final

from eventflux_runtime.rpc.config import COMPRESSION_IDS

__all__ = ["accepted_of", "encoding_id_of"]

KNOWN_IDS: Final[dict[bytes, int]] = {
    compression.value.encode("ascii"): number for compression, number in COMPRESSION_IDS.items()
}
ENCODING_IDS: Final[dict[bytes, int]] = {b"identity": 0, b"": 0, **KNOWN_IDS}
ENCODING_NAMES: Final[dict[int, bytes]] = {number: name for name, number in KNOWN_IDS.items()}
UNKNOWN_ENCODING: Final = -1

MAX_KNOWN_LISTS: Final = 64
MAX_KNOWN_LIST_BYTES: Final = 128
_known_lists: Final[dict[bytes, frozenset[int]]] = {}
"""Lists that were read: peers have a handful of them, and send one with each call."""


def encoding_id_of(name: bytes) -> int:
    """The number of a compression as in `rpc.config.COMPRESSION_IDS`, 0 for none, -1 for one that nobody here knows."""
    return ENCODING_IDS.get(name, UNKNOWN_ENCODING)


def accepted_of(value: bytes) -> frozenset[int]:
    """The numbers of the compressions in a list of names; ``identity`` has none, and what nobody knows is left out."""
    known = _known_lists.get(value)
    if known is None:
        known = frozenset([KNOWN_IDS[name] for name in value.replace(b" ", b"").split(b",") if name in KNOWN_IDS])
        if len(value) <= MAX_KNOWN_LIST_BYTES:
            if len(_known_lists) >= MAX_KNOWN_LISTS:
                _known_lists.clear()
            _known_lists[value] = known
    return known
