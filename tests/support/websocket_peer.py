"""WebSocket and HTTP/1 by hand, over plain sockets: clients that send what they are told, servers that answer so."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from tests.support.tcp_server import serving

KEY: Final = bytes.fromhex("37fa213d")
OPENING: Final = {
    "Host": "node.test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "eft1.eventflux",
}
"""What a client asks with; the key is that of RFC 6455, 1.3."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def request(path: str = "/", method: str = "GET", /, **fields: str | None) -> bytes:
    """A request for a WebSocket; a field that is None is left out, and an underscore in its name is a hyphen."""
    changed = {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in (OPENING | changed).items() if value is not None]
    return "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "", "")).encode("latin-1")


def masked(data: bytes, key: bytes = KEY) -> bytes:
    """A payload under a key: every fourth byte is looked up in a table."""
    result = bytearray(len(data))
    for lane, part in enumerate(key):
        result[lane::4] = data[lane::4].translate(bytes(byte ^ part for byte in range(256)))
    return bytes(result)


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, key: bytes | None = KEY, reserved: int = 0, form: int = 0
) -> bytes:
    """A frame as RFC 6455, 5.2 draws it; `form` is the number of bytes of the length, where it is not the shortest."""
    size = len(payload)
    form = form or (1 if size < 126 else 2 if size < 65536 else 8)
    mask = 0x80 if key is not None else 0
    head = bytes((final << 7 | reserved << 4 | opcode, mask | (size if form == 1 else 126 if form == 2 else 127)))
    head += b"" if form == 1 else size.to_bytes(form, "big")
    return head + (payload if key is None else key + masked(payload, key))


class RawClient:
    """A client that has connected, and may have a WebSocket."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._reader = BufferedByteReceiveStream(stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await anyio.aclose_forcefully(self.stream)

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        await self.stream.send(data)

    async def head(self) -> str:
        """The head of the next answer."""
        return (await self._reader.receive_until(b"\r\n\r\n", 65536)).decode()

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the server's next frame, which is whole and not masked."""
        first, length = await self._reader.receive_exactly(2)
        assert first & 0xF0 == 0x80
        if length > 125:
            length = int.from_bytes(await self._reader.receive_exactly(2 if length == 126 else 8), "big")
        return first & 0x0F, await self._reader.receive_exactly(length) if length else b""

    async def close_code(self) -> int:
        """The code of the server's close frame; what comes before that is dropped."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        data = bytes(self._reader.buffer)
        try:
            while True:
                data += await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return data


async def connected(url: str, tls: ssl.SSLContext | None = None) -> RawClient:
    """A client of the host and port of a URL."""
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    stream: ByteStream = await anyio.connect_tcp(host, int(port))
    if tls is not None:
        stream = await TLSStream.wrap(stream, hostname=host, ssl_context=tls, standard_compatible=False)
    return RawClient(stream)


async def opened(url: str, path: str = "/", tls: ssl.SSLContext | None = None, **fields: str | None) -> RawClient:
    """A client with a WebSocket."""
    client = await connected(url, tls)
    await client.send(request(path, **fields))
    head = await client.head()
    assert head.startswith("HTTP/1.1 101"), head
    return client


def consent(head: bytes, *fields: str) -> bytes:
    """The answer that grants a request, with further fields."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest()).decode()
    lines = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", *fields]
    return "\r\n".join(("HTTP/1.1 101 Switching Protocols", *lines, "", "")).encode()


Handler = Callable[[BufferedByteReceiveStream, ByteStream], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[str]:
    """A server that does what it is told with each connection; its address."""

    async def serve(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead):
                await handle(BufferedByteReceiveStream(stream), stream)

    async with serving(serve) as port:
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def answering(answer: bytes | Callable[[bytes], bytes], *, stays: bool = False) -> AsyncIterator[str]:
    """A server that answers every request in one way, and closes unless it stays; its address."""

    async def handle(reader: BufferedByteReceiveStream, stream: ByteStream) -> None:
        head = await reader.receive_until(b"\r\n\r\n", 65536)
        said = answer if isinstance(answer, bytes) else answer(head)
        if said:
            await stream.send(said)
        while stays:
            await reader.receive()

    async with listening(handle) as address:
        yield address


@asynccontextmanager
async def forwarding(url: str, field: str) -> AsyncIterator[str]:
    """A proxy in front of a URL, which adds a field to each request; its own URL."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")

    async def handle(reader: BufferedByteReceiveStream, stream: ByteStream) -> None:
        async with await anyio.connect_tcp(host, int(port)) as onwards, anyio.create_task_group() as tasks:
            line = await reader.receive_until(b"\r\n", 65536)
            await onwards.send(line + b"\r\n" + field.encode() + b"\r\n")
            tasks.start_soon(_pump, onwards, stream, tasks.cancel_scope)
            await _pump(reader, onwards, tasks.cancel_scope)

    async with listening(handle) as address:
        yield f"{scheme}://{address}"


async def _pump(source: BufferedByteReceiveStream | ByteStream, target: ByteStream, scope: anyio.CancelScope) -> None:
    """Forwards until the source ends, and then ends the other direction too."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            await target.send(await source.receive())
    scope.cancel()
