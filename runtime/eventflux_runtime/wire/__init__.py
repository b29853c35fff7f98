"""The native TCP protocol without I/O; docs/protocol.md specifies it, `Connection` is one side of it."""

from __future__ import annotations

from eventflux_runtime.wire.connection import Connection
from eventflux_runtime.wire.error import (
    LimitError,
    LocalProtocolError,
    MessageTooLarge,
    MetadataTooLarge,
    StreamsExhausted,
    WireError,
)
from eventflux_runtime.wire.settings import MethodEntry, PeerSettings, Role, Settings
from eventflux_runtime.wire.sniff import SNIFF_BYTES, Sniff, describe_peer, sniff

__all__ = [
    "SNIFF_BYTES",
    "Connection",
    "LimitError",
    "LocalProtocolError",
    "MessageTooLarge",
    "MetadataTooLarge",
    "MethodEntry",
    "PeerSettings",
    "Role",
    "Settings",
    "Sniff",
    "StreamsExhausted",
    "WireError",
    "describe_peer",
    "sniff",
]
