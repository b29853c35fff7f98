"""The messages that every peer of the benchmark carries: of equal content, whatever their class."""

from __future__ import annotations

from typing import Any, Final

SMALL_PAYLOAD: Final = bytes(range(128))
LARGE_PAYLOAD: Final = bytes(range(256)) * 4096
"""1 MiB."""


def fields(payload: bytes) -> dict[str, Any]:
    """The fields of a message that takes about 300 bytes on a wire, the payload of 128 bytes included."""
    return {
        "id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "message_type": 1,
        "payload": payload,
        "headers": {"source": "sensor-17", "stream": "temperatures"},
        "timestamp": 1_700_000_000_000,
        "source_node": "node-1",
        "target_node": "",
        "priority": 5,
        "compression": 0,
    }
