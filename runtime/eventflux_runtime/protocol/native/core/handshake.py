"""The HELLO frame: version, tagged settings, compressions, and the methods that a server offers."""

from __future__ import annotations

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.native.core.frame import (
    HELLO,
    MAX_HELLO_BYTES,
    MAX_METHODS,
    MAX_WINDOW,
    MIN_FRAME_BYTES,
    MIN_WINDOW,
    PREFACE,
    read_u16,
)
from eventflux_runtime.protocol.native.core.settings import (
    FRAME_CEILING,
    METADATA_MARGIN,
    VERSION_MAJOR,
    VERSION_MINOR,
    MethodEntry,
    PeerSettings,
    Settings,
)
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["decode_hello", "encode_hello"]

MAX_FRAME_BYTES: Final = 1
MAX_MESSAGE_BYTES: Final = 2
MAX_STREAMS: Final = 3
MAX_METADATA_BYTES: Final = 4
STREAM_WINDOW: Final = 5
CONNECTION_WINDOW: Final = 6
MIN_PING_INTERVAL_MS: Final = 7
FEATURES: Final = 8

FEATURE_PROTOBUF: Final = 0x01

DEFAULTS: Final[dict[int, int]] = {
    MAX_FRAME_BYTES: MIN_FRAME_BYTES,
    MAX_MESSAGE_BYTES: 4 * 1024 * 1024,
    MAX_STREAMS: 100,
    MAX_METADATA_BYTES: 8 * 1024,
    STREAM_WINDOW: 64 * 1024,
    CONNECTION_WINDOW: 1024 * 1024,
    MIN_PING_INTERVAL_MS: 1000,
    FEATURES: 0,
}
"""The value of each setting that a HELLO leaves out."""


def encode_hello(settings: Settings, methods: tuple[MethodEntry, ...], is_server: bool) -> bytes:
    """The preface and HELLO frame of one side; a client lists no methods and lets the server open no streams.

    Raises:
        ConfigError: the methods' paths together are longer than a HELLO may be.
    """
    body = BytesWriter()
    write_i16_le(body, VERSION_MAJOR)
    write_i16_le(body, VERSION_MINOR)
    pairs = (
        (MAX_FRAME_BYTES, settings.max_frame_bytes),
        (MAX_MESSAGE_BYTES, settings.max_message_bytes),
        (MAX_STREAMS, settings.max_streams if is_server else 0),
        (MAX_METADATA_BYTES, settings.max_metadata_bytes),
        (STREAM_WINDOW, settings.stream_window),
        (CONNECTION_WINDOW, settings.connection_window),
        (MIN_PING_INTERVAL_MS, round(settings.min_ping_interval_s * 1000)),
        (FEATURES, FEATURE_PROTOBUF if settings.has_protobuf else 0),
    )
    write_i16_le(body, len(pairs))
    for key, value in pairs:
        write_i16_le(body, key)
        write_i64_le(body, value)
    body.append(len(settings.compressions))
    for compression in settings.compressions:
        body.append(compression)
    write_i16_le(body, len(methods))
    for entry in methods:
        path = entry.path.encode("utf-8")
        write_i16_le(body, len(path))
        body.write(path)
        write_i64_le(body, entry.fingerprint - (1 << 64) if entry.fingerprint >= 1 << 63 else entry.fingerprint)
    payload = body.getvalue()
    if len(payload) > MAX_HELLO_BYTES:
        raise ConfigError(
            f"the list of methods takes {len(payload)} bytes, over the {MAX_HELLO_BYTES} of a HELLO: "
            "serve fewer methods at one endpoint"
        )
    frame = BytesWriter()
    frame.write(PREFACE)
    write_i32_le(frame, len(payload))
    write_i16_le(frame, HELLO)
    write_i32_le(frame, 0)
    frame.write(payload)
    return frame.getvalue()


