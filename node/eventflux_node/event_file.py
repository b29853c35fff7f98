"""Files of events: CSV, JSON lines and plain lines, read into the payloads that `publish` sends."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

from eventflux_runtime import TransportError

__all__ = ["FileFormat", "UnreadableFileError", "format_of", "read_payloads"]

FileFormat: TypeAlias = Literal["csv", "jsonl", "lines"]

_FORMATS: Final[dict[str, FileFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class UnreadableFileError(TransportError):
    """A file that cannot be opened, or a line of it that is not what its format asks for."""


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
