"""The status vocabulary: gRPC's seventeen codes and the outcome of one call.

Numbers and names are those of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, Protocol, Self, TypeVar

import msgspec

from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["OK_STATUS", "DetailMessage", "ErrorDetail", "Status", "StatusCode"]

D = TypeVar("D", bound="DetailMessage")

_URL_PREFIX: Final = "type.googleapis.com/"


class StatusCode(IntEnum):
    """The outcome of a call, with gRPC's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def from_number(cls, number: int) -> StatusCode:
        """The code of a number that came off a wire; a number nobody knows is UNKNOWN, as gRPC asks."""
        try:
            return cls(number)
        except ValueError:
            return cls.UNKNOWN


class DetailMessage(Protocol):
    """A message that a detail can hold: one of `eventflux_runtime.error_details`, or of any generated package."""

    def to_protobuf(self) -> bytes:
        """Its protobuf encoding. Raises CodecError."""

    @classmethod
    def from_protobuf(cls, data: bytes) -> Self:
        """The message of a protobuf encoding. Raises CodecError."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """One typed detail of a failed call, shaped like ``google.protobuf.Any``.

    ``type_url`` names the message (``type.googleapis.com/package.Message``); ``value`` is its protobuf encoding.
    """

    type_url: str
    value: bytes

    @staticmethod
    def of(message: DetailMessage) -> ErrorDetail:
        """The detail that holds a message. Raises CodecError for what the message cannot carry."""
        return ErrorDetail(_URL_PREFIX + _type_name(type(message)), message.to_protobuf())

    def unpack(self, kind: type[D]) -> D | None:
        """The message in it; None where it holds one of another type, or bytes that are none."""
        if self.type_url.rpartition("/")[2] != _type_name(kind):
            return None
        try:
            return kind.from_protobuf(self.value)
        except CodecError:
            return None  # the failure itself has to reach the application, whatever a peer wrote beside it


def _type_name(kind: Any) -> str:
    """The full protobuf name of a generated class."""
    name: str = kind.__registration__.type_name
    return name


class Status(msgspec.Struct, frozen=True):
    """How a call ended: the code, a message for people, details for programs, and the trailing metadata."""

    code: StatusCode = StatusCode.OK
    message: str = ""
    details: tuple[ErrorDetail, ...] = ()
    trailers: Metadata = EMPTY_METADATA


OK_STATUS: Final = Status()
