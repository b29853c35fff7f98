"""The status vocabulary: gRPC's seventeen codes and the outcome of one call.

Numbers and names are those of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["OK_STATUS", "ErrorDetail", "Status", "StatusCode"]


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


class ErrorDetail(msgspec.Struct, frozen=True):
    """One typed detail of a failed call, shaped like ``google.protobuf.Any``.

    ``type_url`` names the message (``type.googleapis.com/package.Message``); ``value`` is its protobuf encoding.
    """

    type_url: str
    value: bytes


class Status(msgspec.Struct, frozen=True):
    """How a call ended: the code, a message for people, details for programs, and the trailing metadata."""

    code: StatusCode = StatusCode.OK
    message: str = ""
    details: tuple[ErrorDetail, ...] = ()
    trailers: Metadata = EMPTY_METADATA


OK_STATUS: Final = Status()
