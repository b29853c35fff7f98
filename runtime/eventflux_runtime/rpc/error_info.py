"""The two messages of ``google.rpc`` that the runtime acts on: ``ErrorInfo``, a cause by name, and ``RetryInfo``.

Their fields are those of https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto. Programs
use the classes in `eventflux_runtime.error_details`, which this module lies below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from librt.strings import BytesWriter

from eventflux_runtime.rpc.record import BYTES, VARINT, RecordReader, write_block
from eventflux_runtime.rpc.status import ErrorDetail

__all__ = ["NamedCause", "retry_delay_s"]

_FIRST_BLOCK: Final = 1 << 3 | BYTES
_SECOND_BLOCK: Final = 2 << 3 | BYTES
_THIRD_BLOCK: Final = 3 << 3 | BYTES
_FIRST_NUMBER: Final = 1 << 3 | VARINT
_SECOND_NUMBER: Final = 2 << 3 | VARINT
_MAX_SECONDS: Final = 315_576_000_000
"""What a ``google.protobuf.Duration`` may say: ten thousand years."""
_ERROR_INFO: Final = "google.rpc.ErrorInfo"
_RETRY_INFO: Final = "google.rpc.RetryInfo"


class NamedCause(NamedTuple):
    """What an ``ErrorInfo`` says."""

    reason: str
    domain: str
    metadata: Mapping[str, str]

    @property
    def detail(self) -> ErrorDetail:
        """The detail that says it. Raises UnicodeEncodeError for text that UTF-8 cannot encode."""
        writer = BytesWriter()
        write_block(writer, _FIRST_BLOCK, self.reason.encode())
        write_block(writer, _SECOND_BLOCK, self.domain.encode())
        for key, value in self.metadata.items():
            entry = BytesWriter()
            write_block(entry, _FIRST_BLOCK, key.encode())
            write_block(entry, _SECOND_BLOCK, value.encode())
            write_block(writer, _THIRD_BLOCK, entry.getvalue())
        return ErrorDetail(f"type.googleapis.com/{_ERROR_INFO}", writer.getvalue())

    @staticmethod
    def of(detail: ErrorDetail) -> NamedCause | None:
        """What a detail says; None where it is of another type, or cannot be read."""
        if not _is_a(detail, _ERROR_INFO):
            return None
        try:
            return _read_cause(RecordReader(detail.value))
        except ValueError:
            return None


def retry_delay_s(details: Iterable[ErrorDetail]) -> float:
    """Seconds that a ``RetryInfo`` among the details asks a client to wait; 0 where there is none that can be read."""
    for detail in details:
        if _is_a(detail, _RETRY_INFO):
            try:
                return max(0.0, _read_delay(RecordReader(detail.value)))
            except ValueError:
                continue
    return 0.0


def _is_a(detail: ErrorDetail, name: str) -> bool:
    return detail.type_url.rpartition("/")[2] == name


def _read_cause(reader: RecordReader) -> NamedCause:
    reason = domain = ""
    metadata: dict[str, str] = {}
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == _FIRST_BLOCK:
            reason = reader.text()
        elif tag == _SECOND_BLOCK:
            domain = reader.text()
        elif tag == _THIRD_BLOCK:
            key, value = _read_entry(RecordReader(reader.chunk()))
            metadata[key] = value
        else:
            reader.skip(tag)
    return NamedCause(reason, domain, metadata)


def _read_entry(reader: RecordReader) -> tuple[str, str]:
    key = value = ""
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == _FIRST_BLOCK:
            key = reader.text()
        elif tag == _SECOND_BLOCK:
            value = reader.text()
        else:
            reader.skip(tag)
    return key, value


def _read_delay(reader: RecordReader) -> float:
    delay_s = 0.0
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == _FIRST_BLOCK:
            delay_s = _read_duration(RecordReader(reader.chunk()))
        else:
            reader.skip(tag)
    return delay_s


def _read_duration(reader: RecordReader) -> float:
    seconds = nanos = 0
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == _FIRST_NUMBER:
            seconds = _signed(reader.varint())
        elif tag == _SECOND_NUMBER:
            nanos = _signed(reader.varint())
        else:
            reader.skip(tag)
    if abs(seconds) > _MAX_SECONDS or abs(nanos) >= 1_000_000_000:
        raise ValueError("it is no duration")
    return seconds + nanos / 1e9


def _signed(number: int) -> int:
    """The int32 or int64 of a varint."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
