"""The header blocks that a server sends: the heads of responses, and the trailers that end calls."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.content_type import GRPC
from eventflux_runtime.protocol.grpc.http2.encoding_name import ENCODING_NAMES
from eventflux_runtime.protocol.grpc.http2.head_writer import HeadWriter, KnownBlocks, metadata_bytes
from eventflux_runtime.protocol.grpc.http2.hpack_encoder import literal_name, write_text
from eventflux_runtime.protocol.grpc.http2.percent import encode_percent
from eventflux_runtime.protocol.grpc.http2.static_table import ENTRY_BYTES
from eventflux_runtime.protocol.grpc.http2.status_details import encode_details
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from eventflux_runtime.rpc.status_part import encoded_bytes, fitted

__all__ = ["ResponseWriter"]

OK: Final = 200
METHOD_NOT_ALLOWED: Final = 405
STATUS_VALUES: Final[list[bytes]] = [b"%d" % code for code in StatusCode]
OK_TRAILERS: Final = -1
"""The number of these trailers among the blocks; those of heads are the encodings' ids."""
STATUS_NAME: Final = b"grpc-status"
MESSAGE_NAME: Final = b"grpc-message"
DETAILS_NAME: Final = b"grpc-status-details-bin"
MESSAGE_BEGIN: Final = literal_name(MESSAGE_NAME)
DETAILS_BEGIN: Final = literal_name(DETAILS_NAME)
HTTP_STATUS_BEGIN: Final = literal_name(b":status")
ALLOW_BEGIN: Final = literal_name(b"allow")

ANYBODY_BYTES: Final = 8 * 1024
"""The list of fields that any client takes, as PROTOCOL-HTTP2.md suggests it."""
GRPCIO_BYTES: Final = 16 * 1024
"""What grpcio announces unless told otherwise. It refuses some lists by chance above a lower limit that it does not
announce: 8 KiB, or four fifths of a limit that was set."""


