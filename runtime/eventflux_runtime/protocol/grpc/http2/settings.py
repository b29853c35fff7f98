"""What each side of a connection announces and allows: our settings, checked when made, and the peer's SETTINGS.

RFC 9113, section 6.5.2 defines the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eventflux_runtime.protocol.grpc.http2.encoding_name import ENCODING_NAMES
from eventflux_runtime.protocol.grpc.http2.error import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Http2Error
from eventflux_runtime.protocol.grpc.http2.frame import (
    DEFAULT_WINDOW,
    MAX_FRAME_BYTES,
    MAX_FRAME_CEILING,
    MAX_WINDOW,
    read_u16,
    read_u32,
)
from eventflux_runtime.protocol.grpc.http2.shares import FIRST_WINDOW, connection_window
from eventflux_runtime.rpc.config import COMPRESSION_OF_ID
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["Settings", "decode_settings"]

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

SETTING_BYTES: Final = 6
"""u16 identifier, u32 value."""
MIN_METADATA_BYTES: Final = 1024
"""The least list of header fields in which gRPC's own fit."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What this side announces in its SETTINGS, and the local limits on what a peer may make it do."""

    max_message_bytes: int = 64 * 1024 * 1024
    """Length of one message, as it is on the wire: that the peer may send, and that is sent to it."""
    max_streams: int = 1000
    """Server: calls in flight that the client may have. Client: those that the connection's window has room for at
    first; it grows with more."""
    max_metadata_bytes: int = 16 * 1024
    """Size of a list of header fields that the peer may send, each counted as its name, its value and 32 bytes. A block
    of four times as many bytes, compressed, ends the connection."""
    stream_window: int = 1024 * 1024
    """Bytes of messages of one stream that the peer may send ahead of the application, where there is room for so many;
    it is sure of 65,535."""
    connection_window: int = 80 * 1024 * 1024
    """Bytes of messages of all streams that the peer may send ahead of the application: the connection's memory. The
    default leaves room for one message of the greatest length that a slow reader holds, and for others beside it. Where
    `max_streams` streams need more, it is more (`whole_window`)."""
    min_ping_interval_s: float = 0.1
    """Seconds between pings of the peer while nothing else happens, averaged over ten of them; a faster peer is
    disconnected."""
    compressions: tuple[int, ...] = ()
    """Ids of the algorithms that the peer may compress messages with, best first."""
    ping_interval_s: float | None = None
    """Seconds of silence after which this side pings; None: never."""
    ping_timeout_s: float = 10.0
    """Seconds after that ping in which something must arrive."""
    handshake_timeout_s: float = 10.0
    """Seconds the peer has for its preface and SETTINGS."""
    max_resets_per_s: int = 1000
    """Calls that the client may break off, or make this side break off, per second, after a burst of that many and
    `max_streams` more."""
    max_cheap_frames_per_s: int = 1000
    """Frames that bring nothing, such as empty DATA, PRIORITY and SETTINGS, that the peer may send per second, after a
    burst of that many. Calls and messages earn it more."""
    max_reply_bytes: int = 256 * 1024
    """Frames that answer the peer of their own accord (acknowledgements, RST_STREAM) and that it has not read yet."""

    def __post_init__(self) -> None:
        _between("max_message_bytes", self.max_message_bytes, 1, MAX_WINDOW)
        _between("max_streams", self.max_streams, 1, MAX_WINDOW)
        _between("max_metadata_bytes", self.max_metadata_bytes, MIN_METADATA_BYTES, MAX_FRAME_CEILING)
        # A peer may send this much, whatever we announce, before it has seen that.
        _between("stream_window", self.stream_window, DEFAULT_WINDOW, MAX_WINDOW)
        _between("connection_window", self.connection_window, self.stream_window, MAX_WINDOW)
        _between("max_resets_per_s", self.max_resets_per_s, 1, MAX_WINDOW)
        _between("max_cheap_frames_per_s", self.max_cheap_frames_per_s, 1, MAX_WINDOW)
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

    @property
    def accepted_names(self) -> str:
        """The value of ``grpc-accept-encoding``: the names of `compressions`."""
        return ",".join(["identity", *(ENCODING_NAMES[number].decode("ascii") for number in self.compressions)])

    @property
    def whole_window(self) -> int:
        """The connection's window, in bytes."""
        return connection_window(self.connection_window, self.stream_window, self.max_streams)

    def announced(self, is_server: bool) -> list[tuple[int, int]]:
        """The parameters of our SETTINGS frame."""
        first = (MAX_CONCURRENT_STREAMS, self.max_streams) if is_server else (ENABLE_PUSH, 0)
        return [first, (INITIAL_WINDOW_SIZE, FIRST_WINDOW), (MAX_HEADER_LIST_SIZE, self.max_metadata_bytes)]


def decode_settings(data: bytes, start: int, end: int, from_server: bool) -> list[tuple[int, int]]:
    """The parameters of a SETTINGS frame in their order, those that nobody knows included.

    Raises:
        Http2Error: the length is none, or a value is outside its range.
    """
    if (end - start) % SETTING_BYTES:
        raise Http2Error(f"SETTINGS of {end - start} bytes: each takes {SETTING_BYTES}", FRAME_SIZE_ERROR)
    found = []
    for position in range(start, end, SETTING_BYTES):
        key = read_u16(data, position)
        value = read_u32(data, position + 2)
        if key == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Http2Error(f"initial window of {value} bytes is over the limit of {MAX_WINDOW}", FLOW_CONTROL_ERROR)
        if key == MAX_FRAME_SIZE and not MAX_FRAME_BYTES <= value <= MAX_FRAME_CEILING:
            raise Http2Error(f"frame size of {value} bytes is outside {MAX_FRAME_BYTES} to {MAX_FRAME_CEILING}")
        if key == ENABLE_PUSH and value > (0 if from_server else 1):
            raise Http2Error(f"SETTINGS_ENABLE_PUSH of {value}: it is 0, or 1 from a client")
        found.append((key, value))
    return found


def _between(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
