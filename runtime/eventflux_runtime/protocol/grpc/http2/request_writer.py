"""The header blocks that a client sends: the heads of requests, kept for each method and repeated byte for byte."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.content_type import GRPC
from eventflux_runtime.protocol.grpc.http2.encoding_name import ENCODING_NAMES
from eventflux_runtime.protocol.grpc.http2.head_writer import HeadWriter, KnownBlocks
from eventflux_runtime.protocol.grpc.http2.hpack_encoder import literal_name, write_text
from eventflux_runtime.protocol.grpc.http2.static_table import ENTRY_BYTES
from eventflux_runtime.protocol.grpc.http2.timeout import coarse_timeout, encode_timeout
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["RequestWriter", "Route"]

MAX_ROUTES: Final = 1024
MAX_TIMEOUTS: Final = 256
TIMEOUT_NAME: Final = literal_name(b"grpc-timeout")
CHANGING_BYTES: Final = 2 * ENTRY_BYTES + len("grpc-timeout") + 9 + len("grpc-encoding") + 8
"""What the timeout and the encoding add to the size of a list at most."""


@final
class Route:
    """A method on one connection, and the header blocks that call it, by the encoding's id.

    Made by `RequestWriter.route`.
    """

    __slots__ = ("blocks", "list_bytes", "path")

    def __init__(self, path: str, fixed_bytes: int) -> None:
        self.path: Final = path.encode("utf-8")
        self.list_bytes: Final = fixed_bytes + len(self.path)
        self.blocks: Final = KnownBlocks()


@final
class RequestWriter(HeadWriter):
    """Writes the heads of a connection's requests."""

    __slots__ = ("_ahead", "_behind", "_fixed_bytes", "_routes", "_timeouts")

    def __init__(self, scheme: str, authority: str, user_agent: str, accepted: str) -> None:
        """Writes what is the same for all calls of a connection.

        Args:
            scheme: ``http``, or ``https`` for a connection by TLS.
            authority: the server's name, with its port where that is not the scheme's own.
            user_agent: what this client calls itself.
            accepted: the names of the compressions that are read here, joined by commas: ``identity,gzip``.
        """
        super().__init__()
        self._ahead: Final[list[tuple[bytes, bytes]]] = [
            (b":method", b"POST"),
            (b":scheme", scheme.encode("ascii")),
            (b":authority", authority.encode("utf-8")),
        ]
        self._behind: Final[list[tuple[bytes, bytes]]] = [
            (b"te", b"trailers"),
            (b"content-type", GRPC),
            (b"user-agent", user_agent.encode("utf-8")),
            (b"grpc-accept-encoding", accepted.encode("ascii")),
        ]
        self._fixed_bytes: Final = (
            len(b":path")
            + ENTRY_BYTES
            + CHANGING_BYTES
            + sum(len(name) + len(value) + ENTRY_BYTES for name, value in [*self._ahead, *self._behind])
        )
        self._routes: Final[dict[str, Route]] = {}
        self._timeouts: Final[dict[int, bytes]] = {}

    def route(self, path: str) -> Route:
        """What `request` needs to call a method; the same for the same path, so a caller may keep it or ask again."""
        known = self._routes.get(path)
        if known is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            known = Route(path, self._fixed_bytes)
            self._routes[path] = known
        return known

    def request(self, route: Route, timeout_us: int, metadata: Metadata, encoding_id: int = 0) -> bytes:
        """The header block of a call. It has to be sent, and before any later one.

        Args:
            route: of this writer.
            timeout_us: the time that the server gets, in microseconds; below 0: no limit. It is rounded up by less than
                a thousandth, so that calls with the same timeout repeat the same bytes.
            metadata: the application's.
            encoding_id: the number of the messages' compression (`rpc.config.COMPRESSION_IDS`), or 0.

        Raises:
            MetadataTooLarge: the list of fields is over the server's limit. There is nothing to send.
        """
        self._check_list(metadata, route.list_bytes)
        known = route.blocks.get(encoding_id, self._encoder)
        block = known if known is not None else self._definition(route, encoding_id)
        if timeout_us >= 0:
            block += self._timeout(timeout_us)
        if metadata is EMPTY_METADATA:
            return block
        writer = BytesWriter()
        writer.write(block)
        self._write_metadata(writer, metadata)
        return writer.getvalue()

    def _definition(self, route: Route, encoding_id: int) -> bytes:
        """What calls a method, but for timeout and metadata ("Call-Definition" in gRPC's PROTOCOL-HTTP2.md)."""
        encoder = self._encoder
        is_update = encoder.has_update
        generation = encoder.generation
        writer = BytesWriter()
        encoder.begin(writer)
        for name, value in self._ahead:
            encoder.repeat(writer, name, value)
        encoder.repeat(writer, b":path", route.path)
        for name, value in self._behind:
            encoder.repeat(writer, name, value)
        if encoding_id:
            encoder.repeat(writer, b"grpc-encoding", ENCODING_NAMES[encoding_id])
        block = writer.getvalue()
        if encoder.generation == generation and not is_update:
            route.blocks.keep(encoding_id, block, encoder)
        return block

    def _timeout(self, timeout_us: int) -> bytes:
        rounded_us = coarse_timeout(timeout_us)
        known = self._timeouts.get(rounded_us)
        if known is None:
            if len(self._timeouts) >= MAX_TIMEOUTS:
                self._timeouts.clear()
            writer = BytesWriter()
            writer.write(TIMEOUT_NAME)
            write_text(writer, encode_timeout(rounded_us))
            known = writer.getvalue()
            self._timeouts[rounded_us] = known
        return known
