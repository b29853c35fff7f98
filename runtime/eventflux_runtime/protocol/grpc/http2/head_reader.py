"""From header blocks to what gRPC reads in them: one reader for each connection, for what its peer sends.

Most blocks of a connection repeat an earlier one byte for byte, so whole blocks are looked up before they are decoded.
"""

from __future__ import annotations

from typing import Final, TypeVar, final

from eventflux_runtime.protocol.grpc.http2.error import ENHANCE_YOUR_CALM, Http2Error
from eventflux_runtime.protocol.grpc.http2.field import Field
from eventflux_runtime.protocol.grpc.http2.head import RequestHead, ResponseHead, Trailers
from eventflux_runtime.protocol.grpc.http2.hpack_decoder import Decoder
from eventflux_runtime.protocol.grpc.http2.request_fields import request_head
from eventflux_runtime.protocol.grpc.http2.response_fields import response_head, response_trailers

__all__ = ["HeadReader"]

T = TypeVar("T")

LIST_RATIO: Final = 16
"""A list of so many times the bytes that it may have ends the connection, where a shorter one fails its call: reading
it takes time that costs the peer nothing, and no block without intent comes to it."""
MAX_KNOWN_BLOCKS: Final = 64
MAX_KNOWN_BLOCK_BYTES: Final = 512
MAX_KNOWN_LIST_BYTES: Final = 2048
"""A short block may stand for a long list, so both are limited: a peer makes us keep 64 such lists of each kind."""


@final
class HeadReader:
    """Reads the header blocks of one direction of a connection, all of them, in the order in which they came.

    Invariants: `_requests`, `_responses` and `_trailers` hold blocks that changed no table, and were read since the
    table last changed. `_is_same_table` says whether the last block left it as it was.
    """

    __slots__ = ("_decoder", "_is_same_table", "_requests", "_responses", "_trailers")

    def __init__(self, max_list_bytes: int, max_table_bytes: int = 4096) -> None:
        """Reads with our limits.

        Args:
            max_list_bytes: our SETTINGS_MAX_HEADER_LIST_SIZE; a longer list fails its call.
            max_table_bytes: our SETTINGS_HEADER_TABLE_SIZE.
        """
        self._decoder: Final = Decoder(max_list_bytes, max_table_bytes)
        self._is_same_table: bool = True
        self._requests: Final[dict[bytes, RequestHead]] = {}
        self._responses: Final[dict[bytes, ResponseHead]] = {}
        self._trailers: Final[dict[bytes, Trailers]] = {}

    def read_request(self, block: bytes) -> RequestHead:
        """The head of a request: the first block of a stream, on a server.

        Raises:
            HpackError: the block cannot be decoded; the connection is lost with it.
            Http2Error: its list is far over the limit; so it is then, too.
        """
        known = self._requests.get(block)
        if known is not None:
            return known
        fields = self._decode(block)
        head = request_head(fields, self._decoder.excess_bytes())
        if self._is_worth_keeping(block):
            _keep(self._requests, block, head)
        return head

    def read_response(self, block: bytes) -> ResponseHead:
        """The head of a response: a block without END_STREAM, on a client. After a 1xx, another one follows.

        Raises:
            HpackError: see `read_request`.
        """
        known = self._responses.get(block)
        if known is not None:
            return known
        fields = self._decode(block)
        head = response_head(fields, self._decoder.excess_bytes())
        if self._is_worth_keeping(block):
            _keep(self._responses, block, head)
        return head

    def read_trailers(self, block: bytes) -> Trailers:
        """The end of a response, a block with END_STREAM behind a head; or the end of a request, whose status is void.

        Raises:
            HpackError: see `read_request`.
        """
        known = self._trailers.get(block)
        if known is not None:
            return known
        fields = self._decode(block)
        trailers = response_trailers(fields, self._decoder.excess_bytes(), is_whole_response=False)
        if self._is_worth_keeping(block):
            _keep(self._trailers, block, trailers)
        return trailers

    def read_trailers_only(self, block: bytes) -> Trailers:
        """A response that is one block: the first of a stream, with END_STREAM, on a client.

        Raises:
            HpackError: see `read_request`.
        """
        fields = self._decode(block)
        return response_trailers(fields, self._decoder.excess_bytes(), is_whole_response=True)

    def _decode(self, block: bytes) -> list[Field]:
        decoder = self._decoder
        changes = decoder.changes
        fields = decoder.decode(block)
        if decoder.list_bytes > LIST_RATIO * decoder.max_list_bytes:
            raise Http2Error(
                f"a header block of {len(block)} bytes stands for {decoder.list_bytes} bytes of fields, over "
                f"{LIST_RATIO} times the limit of {decoder.max_list_bytes}",
                ENHANCE_YOUR_CALM,
            )
        self._is_same_table = decoder.changes == changes
        if not self._is_same_table:
            self._requests.clear()
            self._responses.clear()
            self._trailers.clear()
        return fields

    def _is_worth_keeping(self, block: bytes) -> bool:
        is_small = len(block) <= MAX_KNOWN_BLOCK_BYTES and self._decoder.list_bytes <= MAX_KNOWN_LIST_BYTES
        return is_small and self._is_same_table


def _keep(known: dict[bytes, T], block: bytes, value: T) -> None:
    if len(known) >= MAX_KNOWN_BLOCKS:
        known.clear()
    known[block] = value
