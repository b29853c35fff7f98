"""What each side of a connection announces and allows: our settings, checked when made, and the peer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from eventflux_runtime.protocol.native.core.frame import MAX_METHODS, MAX_WINDOW, MIN_FRAME_BYTES, MIN_WINDOW
from eventflux_runtime.rpc.config import COMPRESSION_OF_ID
from eventflux_runtime.rpc.errors import ConfigError

__all__ = [
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "MethodEntry",
    "PeerSettings",
    "Settings",
    "check_methods",
]

VERSION_MAJOR: Final = 1
VERSION_MINOR: Final = 0

FRAME_CEILING: Final = 16 * 1024 * 1024
METADATA_MARGIN: Final = 1024
"""What a frame holds besides its metadata, at least."""


@final
class MethodEntry:
    """A method that a server offers. Its index in the server's list is its id on the connection."""

    __slots__ = ("fingerprint", "path")

    def __init__(self, path: str, fingerprint: int) -> None:
        self.path = path
        """``/package.Service/Method``."""
        self.fingerprint = fingerprint
        """64 bits, equal on both sides exactly if the messages' native layouts are equal."""

    def __repr__(self) -> str:
        return f"MethodEntry({self.path!r}, {self.fingerprint:#018x})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MethodEntry) and self.path == other.path and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash((self.path, self.fingerprint))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What this side announces in its HELLO, and the local limits on what a peer may make it do."""

    max_frame_bytes: int = 64 * 1024
    """Payload of one frame that the peer may send. Small enough that no message blocks the others for long."""
    max_message_bytes: int = 64 * 1024 * 1024
    """Length of one message that the peer may send, as it is on the wire."""
    max_streams: int = 1000
    """Server: calls in flight that the client may have."""
    max_metadata_bytes: int = 16 * 1024
    """Length of one metadata block that the peer may send."""
    stream_window: int = 1024 * 1024
    """Bytes of messages of one stream that the peer may send ahead of the application."""
    connection_window: int = 80 * 1024 * 1024
    """Bytes of messages of all streams that the peer may send ahead of the application: the connection's memory. The
    default leaves room for one message of the greatest length that a slow reader holds, and for others beside it."""
    min_ping_interval_s: float = 0.1
    """Seconds between pings of the peer, averaged over ten of them; a faster peer is disconnected."""
    has_protobuf: bool = False
    """Whether messages can be read and written as protobuf, for methods whose fingerprints differ."""
    compressions: tuple[int, ...] = ()
    """Ids of the algorithms that the peer may compress messages with, best first."""
    ping_interval_s: float | None = None
    """Seconds of silence after which this side pings; None: never."""
    ping_timeout_s: float = 10.0
    """Seconds after that ping in which something must arrive."""
    handshake_timeout_s: float = 10.0
    """Seconds the peer has for its preface and HELLO."""
    max_resets_per_s: int = 1000
    """Calls in flight that the peer may break off per second, after a burst of that many and `max_streams` more."""
    max_reply_bytes: int = 256 * 1024
    """Frames that answer the peer of their own accord (PONG, RESET) and that it has not read yet."""

    def __post_init__(self) -> None:
        _between("max_frame_bytes", self.max_frame_bytes, MIN_FRAME_BYTES, FRAME_CEILING)
        _between("max_message_bytes", self.max_message_bytes, 1, MAX_WINDOW)
        _between("max_streams", self.max_streams, 1, MAX_WINDOW)
        _between("max_metadata_bytes", self.max_metadata_bytes, 2, self.max_frame_bytes - METADATA_MARGIN)
        _between("stream_window", self.stream_window, MIN_WINDOW, MAX_WINDOW)
        _between("connection_window", self.connection_window, self.stream_window, MAX_WINDOW)
        _between("max_resets_per_s", self.max_resets_per_s, 1, MAX_WINDOW)
        _between("max_reply_bytes", self.max_reply_bytes, 1024, MAX_WINDOW)
        for name in ("min_ping_interval_s", "ping_interval_s", "ping_timeout_s", "handshake_timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"{name} must be above 0 and finite, not {value}")
        for compression in self.compressions:
            if compression not in COMPRESSION_OF_ID:
                raise ConfigError(f"compressions: {compression} is not one of the ids {tuple(COMPRESSION_OF_ID)}")
        if len(set(self.compressions)) != len(self.compressions):
            raise ConfigError(f"compressions: an id stands twice in {self.compressions}")


@final
class PeerSettings:
    """What the peer's HELLO said, brought into the range that this side works with."""

    __slots__ = (
        "_method_ids",
        "compressions",
        "connection_window",
        "has_protobuf",
        "max_frame_bytes",
        "max_message_bytes",
        "max_metadata_bytes",
        "max_streams",
        "methods",
        "min_ping_interval_s",
        "stream_window",
        "version_major",
        "version_minor",
    )

    def __init__(  # noqa: PLR0913, PLR0917 (a flat record of what one frame holds, made in one place)
        self,
        version_major: int,
        version_minor: int,
        max_frame_bytes: int,
        max_message_bytes: int,
        max_streams: int,
        max_metadata_bytes: int,
        stream_window: int,
        connection_window: int,
        min_ping_interval_s: float,
        has_protobuf: bool,
        compressions: tuple[int, ...],
        methods: tuple[MethodEntry, ...],
    ) -> None:
        self.version_major = version_major
        self.version_minor = version_minor
        self.max_frame_bytes = max_frame_bytes
        self.max_message_bytes = max_message_bytes
        self.max_streams = max_streams
        self.max_metadata_bytes = max_metadata_bytes
        self.stream_window = stream_window
        self.connection_window = connection_window
        self.min_ping_interval_s = min_ping_interval_s
        self.has_protobuf = has_protobuf
        self.compressions = compressions
        self.methods = methods
        self._method_ids: dict[str, int] = {entry.path: index for index, entry in enumerate(methods)}

    def find_method(self, path: str) -> int:
        """The id of ``/package.Service/Method`` on this connection, or -1 if the peer does not serve it."""
        return self._method_ids.get(path, -1)

    def choose_compression(self, ours: Sequence[int]) -> int:
        """The first algorithm of the peer's list that is also in ours, or 0."""
        for compression in self.compressions:
            if compression in ours:
                return compression
        return 0


def check_methods(methods: Sequence[MethodEntry]) -> tuple[MethodEntry, ...]:
    """The methods that a server is to list.

    Raises:
        ConfigError: too many, one of them twice, or a path that is none.
    """
    if len(methods) > MAX_METHODS:
        raise ConfigError(f"{len(methods)} methods are more than one connection can list, {MAX_METHODS}")
    seen: set[str] = set()
    for entry in methods:
        if not entry.path.startswith("/") or len(entry.path.encode()) > 0x7FFF:
            raise ConfigError(f"method path {entry.path!r} is not of the form '/package.Service/Method'")
        if entry.path in seen:
            raise ConfigError(f"method {entry.path} is served twice: remove one of the two services")
        seen.add(entry.path)
    return tuple(methods)


def _between(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
