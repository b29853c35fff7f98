"""Files of events: CSV, JSON lines and plain lines, read into the messages that `publish` sends."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from eventflux_node.header import STREAM_HEADER
from eventflux_node.read_ahead import read_ahead
from eventflux_runtime import TransportError
from eventflux_transport import Message, MessageType

__all__ = ["STANDARD_INPUT", "EventFile", "FileFormat", "OnBad", "UnreadableFileError", "format_of", "read_payloads"]

FileFormat: TypeAlias = Literal["csv", "jsonl", "lines"]

_FORMATS: Final[dict[str, FileFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

STANDARD_INPUT: Final = Path("-")
"""The path that stands for standard input."""

_LONGEST_CELL: Final = 0x7FFFFFFF
"""Bytes that a cell of CSV may have: what bounds it is the size of a message. A C long of 32 bits holds no more."""


class UnreadableFileError(TransportError):
    """A file that cannot be opened, or a line of it that is not what its format asks for."""


OnBad: TypeAlias = Callable[[UnreadableFileError], None]
"""Is told of a wrong line."""


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
        if self.path == STANDARD_INPUT or not self.path.is_file():
            return None
        with self.path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    async def messages(self, on_bad: OnBad | None = None) -> AsyncGenerator[Message, None]:
        """The message of each record, stamped with the time at which it is taken.

        Args:
            on_bad: is told of each wrong line, in another thread, and the line is left out; None: it is an error.

        Raises:
            UnreadableFileError: the file cannot be read to its end; what comes before is given.
        """
        file_format = self.file_format if self.file_format is not None else format_of(self.path)
        async with aclosing(read_ahead(partial(read_payloads, self.path, file_format, on_bad))) as payloads:
            async for payload in payloads:
                yield self._message(payload)

    def _message(self, payload: bytes) -> Message:
        made = Message.event(payload).with_header(STREAM_HEADER, self.stream)
        made.message_type = self.message_type
        made.source_node = self.source_node
        made.timestamp = time.time_ns() // 1_000_000
        return made


def format_of(path: Path) -> FileFormat:
    """The format that a file's name says; plain lines where it says nothing."""
    return _FORMATS.get(path.suffix.lower(), "lines")


def read_payloads(path: Path, file_format: FileFormat, on_bad: OnBad | None = None) -> Iterator[bytes]:
    """One payload for each record of a file, read as the caller goes on.

    A CSV row becomes a JSON object with the header's names as keys and text as values. A line of JSON lines is sent
    as it stands, once it is known to be JSON; blank ones are passed over. A plain line is sent as it stands, without
    its line end, blank ones included.

    Args:
        path: `STANDARD_INPUT` stands for that.
        file_format: what its lines are.
        on_bad: is told of each wrong line, which is left out; None: it is an error. A wrong header is one in any case.

    Raises:
        UnreadableFileError: the file cannot be opened or read, or a line is wrong; the message has its number.
    """
    refuse = on_bad if on_bad is not None else _raise
    is_standard = path == STANDARD_INPUT
    try:
        with open(0 if is_standard else path, "rb", closefd=not is_standard) as file:
            if file_format == "csv":
                yield from _csv_payloads(path, file, refuse)
            elif file_format == "jsonl":
                yield from _json_payloads(path, file, refuse)
            else:
                for line in file:
                    yield line.rstrip(b"\r\n")
    except OSError as error:
        raise UnreadableFileError(f"cannot read {_name_of(path)}: {(error.strerror or str(error)).lower()}") from error


def _csv_payloads(path: Path, lines: Iterable[bytes], refuse: OnBad) -> Iterator[bytes]:
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process; its own limit of 128 KiB is there for no reason of ours
    reader = csv.reader(_decoded(path, lines, refuse), strict=True)
    names: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            refuse(_wrong_line(path, reader.line_num, f"not CSV: {error}"))
            continue
        if names is None:
            names = row
            _check_header(path, names)
        elif row and len(row) != len(names):
            refuse(_wrong_line(path, reader.line_num, f"{len(row)} fields where the header has {len(names)}"))
        elif row:
            record = dict(zip(names, row, strict=True))
            yield json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _check_header(path: Path, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or not all(names):
        fault = f"the name {repeated[0]!r} stands twice" if repeated else "a name is empty"
        raise _wrong_line(path, 1, f"the header must name each column once, and {fault}")


def _json_payloads(path: Path, lines: Iterable[bytes], refuse: OnBad) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        try:
            text = _decoded_line(path, number, line).strip()
            if text:
                json.loads(text)
        except UnreadableFileError as error:
            refuse(error)
        except ValueError as error:
            refuse(_wrong_line(path, number, f"not JSON: {error}"))
        except RecursionError:
            refuse(_wrong_line(path, number, "nested too deep for JSON that Python reads"))
        else:
            if text:
                yield text.encode()


def _decoded(path: Path, lines: Iterable[bytes], refuse: OnBad) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = _decoded_line(path, number, line)
        except UnreadableFileError as error:
            refuse(error)
        else:
            yield text


def _decoded_line(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        fault = f"not UTF-8: {error.reason} at byte {error.start + 1} of the line"
        raise _wrong_line(path, number, fault) from error


def _raise(error: UnreadableFileError) -> None:
    raise error


def _wrong_line(path: Path, number: int, fault: str) -> UnreadableFileError:
    return UnreadableFileError(f"{_name_of(path)}, line {number}: {fault}")


def _name_of(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)