def decode_hello(data: bytes, start: int, end: int, from_server: bool) -> PeerSettings:
    """What the peer announced in the payload ``data[start:end]``.

    Raises:
        RemoteProtocolError: another major version, a malformed HELLO, or a setting outside its range.
    """
    reader = _Reader(data, start, end)
    major = reader.u16("version")
    minor = reader.u16("version")
    if major != VERSION_MAJOR:
        raise RemoteProtocolError(
            f"the peer speaks version {major}.{minor} of the protocol, this side {VERSION_MAJOR}.{VERSION_MINOR}: "
            "upgrade the older of the two",
            StatusCode.UNIMPLEMENTED,
        )
    values = dict(DEFAULTS)
    for _ in range(reader.u16("count of settings")):
        key = reader.u16("setting")
        value = reader.i64("setting")
        # A value of 2**63 or more reads as negative: like every value beyond our range it means "no limit".
        values[key] = value if 0 <= value <= MAX_WINDOW else MAX_WINDOW
    _at_least("max_frame_bytes", values[MAX_FRAME_BYTES], MIN_FRAME_BYTES)
    _at_least("max_message_bytes", values[MAX_MESSAGE_BYTES], 1)
    _at_least("initial_stream_window", values[STREAM_WINDOW], MIN_WINDOW)
    _at_least("initial_connection_window", values[CONNECTION_WINDOW], MIN_WINDOW)
    compressions = tuple([reader.u8("compression") for _ in range(reader.u8("count of compressions"))])
    methods = _methods(reader, from_server)
    if reader.position != end:
        raise RemoteProtocolError(f"hello has {end - reader.position} bytes behind its last field")
    max_frame_bytes = min(values[MAX_FRAME_BYTES], FRAME_CEILING)
    return PeerSettings(
        major,
        minor,
        max_frame_bytes,
        values[MAX_MESSAGE_BYTES],
        values[MAX_STREAMS],
        min(values[MAX_METADATA_BYTES], max_frame_bytes - METADATA_MARGIN),
        values[STREAM_WINDOW],
        values[CONNECTION_WINDOW],
        values[MIN_PING_INTERVAL_MS] / 1000,
        values[FEATURES] & FEATURE_PROTOBUF != 0,
        compressions,
        methods,
    )


def _methods(reader: _Reader, from_server: bool) -> tuple[MethodEntry, ...]:
    count = reader.u16("count of methods")
    if count > MAX_METHODS:
        raise RemoteProtocolError(f"hello lists {count} methods, over the limit of {MAX_METHODS}")
    if count and not from_server:
        raise RemoteProtocolError(f"a client listed {count} methods: only a server offers methods")
    methods: list[MethodEntry] = []
    seen: set[str] = set()
    for _ in range(count):
        path = reader.text("method path")
        if path in seen:
            raise RemoteProtocolError(f"hello lists the method {path!r} twice")
        seen.add(path)
        methods.append(MethodEntry(path, reader.i64("fingerprint") & 0xFFFF_FFFF_FFFF_FFFF))
    return tuple(methods)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RemoteProtocolError(f"the peer announced {name} {value}, below the protocol's least of {least}")


class _Reader:
    """Reads the fields of a HELLO one after another, never beyond its end."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def _take(self, size: int, what: str) -> int:
        position = self.position
        if size > self.end - position:
            raise RemoteProtocolError(f"hello cut short: {what} takes {size} bytes, {self.end - position} are left")
        self.position = position + size
        return position

    def u8(self, what: str) -> int:
        return self.data[self._take(1, what)]

    def u16(self, what: str) -> int:
        return read_u16(self.data, self._take(2, what))

    def i64(self, what: str) -> int:
        return read_i64_le(self.data, self._take(8, what))

    def text(self, what: str) -> str:
        size = self.u16(what)
        start = self._take(size, what)
        try:
            return self.data[start : start + size].decode("utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"{what} is not UTF-8: {error}") from error
