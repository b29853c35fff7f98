"""Where the JSON of a call's requests comes from: arguments, files, standard input."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from eventflux_node.read_ahead import read_ahead
from eventflux_runtime import TransportError

__all__ = ["RequestText", "RequestTextError", "request_texts"]


_STANDARD_INPUT: Final = 0
"""Its descriptor."""


class RequestTextError(TransportError):
    """A file of requests that cannot be read."""


@dataclass(frozen=True, slots=True)
class RequestText:
    """The JSON of one request."""

    text: str
    origin: str = ""
    """Where it stands, for errors; empty: on the command line."""


async def request_texts(arguments: Sequence[str], *, by_line: bool) -> AsyncGenerator[RequestText, None]:
    """The requests that the arguments stand for, each given as soon as it is there.

    Args:
        arguments: JSON, ``@FILE``, or ``-`` for standard input.
        by_line: whether each line of an input is a request, and not the whole of it.

    Raises:
        RequestTextError: a file cannot be read.
    """
    for argument in arguments:
        if argument != "-" and not argument.startswith("@"):
            yield RequestText(argument)
            continue
        source = argument if argument == "-" else argument[1:]
        async with aclosing(read_ahead(partial(_read, source, by_line))) as texts:
            async for text in texts:
                yield text


def _read(source: str, by_line: bool) -> Iterator[RequestText]:
    name = "standard input" if source == "-" else source
    try:
        with open(_STANDARD_INPUT if source == "-" else source, "rb", closefd=source != "-") as file:
            if not by_line:
                yield RequestText(_decoded(file.read(), name), name)
                return
            for number, line in enumerate(file, start=1):
                text = _decoded(line, f"{name}, line {number}").strip()
                if text:
                    yield RequestText(text, f"{name}, line {number}")
    except OSError as error:
        raise RequestTextError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from error


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestTextError(f"{name}: not UTF-8: {error.reason} at byte {error.start + 1}") from error
