"""`eventflux publish`: the records of a file as messages, with a progress bar."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread

from eventflux_node.event_file import FileFormat, UnreadableFileError, format_of, read_payloads
from eventflux_node.filter import STREAM_HEADER
from eventflux_node.progress import progress_bar
from eventflux_node.publisher import publish
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import Message, MessageType, TransportClient

__all__ = ["Publication", "publish_file"]

_READ_AHEAD: Final = 256
"""Records read at a time in a worker thread; one at a time from a pipe, whose next line may be long in coming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A file, and how its records become messages."""

    path: Path
    stream: str
    """The name of the stream in each message's headers."""
    message_type: MessageType = MessageType.EVENT
    source_node: str = ""
    file_format: FileFormat | None = None
    """None: what the file's name says."""

    def expected(self) -> int | None:
        """About how many records there are, by the number of lines; None for what can be read only once."""
        if not self.path.is_file():
            return None
        with self.path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    def payloads(self) -> Iterator[bytes]:
        """The payload of each record."""
        return read_payloads(self.path, self.file_format if self.file_format is not None else format_of(self.path))

    def message(self, payload: bytes) -> Message:
        """The message of one record, stamped with the present time."""
        made = Message.event(payload).with_header(STREAM_HEADER, self.stream)
        made.message_type = self.message_type
        made.source_node = self.source_node
        made.timestamp = time.time_ns() // 1_000_000
        return made


async def publish_file(target: str, publication: Publication, config: ClientConfig) -> int:
    """Publishes every record, shows how far it is, and prints what came of it. Returns the exit code, 0.

    Raises:
        UnreadableFileError: the file cannot be read to its end; what came before is published.
        TransportError: the node cannot be reached, or the call failed.
    """
    started = time.perf_counter()
    done = 0
    with progress_bar(publication.path.name, publication.expected) as show:

        def on_acknowledged() -> None:
            nonlocal done
            done += 1
            show(done)

        try:
            async with connect(target, config=config) as channel:
                await publish(TransportClient(channel), _messages(publication), on_acknowledged)
        except UnreadableFileError as error:
            if not done:
                raise
            raise UnreadableFileError(f"{error} ({done} events before it were published)") from error
    seconds = time.perf_counter() - started
    print(f"published {done} events in {seconds:.2f} s, each acknowledged: {done / seconds:.0f} a second")
    return 0


async def _messages(publication: Publication) -> AsyncIterator[Message]:
    payloads = publication.payloads()
    chunk_size = _READ_AHEAD if publication.path.is_file() else 1
    while True:
        chunk = await anyio.to_thread.run_sync(_take, payloads, chunk_size, abandon_on_cancel=True)
        for payload in chunk.records:
            yield publication.message(payload)
        if chunk.failure is not None:
            raise chunk.failure
        if len(chunk.records) < chunk_size:
            return


@dataclass(slots=True)
class _Chunk:
    """Records read together, and what stopped the reading after the last of them, if anything did."""

    records: list[bytes]
    failure: UnreadableFileError | None = None


def _take(payloads: Iterator[bytes], count: int) -> _Chunk:
    chunk = _Chunk([])
    try:
        chunk.records.extend(itertools.islice(payloads, count))
    except UnreadableFileError as error:
        chunk.failure = error
    return chunk
