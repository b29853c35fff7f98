"""What of a message travels in EventFlux's frames, which have fewer fields and types than its messages over gRPC.

EventFlux's own nodes read source and target from headers, so there they go. What has no place in frames is left out.
"""

from __future__ import annotations

from eventflux_runtime.compression.algorithm import is_available
from eventflux_runtime.compression.payload import decompress_payload
from eventflux_runtime.peer.message import SOURCE_HEADER, TARGET_HEADER
from eventflux_runtime.peer.payload import BY_NUMBER
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["framed_headers", "framed_payload"]


def framed_headers(headers: dict[str, str], source_node: str, target_node: str) -> dict[str, str]:
    """The headers of a message with its source and its target; a header that is there already stays as it is."""
    if not source_node and not target_node:
        return headers
    made = headers.copy()
    if source_node:
        made.setdefault(SOURCE_HEADER, source_node)
    if target_node:
        made.setdefault(TARGET_HEADER, target_node)
    return made


def framed_payload(payload: bytes, compression: int, max_bytes: int) -> bytes:
    """A payload as it was before it was compressed, because frames cannot say that it is.

    It stays as it is where the mark is not true of it, where it is damaged, and where the algorithm is not installed.

    Args:
        payload: the content, as the message has it.
        compression: the number by which the message says how it is compressed.
        max_bytes: the most that it may expand to, in bytes.

    Raises:
        ResourceExhausted: it expands to more.
    """
    algorithm = BY_NUMBER.get(compression)
    if algorithm is None or not is_available(algorithm):
        return payload
    try:
        return decompress_payload(algorithm, payload, max_bytes)
    except CodecError:
        return payload
