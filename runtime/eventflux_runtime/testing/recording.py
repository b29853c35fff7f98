"""A recorded conversation as lines of JSON: one for the beginning of each call, each message, and each end.

The lines stand in the order in which things happened, and name their call by its number, because calls overlap.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from eventflux_runtime.rpc.errors import CodecError, ConfigError
from eventflux_runtime.rpc.metadata import Metadata, MetadataValue
from eventflux_runtime.rpc.method import MessageCodec
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode
from eventflux_runtime.testing.redaction import redacted_message
from eventflux_runtime.well_known.messages import Any as PackedMessage

__all__ = [
    "End",
    "Head",
    "Line",
    "RecordedCall",
    "Request",
    "Response",
    "Start",
    "message_of",
    "metadata_of",
    "pairs_of",
    "plain",
    "plain_status",
    "read_recording",
]

VERSION: Final = 1
BYTES_KEY: Final = "@protobuf"
"""Stands for a message that has no JSON, with its encoding as base64."""
LEFT: Final = frozenset({"caller", "stopped"})
"""Causes of a cancellation that a server has no part in."""

_Pairs: TypeAlias = list[tuple[str, str]]


class _Line(msgspec.Struct, tag_field="event", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all lines have."""


class Head(_Line, tag="recording"):
    """The first line."""

    version: int


class Start(_Line, tag="start"):
    """A call begins."""

    call: int
    method: str
    metadata: _Pairs = []
    timeout_s: float | None = None
    at_s: float | None = None
    """Seconds since the recording began."""


class Request(_Line, tag="request"):
    """A request of a call."""

    call: int
    message: Any
    at_s: float | None = None


class Response(_Line, tag="response"):
    """A response of a call."""

    call: int
    message: Any
    at_s: float | None = None


class End(_Line, tag="end"):
    """A call is over."""

    call: int
    code: str = "OK"
    message: str = ""
    details: list[Any] = []
    initial_metadata: _Pairs = []
    trailers: _Pairs = []
    cancel_cause: str | None = None
    at_s: float | None = None
    duration_s: float | None = None

    @property
    def status(self) -> Status:
        """The same as a status. Raises ConfigError for what is none."""
        if self.code not in StatusCode.__members__:
            raise ConfigError(f"call {self.call} ends with {self.code!r}, which is no status code")
        details = tuple(_detail(detail) for detail in self.details)
        return Status(StatusCode[self.code], self.message, details, metadata_of(self.trailers))


Line: TypeAlias = Head | Start | Request | Response | End


@dataclass(frozen=True)
class RecordedCall:
    """One call of a recording."""

    start: Start
    end: End
    messages: list[Request | Response] = field(default_factory=list)

    @property
    def requests(self) -> list[Any]:
        """Its requests, as plain values of JSON."""
        return [line.message for line in self.messages if isinstance(line, Request)]

    def __str__(self) -> str:
        return f"call {self.start.call}, {self.start.method}"


def read_recording(path: str | Path) -> tuple[list[Line], dict[int, RecordedCall]]:
    """All lines of a file, and the calls by their numbers.

    Raises:
        ConfigError: the file is no recording, or not a whole one.
        OSError: it cannot be read.
    """
    lines: list[Line] = []
    starts: dict[int, Start] = {}
    messages: dict[int, list[Request | Response]] = {}
    calls: dict[int, RecordedCall] = {}
    for number, text in enumerate(Path(path).read_bytes().splitlines(), 1):
        try:
            line: Line = msgspec.json.decode(text, type=Line)
        except msgspec.MsgspecError as error:
            raise ConfigError(f"line {number} of {path} is none of a recording: {error}") from None
        if isinstance(line, Head) is not (number == 1) or (isinstance(line, Head) and line.version != VERSION):
            raise ConfigError(f"{path} is no recording of version {VERSION}: record it again")
        if isinstance(line, Start):
            starts[line.call] = line
            messages[line.call] = []
        elif not isinstance(line, Head) and (line.call not in starts or line.call in calls):
            raise ConfigError(f"line {number} of {path} is of call {line.call}, which is not under way")
        elif isinstance(line, End):
            calls[line.call] = RecordedCall(starts[line.call], line, messages[line.call])
        elif not isinstance(line, Head):
            messages[line.call].append(line)
        lines.append(line)
    unended = sorted(starts.keys() - calls.keys())
    if unended or not lines:
        raise ConfigError(f"{path} is not whole: it has no end of call {unended or 'at all'}; record it again")
    return lines, dict(sorted(calls.items()))


def plain(message: Any, codec: MessageCodec[Any]) -> Any:
    """A message as plain values of JSON, without what is redacted."""
    try:
        return json.loads(redacted_message(message).to_json())
    except (CodecError, AttributeError):  # what is packed in an Any is not known; or it is no generated message
        return {BYTES_KEY: b64encode(codec.to_protobuf(message)).decode()}


def message_of(value: Any, codec: MessageCodec[Any]) -> Any:
    """The message of plain values. Raises CodecError for what is none."""
    if isinstance(value, dict) and BYTES_KEY in value:
        return codec.from_protobuf(b64decode(value[BYTES_KEY]))
    kind: Any = codec.message_class
    return kind.from_json(json.dumps(value))


def plain_status(status: Status) -> tuple[str, str, list[Any]]:
    """Code, message and details, as `End` has them."""
    details = [plain(PackedMessage(type_url=detail.type_url, value=detail.value), _PACKED) for detail in status.details]
    return status.code.name, status.message, details


def pairs_of(metadata: Metadata) -> _Pairs:
    """Metadata as pairs of text, bytes as base64."""
    return [(key, value if isinstance(value, str) else b64encode(value).decode()) for key, value in metadata.pairs]


def metadata_of(pairs: _Pairs) -> Metadata:
    """The metadata of such pairs. Raises ConfigError for keys and values that are none."""
    read: list[tuple[str, MetadataValue]] = []
    for key, value in pairs:
        read.append((key, b64decode(value) if key.endswith("-bin") else value))
    return Metadata(read)


def _detail(value: Any) -> ErrorDetail:
    packed: PackedMessage = message_of(value, _PACKED)
    return ErrorDetail(packed.type_url, packed.value)


def _decode_packed(data: bytes, start: int, end: int) -> PackedMessage:
    return PackedMessage.from_protobuf(data[start:end])


def _encode_packed(message: PackedMessage, writer: Any) -> None:
    writer.write(message.to_protobuf())


_PACKED: Final[MessageCodec[Any]] = MessageCodec(
    type_name="google.protobuf.Any",
    encode=_encode_packed,
    decode=_decode_packed,
    encode_protobuf=_encode_packed,
    decode_protobuf=_decode_packed,
    message_class=PackedMessage,
)