@final
class ResponseWriter(HeadWriter):
    """Writes the heads and the trailers of a connection's responses.

    Invariants: `_max_status_bytes` is the largest list that the client is sure to take.
    """

    __slots__ = ("_accepted", "_blocks", "_fixed_bytes", "_max_status_bytes")

    def __init__(self, accepted: str) -> None:
        """Writes what is the same for all calls of a connection.

        Args:
            accepted: the names of the compressions that are read here, joined by commas: ``identity,gzip``.
        """
        super().__init__()
        self._accepted: Final = accepted.encode("ascii")
        self._blocks: Final = KnownBlocks()
        self._fixed_bytes: Final = (
            4 * ENTRY_BYTES
            + len(":status200content-typegrpc-accept-encodinggrpc-encodingidentity")
            + len(GRPC)
            + len(self._accepted)
        )
        self._max_status_bytes: int = ANYBODY_BYTES

    def limit_lists(self, max_bytes: int) -> None:
        """Takes over the client's SETTINGS_MAX_HEADER_LIST_SIZE."""
        super().limit_lists(max_bytes)
        self._max_status_bytes = max_bytes * 4 // 5 if max_bytes > GRPCIO_BYTES else min(max_bytes, ANYBODY_BYTES)

    def response(self, metadata: Metadata, encoding_id: int = 0) -> bytes:
        """The header block that begins a response. It has to be sent, and before any later one.

        Args:
            metadata: the application's.
            encoding_id: the number of the messages' compression (`rpc.config.COMPRESSION_IDS`), or 0.

        Raises:
            MetadataTooLarge: the list of fields is over the client's limit. There is nothing to send.
        """
        self._check_list(metadata, self._fixed_bytes)
        known = self._blocks.get(encoding_id, self._encoder)
        block = known if known is not None else self._head(encoding_id)
        if metadata is EMPTY_METADATA:
            return block
        writer = BytesWriter()
        writer.write(block)
        self._write_metadata(writer, metadata)
        return writer.getvalue()

    def trailers(self, status: Status) -> bytes:
        """The header block that ends a response behind its head. It has to be sent, and before any later one.

        A status over the client's limit is sent as far as it fits, and its text says what was cut.
        """
        if status is OK_STATUS or _is_plain_ok(status):
            known = self._blocks.get(OK_TRAILERS, self._encoder)
            return known if known is not None else self._ok_trailers()
        writer = BytesWriter()
        self._encoder.begin(writer)
        self._write_status(writer, status, 0)
        return writer.getvalue()

    def trailers_only(self, status: Status, http_status: int = OK) -> bytes:
        """The header block that is a whole response. It has to be sent, and before any later one.

        Args:
            status: how the call ended; sent as far as it fits, like that of `trailers`.
            http_status: other than 200 for a client that does not speak gRPC.
        """
        encoder = self._encoder
        writer = BytesWriter()
        encoder.begin(writer)
        if http_status == OK:
            encoder.repeat(writer, b":status", b"200")
        else:
            writer.write(HTTP_STATUS_BEGIN)
            write_text(writer, b"%d" % http_status)
        encoder.repeat(writer, b"content-type", GRPC)
        encoder.repeat(writer, b"grpc-accept-encoding", self._accepted)
        if http_status == METHOD_NOT_ALLOWED:  # says which methods are (RFC 9110, 15.5.6)
            writer.write(ALLOW_BEGIN)
            write_text(writer, b"POST")
        self._write_status(writer, status, self._fixed_bytes)
        return writer.getvalue()

    def _head(self, encoding_id: int) -> bytes:
        encoder = self._encoder
        is_update = encoder.has_update
        generation = encoder.generation
        writer = BytesWriter()
        encoder.begin(writer)
        encoder.repeat(writer, b":status", b"200")
        encoder.repeat(writer, b"content-type", GRPC)
        encoder.repeat(writer, b"grpc-accept-encoding", self._accepted)
        if encoding_id:
            encoder.repeat(writer, b"grpc-encoding", ENCODING_NAMES[encoding_id])
        block = writer.getvalue()
        if encoder.generation == generation and not is_update:
            self._blocks.keep(encoding_id, block, encoder)
        return block

    def _ok_trailers(self) -> bytes:
        encoder = self._encoder
        is_update = encoder.has_update
        generation = encoder.generation
        writer = BytesWriter()
        encoder.begin(writer)
        encoder.repeat(writer, STATUS_NAME, b"0")
        block = writer.getvalue()
        if encoder.generation == generation and not is_update:
            self._blocks.keep(OK_TRAILERS, block, encoder)
        return block

    def _write_status(self, writer: BytesWriter, status: Status, other_bytes: int) -> None:
        """Appends what a status and its trailing metadata make of it; `other_bytes` is the size of all other fields."""
        limit = self._max_status_bytes - other_bytes
        if status.details or status.trailers.pairs or len(status.message) * 12 > limit - ENTRY_BYTES * 3:
            status = fitted(status, _status_bytes, limit)
        self._encoder.repeat(writer, STATUS_NAME, STATUS_VALUES[status.code])
        if status.message:
            writer.write(MESSAGE_BEGIN)
            write_text(writer, encode_percent(status.message))
        if status.details:
            writer.write(DETAILS_BEGIN)
            write_text(writer, encode_details(status))
        if status.trailers is not EMPTY_METADATA:
            self._write_metadata(writer, status.trailers)


def _is_plain_ok(status: Status) -> bool:
    is_bare = not status.message and not status.details and status.trailers is EMPTY_METADATA
    return is_bare and status.code is StatusCode.OK


def _status_bytes(status: Status) -> int:
    """The size of the list that a status makes, as HTTP/2 counts it (RFC 9113, 6.5.2)."""
    size = len(STATUS_NAME) + 2 + len(MESSAGE_NAME) + 2 * ENTRY_BYTES + 4 + encoded_bytes(status.message)
    if status.details:
        size += len(DETAILS_NAME) + ENTRY_BYTES + len(encode_details(status))
    return size + metadata_bytes(status.trailers)
