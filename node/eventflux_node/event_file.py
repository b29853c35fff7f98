"""Files of events: CSV, JSON lines and plain lines, read into the messages that `publish` sends."""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio.to_thread

from eventflux_node.header import STREAM_HEADER
from eventflux_runtime import TransportError
from eventflux_transport import Message, MessageType

__all__ = ["EventFile", "FileFormat", "UnreadableFileError", "format_of", "read_payloads"]

FileFormat: TypeAlias = Literal["csv", "jsonl", "lines"]

_FORMATS: Final[dict[str, FileFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

_READ_AHEAD: Final = 256
"""Records read at a time in a worker thread; one at a time from a pipe, whose next line may be long in coming."""


_LONGEST_CELL: Final = 0x7FFFFFFF
"""Bytes that a cell of CSV may have: what bounds it is the size of a message. A C long of 32 bits holds no more."""


class UnreadableFileError(TransportError):
    """A file that cannot be opened, or a line of it that is not what its format asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file, and how its records become messages."""

    path: Path
    stream: str
    """The name of the stream in each message's headers."""
    message_type: MessageType = MessageType.EVENT
    source_node: str = ""
    file_format: FileFormat | None = None
    """None: what the file's name says."""

    def line_count(self) -> int | None:
        """How many lines there are, which is about how many records; None for what can be read only once."""
        if not self.path.is_file():
            return None
        with self.path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    async def messages(self) -> AsyncIterator[Message]:
        """The message of each record, stamped with the time at which it is taken.

        Raises:
            UnreadableFileError: the file cannot be read to its end; what comes before is given.
        """
        payloads = read_payloads(self.path, self.file_format if self.file_format is not None else format_of(self.path))
        chunk_size = _READ_AHEAD if self.path.is_file() else 1
        while True:
            chunk = await anyio.to_thread.run_sync(_take, payloads, chunk_size, abandon_on_cancel=True)
            for payload in chunk.payloads:
                yield self._message(payload)
            if chunk.failure is not None:
                raise chunk.failure
            if len(chunk.payloads) < chunk_size:
                return

    def _message(self, payload: bytes) -> Message:
        made = Message.event(payload).with_header(STREAM_HEADER, self.stream)
        made.message_type = self.message_type
        made.source_node = self.source_node
        made.timestamp = time.time_ns() // 1_000_000
        return made


@dataclass(slots=True)
class _Chunk:
    """Records read together, and what stopped the reading after the last of them, if anything did."""

    payloads: list[bytes]
    failure: UnreadableFileError | None = None


def _take(payloads: Iterator[bytes], count: int) -> _Chunk:
    chunk = _Chunk([])
    try:
        chunk.payloads.extend(itertools.islice(payloads, count))
    except UnreadableFileError as error:
        chunk.failure = error
    return chunk


def format_of(path: Path) -> FileFormat:
    """The format that a file's name says; plain lines where it says nothing."""
    return _FORMATS.get(path.suffix.lower(), "lines")


def read_payloads(path: Path, file_format: FileFormat) -> Iterator[bytes]:
    """One payload for each record of a file, read as the caller goes on.

    A CSV row becomes a JSON object with the header's names as keys and text as values. A line of JSON lines is sent
    as it stands, once it is known to be JSON; blank ones are passed over. A plain line is sent as it stands, without
    its line end, blank ones included.

    Raises:
        UnreadableFileError: the file cannot be opened or read, or a line is wrong; the message has its number.
    """
    try:
        with path.open("rb") as file:
            if file_format == "csv":
                yield from _csv_payloads(path, file)
            elif file_format == "jsonl":
                yield from _json_payloads(path, file)
            else:
                for line in file:
                    yield line.rstrip(b"\r\n")
    except OSError as error:
        raise UnreadableFileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _csv_payloads(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process; its own limit of 128 KiB is there for no reason of ours
    reader = csv.reader(_decoded(path, lines), strict=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if names is None:
                names = row
                _check_header(path, names)
            elif row:
                if len(row) != len(names):
                    raise _wrong_line(path, reader.line_num, f"{len(row)} fields where the header has {len(names)}")
                record = dict(zip(names, row, strict=True))
                yield json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except csv.Error as error:
        raise _wrong_line(path, reader.line_num, f"not CSV: {error}") from error


def _check_header(path: Path, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or not all(names):
        fault = f"the name {repeated[0]!r} stands twice" if repeated else "a name is empty"
        raise _wrong_line(path, 1, f"the header must name each column once, and {fault}")


def _json_payloads(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(_decoded(path, lines), start=1):
        text = line.strip()
        if not text:
            continue
        try:
            json.loads(text)
        except ValueError as error:
            raise _wrong_line(path, number, f"not JSON: {error}") from error
        except RecursionError:
            raise _wrong_line(path, number, "nested too deep for JSON that Python reads") from None
        yield text.encode()


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _wrong_line(
                path, number, f"not UTF-8: {error.reason} at byte {error.start + 1} of the line"
            ) from error


def _wrong_line(path: Path, number: int, fault: str) -> UnreadableFileError:
    return UnreadableFileError(f"{path}, line {number}: {fault}")
