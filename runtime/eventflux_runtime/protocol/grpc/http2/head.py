"""What gRPC reads in header blocks: the heads of requests and of responses, and the trailers that end a call.

Heads are shared by all blocks that are equal, so nobody changes them, `RequestHead.found` apart.
"""

from __future__ import annotations

from typing import Any, Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status

__all__ = ["RequestHead", "ResponseHead", "Trailers"]

NO_TIMEOUT: Final = -1
NO_LENGTH: Final = -1
UNKNOWN_ENCODING: Final = -1
NO_ENCODINGS: Final[frozenset[int]] = frozenset()


@mypyc_attr(acyclic=True)
@final
class RequestHead:
    """The header block that begins a call.

    Look at `error` and `refusal`, in this order, before the rest.

    Attributes:
        error: why the request is malformed (RFC 9113, 8.1.1), which is a stream error of type PROTOCOL_ERROR; or "".
        refusal: the status that answers a request which no handler can serve; or None. It is to be sent with
            `http_status` and without waiting for messages.
        http_status: 200, or the HTTP status of the answer to a request that is not gRPC: 405 or 415.
        path: ``/package.Service/Method``, not empty unless there is an `error`.
        authority: what the client calls this server; "" if it does not say.
        timeout_us: the time that the client gives the call, in microseconds; -1: no limit.
        encoding_id: the number of the messages' compression as in `rpc.config.COMPRESSION_IDS`, 0 for none, -1 for one
            nobody knows.
        encoding: its name as the client has it.
        accepted: the numbers of the compressions that the client reads.
        length: the bytes of the messages with their prefixes, where the client says how many will come; -1 if not.
        metadata: the application's.
        found: for the driver, which may keep here what it found for `path`.
    """

    __slots__ = (
        "accepted",
        "authority",
        "encoding",
        "encoding_id",
        "error",
        "found",
        "http_status",
        "length",
        "metadata",
        "path",
        "refusal",
        "timeout_us",
    )

    def __init__(self) -> None:
        self.error: str = ""
        self.refusal: Status | None = None
        self.http_status: int = 200
        self.path: str = ""
        self.authority: str = ""
        self.timeout_us: int = NO_TIMEOUT
        self.encoding_id: int = 0
        self.encoding: str = "identity"
        self.accepted: frozenset[int] = NO_ENCODINGS
        self.length: int = NO_LENGTH
        self.metadata: Metadata = EMPTY_METADATA
        self.found: Any = None


@mypyc_attr(acyclic=True)
@final
class ResponseHead:
    """The header block that begins a response, and does not end it.

    Look at `error`, `is_informational` and `failure`, in this order, before the rest.

    Attributes:
        error: why the response is malformed (RFC 9113, 8.1.1), which is a stream error of type PROTOCOL_ERROR; or "".
        http_status: the HTTP status.
        is_informational: the HTTP status is 1xx: another head is still to come, and this one means nothing to gRPC.
        failure: the status of a call whose response is not gRPC, by its HTTP status; or None.
        encoding_id: the number of the messages' compression as in `rpc.config.COMPRESSION_IDS`, 0 for none, -1 for one
            nobody knows.
        encoding: its name as the server has it.
        accepted: the numbers of the compressions that the server reads; None: it does not say.
        length: as in `RequestHead`.
        metadata: the application's.
    """

    __slots__ = (
        "accepted",
        "encoding",
        "encoding_id",
        "error",
        "failure",
        "http_status",
        "is_informational",
        "length",
        "metadata",
    )

    def __init__(self) -> None:
        self.error: str = ""
        self.http_status: int = 0
        self.is_informational: bool = False
        self.failure: Status | None = None
        self.encoding_id: int = 0
        self.encoding: str = "identity"
        self.accepted: frozenset[int] | None = None
        self.length: int = NO_LENGTH
        self.metadata: Metadata = EMPTY_METADATA


@mypyc_attr(acyclic=True)
@final
class Trailers:
    """The header block that ends a response, or is all of it.

    Look at `error` before the rest.

    Attributes:
        error: why the block is malformed (RFC 9113, 8.1.1), which is a stream error of type PROTOCOL_ERROR; or "".
        status: how the call ended, its trailing metadata included; made up from the HTTP status where the server sent
            none.
        accepted: the numbers of the compressions that the server reads; None: it does not say.
    """

    __slots__ = ("accepted", "error", "status")

    def __init__(self, status: Status = OK_STATUS, error: str = "", accepted: frozenset[int] | None = None) -> None:
        self.error: Final = error
        self.status: Final = status
        self.accepted: Final = accepted
