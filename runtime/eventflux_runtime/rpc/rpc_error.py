"""The failure of a call as an exception: one class per gRPC status code, the same on every wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Self, TypeVar

from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataLike
from eventflux_runtime.rpc.status import DetailMessage, ErrorDetail, Status, StatusCode
from eventflux_runtime.rpc.status_part import escaped, plain_code, plain_details, plain_metadata, plain_text

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Cancelled",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "PoolTimeout",
    "ResourceExhausted",
    "RpcError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
]

D = TypeVar("D", bound=DetailMessage)


class RpcError(TransportError):
    """A call that ended with a status other than OK.

    Handlers raise a subclass to fail a call with its code; clients catch the same class on every wire.
    `RpcError` itself takes its code from ``code=`` and is UNKNOWN without one.

    What is no text, code or detail becomes one where that can be, because an error that cannot be made or sent would
    hide the failure it tells of: ``NotFound(404)`` has the text ``"404"``.

    Attributes:
        code: the gRPC status code.
        message: text for people, as the other side gave it; ``str()`` of the error spells out its control characters.
        details: typed details for programs, in order; `find` reads one.
        metadata: the call's trailing metadata.
        unprocessed: True where the call provably never reached a handler, so that any method may be tried again.
    """

    default_code: ClassVar[StatusCode] = StatusCode.UNKNOWN

    code: StatusCode
    message: str
    details: tuple[ErrorDetail, ...]
    metadata: Metadata
    unprocessed: bool

    def __new__(cls, *args: Any, **_options: Any) -> Self:
        """Sets every attribute, so that each is there in a subclass whose own constructor does not call this one."""
        made = super().__new__(cls, *args)
        made.code = plain_code(cls.default_code)
        made.message = ""
        made.details = ()
        made.metadata = EMPTY_METADATA
        made.unprocessed = False
        return made

    def __init__(
        self,
        message: str = "",
        *,
        code: StatusCode | None = None,
        details: Iterable[ErrorDetail | DetailMessage] = (),
        metadata: MetadataLike | None = None,
        unprocessed: bool = False,
    ) -> None:
        """An error ready to be raised. Messages among `details` are packed.

        Raises:
            ConfigError: the metadata breaks its rules.
        """
        self.message = plain_text(message)
        super().__init__(self.message)
        if code is not None:
            self.code = plain_code(code)
        if details != ():
            self.details = plain_details(details)
        if metadata is not None:
            self.metadata = Metadata.of(metadata)
        self.unprocessed = unprocessed

    def __str__(self) -> str:
        name = plain_code(self.code).name
        return f"{name}: {escaped(plain_text(self.message))}" if self.message else name

    def find(self, kind: type[D]) -> D | None:
        """The first detail that is a message of a class, such as ``error.find(BadRequest)``; None without one.

        A detail of that name whose bytes are no such message counts for none.
        """
        found = (detail.unpack(kind) for detail in plain_details(self.details))
        return next((message for message in found if message is not None), None)

    @property
    def status(self) -> Status:
        """The same failure as a `Status`, ready for a wire, whatever the attributes were changed to."""
        return Status(
            plain_code(self.code),
            plain_text(self.message),
            plain_details(self.details),
            plain_metadata(self.metadata),
        )

    @staticmethod
    def from_status(status: Status, *, unprocessed: bool = False) -> RpcError:
        """The exception of a status: an instance of the class that belongs to its code."""
        return _BY_CODE.get(status.code, RpcError)(
            status.message,
            code=status.code,
            details=status.details,
            metadata=status.trailers,
            unprocessed=unprocessed,
        )


class Cancelled(RpcError):
    """The call was cancelled, usually by the other side."""

    default_code = StatusCode.CANCELLED


class Unknown(RpcError):
    """The handler failed with an error that is not an `RpcError`."""

    default_code = StatusCode.UNKNOWN


class InvalidArgument(RpcError):
    """The request is wrong whatever the state of the system."""

    default_code = StatusCode.INVALID_ARGUMENT


class DeadlineExceeded(RpcError):
    """The time for the call ran out before it ended."""

    default_code = StatusCode.DEADLINE_EXCEEDED


class NotFound(RpcError):
    """What the request names does not exist."""

    default_code = StatusCode.NOT_FOUND


class AlreadyExists(RpcError):
    """What the request would create exists already."""

    default_code = StatusCode.ALREADY_EXISTS


class PermissionDenied(RpcError):
    """The caller is known and may not do this."""

    default_code = StatusCode.PERMISSION_DENIED


class ResourceExhausted(RpcError):
    """A limit was reached: a message size, a quota, a number of calls."""

    default_code = StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(RpcError):
    """The system is not in the state that the call needs."""

    default_code = StatusCode.FAILED_PRECONDITION


class Aborted(RpcError):
    """The call lost against a concurrent one; the caller may start over."""

    default_code = StatusCode.ABORTED


class OutOfRange(RpcError):
    """The request went past the valid range."""

    default_code = StatusCode.OUT_OF_RANGE


class Unimplemented(RpcError):
    """The server does not serve this method."""

    default_code = StatusCode.UNIMPLEMENTED


class Internal(RpcError):
    """An invariant broke, in a peer or on the way."""

    default_code = StatusCode.INTERNAL


class Unavailable(RpcError):
    """The server cannot be reached or is going away; trying again may help."""

    default_code = StatusCode.UNAVAILABLE


class DataLoss(RpcError):
    """Data was lost or damaged beyond repair."""

    default_code = StatusCode.DATA_LOSS


class Unauthenticated(RpcError):
    """The caller gave no valid credentials."""

    default_code = StatusCode.UNAUTHENTICATED


class PoolTimeout(Unavailable):
    """No pooled connection came free within ``PoolConfig.acquire_timeout_s``; the call never left this process."""


_BY_CODE: Final[dict[StatusCode, type[RpcError]]] = {
    kind.default_code: kind
    for kind in (
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
        Unauthenticated,
    )
}
