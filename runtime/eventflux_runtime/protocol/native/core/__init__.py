"""The native protocol without I/O; docs/protocol.md specifies it, `Connection` is one side of it."""

from __future__ import annotations

from eventflux_runtime.protocol.core.error import (
    LimitError,
    LocalProtocolError,
    MessageTooLarge,
    MetadataTooLarge,
    RemoteProtocolError,
    StreamsExhausted,
)
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import MethodEntry, PeerSettings, Settings

__all__ = [
    "Connection",
    "LimitError",
    "LocalProtocolError",
    "MessageTooLarge",
    "MetadataTooLarge",
    "MethodEntry",
    "PeerSettings",
    "RemoteProtocolError",
    "Role",
    "Settings",
    "StreamsExhausted",
]
