"""What the runtime knows of a method: frozen descriptions that generated code builds and every wire reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeAlias, TypeVar

from librt.strings import BytesWriter

from eventflux_runtime.rpc.checked import require_instance
from eventflux_runtime.rpc.config import Compression, RetryPolicy
from eventflux_runtime.rpc.deadline import checked_timeout
from eventflux_runtime.rpc.declared_error import DeclaredError
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["AnyMethod", "MessageCodec", "Method", "MethodKind", "PeerCodec", "keep_for"]

_MAX_KEPT: Final = 1024
"""Methods for which something is kept: more than a program has, unless it makes them as it goes."""

T = TypeVar("T")
Req = TypeVar("Req")
Res = TypeVar("Res")


class MethodKind(Enum):
    """How many messages travel each way."""

    UNARY = "unary"
    CLIENT_STREAMING = "client_streaming"
    SERVER_STREAMING = "server_streaming"
    BIDI = "bidi"

    @property
    def streams_requests(self) -> bool:
        """Whether the client sends any number of messages."""
        return self in (MethodKind.CLIENT_STREAMING, MethodKind.BIDI)

    @property
    def streams_responses(self) -> bool:
        """Whether the server sends any number of messages."""
        return self in (MethodKind.SERVER_STREAMING, MethodKind.BIDI)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessageCodec(Generic[T]):
    """How messages of one type become bytes and come back, in the two encodings that wires carry."""

    type_name: str
    """The full protobuf name, as ``eventflux.transport.TransportMessage``."""
    encode: Callable[[T, BytesWriter], None]
    """Appends the native layout. Raises CodecError; what it wrote until then is the caller's to truncate."""
    decode: Callable[[bytes, int, int], T]
    """The message in ``data[start:end]``, native layout. Raises CodecError, on trailing bytes too."""
    encode_protobuf: Callable[[T, BytesWriter], None]
    """Appends the protobuf encoding. Raises as `encode`."""
    decode_protobuf: Callable[[bytes, int, int], T]
    """The message in ``data[start:end]``, protobuf's encoding. Raises CodecError."""
    proto: str = ""
    """Where protobuf's own class is, as ``package.module_pb2:Outer.Inner``, for reflection; empty: nowhere."""
    message_class: type[T] | None = None
    """The generated class of the messages; None: they have none."""

    def to_protobuf(self, message: T) -> bytes:
        """The protobuf encoding of a message. Raises CodecError."""
        writer = BytesWriter()
        self.encode_protobuf(message, writer)
        return writer.getvalue()

    def from_protobuf(self, data: bytes) -> T:
        """The message of a protobuf encoding. Raises CodecError."""
        return self.decode_protobuf(data, 0, len(data))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeerCodec(Generic[T]):
    """How messages of one type travel in EventFlux's own TCP frames, which know no status."""

    encode: Callable[[T, BytesWriter], None]
    """Appends the layout of EventFlux's frames. Raises CodecError."""
    decode: Callable[[bytes, int, int], T]
    """The message in ``data[start:end]`` in that layout. Raises CodecError, on trailing bytes too."""
    refuse: Callable[[T, str, str], T]
    """The answer to a message that failed, from the status code's name and its text."""
    fit: Callable[[T, int], T]
    """The part of a message that this layout carries, which expands to no more than so many bytes. Raises
    ResourceExhausted where it would."""

    def fitted(self, message: T, max_bytes: int) -> T:
        """A message as it travels in frames of at most `max_bytes`: without what they have no place for.

        Raises:
            ResourceExhausted: its payload expands to more.
        """
        try:
            return self.fit(message, max_bytes)
        except (AttributeError, TypeError):
            return message  # of no use as a message: encoding it says what is wrong


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Method(Generic[Req, Res]):
    """One method of a service.

    Compared by identity, because it is a key on the path of every call; peers compare `path` and `fingerprint`.

    Raises:
        ConfigError: `timeout_s`, `retry` or `compression` is not what it should be.
    """

    service: str
    """The full protobuf name of the service, as ``eventflux.transport.Transport``."""
    name: str
    """The name in the IDL, as ``SendMessage``."""
    kind: MethodKind
    request: MessageCodec[Req]
    response: MessageCodec[Res]
    fingerprint: int
    """64 bits that are equal on both sides exactly if request and response are read alike, on any wire."""
    proto: str = ""
    """Where protobuf's descriptor of the service's file is, as ``package.module_pb2:DESCRIPTOR``, for reflection;
    empty: in the file of a message, or nowhere."""
    timeout_s: float | None = None
    """Default deadline of a call in seconds; None: the channel's. From 1e9 on there is none."""
    idempotent: bool = False
    """Whether a call may safely reach a handler more than once."""
    retry: RetryPolicy | None = None
    """Retry policy of this method; None: the channel's."""
    compression: Compression | None = None
    """Compression of this method's messages; None: the channel's or the server's."""
    prefers_protobuf: bool = False
    """Whether its messages travel in protobuf's encoding on the native wire, too, where the server speaks it: their
    native layout bounds what they may hold."""
    errors: tuple[StatusCode | type[DeclaredError], ...] = ()
    """What the method's options declare it to fail with, never enforced. The codes are documentation; of the errors
    with fields a client makes their own class again."""
    peer: PeerCodec[Any] | None = None
    """Set for the unary method that answers peers which speak EventFlux's own TCP frames."""

    def __post_init__(self) -> None:
        if self.timeout_s is not None:
            checked_timeout(self.timeout_s)
        if self.retry is not None:
            require_instance("retry", self.retry, RetryPolicy)
        if self.compression is not None:
            require_instance("compression", self.compression, Compression)

    def error_of(self, status: Status, *, unprocessed: bool = False) -> RpcError:
        """What a call that ended with a status fails with: an error that the method declares, or the code's class."""
        if status.details:
            for kind in self.errors:
                error = None if isinstance(kind, StatusCode) else kind.read(status, unprocessed=unprocessed)
                if error is not None:
                    return error
        return RpcError.from_status(status, unprocessed=unprocessed)

    @property
    def path(self) -> str:
        """``/service/name``, as on HTTP/2."""
        return f"/{self.service}/{self.name}"


AnyMethod: TypeAlias = Method[Any, Any]
"""A method of any messages."""


def keep_for(method: AnyMethod, made: T, known: dict[AnyMethod, T]) -> T:
    """Keeps what was made for a method, and returns it. Where that becomes too much, all else is forgotten.

    A method is known by its identity, so a program that makes one for each call would fill any map.
    """
    if len(known) >= _MAX_KEPT:
        known.clear()
    known[method] = made
    return made
