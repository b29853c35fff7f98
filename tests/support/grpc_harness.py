"""A service and a client straight on the gRPC transport: no pool above it, no generated code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec
from google.protobuf import wrappers_pb2
from google.protobuf.message import DecodeError
from librt.strings import BytesWriter

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import CallHead, ClientCall, ClientConnection, ConnectionState, Listener
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec, Method, MethodKind
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.server.service import Service
from eventflux_runtime.wire.registry import wire_of

UNENCODABLE = "cannot be encoded"
UNDECODABLE = "cannot be decoded"


class Note(msgspec.Struct, frozen=True):
    """A message with one text; on the wire a ``google.protobuf.StringValue``."""

    text: str


def _encode_protobuf(note: Note, writer: BytesWriter) -> None:
    if note.text == UNENCODABLE:
        raise CodecError("the text cannot be encoded", field="Note.text")
    writer.write(wrappers_pb2.StringValue(value=note.text).SerializeToString())


def _decode_protobuf(data: bytes, start: int, end: int) -> Note:
    try:
        text = wrappers_pb2.StringValue.FromString(data[start:end]).value
    except DecodeError as error:
        raise CodecError(str(error), offset=0) from None
    if text == UNDECODABLE:
        raise CodecError("the text cannot be decoded", field="Note.text", offset=0)
    return Note(text)


def _no_native_layout(*_: Any) -> Any:
    raise AssertionError("gRPC carries protobuf")


NOTE = MessageCodec(
    type_name="google.protobuf.StringValue",
    encode=_no_native_layout,
    decode=_no_native_layout,
    encode_protobuf=_encode_protobuf,
    decode_protobuf=_decode_protobuf,
)


def _method(name: str, kind: MethodKind) -> Method[Note, Note]:
    return Method(service="test.Notes", name=name, kind=kind, request=NOTE, response=NOTE, fingerprint=0)


ECHO = _method("Echo", MethodKind.UNARY)
COUNT = _method("Count", MethodKind.SERVER_STREAMING)
JOIN = _method("Join", MethodKind.CLIENT_STREAMING)
CHAT = _method("Chat", MethodKind.BIDI)
ABSENT = _method("Absent", MethodKind.UNARY)

HEAD = CallHead()


@dataclass
class Notes(Service):
    """Handlers whose texts are commands: see each."""

    failure: RpcError | Exception | None = None
    trailers: dict[str, str | bytes] = field(default_factory=dict)
    initial: dict[str, str | bytes] = field(default_factory=dict)
    contexts: list[Context] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    started: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    hanging: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)

    def _bindings(self) -> Sequence[AnyBinding]:
        return (
            Binding.unary(ECHO, self.echo),
            Binding.server_streaming(COUNT, self.count),
            Binding.client_streaming(JOIN, self.join),
            Binding.bidi(CHAT, self.chat),
        )

    async def _enter(self, context: Context) -> None:
        self.contexts.append(context)
        self.started.set()
        if self.initial:
            await context.send_initial_metadata(self.initial)
        if self.trailers:
            context.set_trailers(self.trailers)

    async def _obey(self, text: str) -> None:
        """``fail``: raises; ``hang``: waits until released or cancelled."""
        self.received.append(text)
        if text == "fail":
            assert self.failure is not None
            raise self.failure
        if text == "hang":
            self.hanging.set()
            try:
                await self.release.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled.set()
                raise

    async def echo(self, request: Note, context: Context) -> Note:
        """Answers with the request."""
        await self._enter(context)
        await self._obey(request.text)
        return request

    async def count(self, request: Note, context: Context) -> AsyncIterator[Note]:
        """Answers with one note for each word, obeying each."""
        await self._enter(context)
        for word in request.text.split():
            await self._obey(word)
            yield Note(word)

    async def join(self, requests: AsyncIterator[Note], context: Context) -> Note:
        """Answers with all texts joined, obeying each."""
        await self._enter(context)
        texts = []
        async for request in requests:
            await self._obey(request.text)
            texts.append(request.text)
        return Note(" ".join(texts))

    async def chat(self, requests: AsyncIterator[Note], context: Context) -> AsyncIterator[Note]:
        """Answers each request with itself, obeying each; ``bye`` ends the call from this side."""
        await self._enter(context)
        try:
            async for request in requests:
                if request.text == "bye":
                    return
                await self._obey(request.text)
                yield request
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise


@asynccontextmanager
async def listening(
    notes: Service, url: str = "grpcio://127.0.0.1:0", config: ServerConfig | None = None
) -> AsyncIterator[Listener]:
    """A server of one service."""
    endpoint = parse_endpoint(url)
    async with open_reactor() as reactor:
        listener = await wire_of(endpoint).listen(
            endpoint, config or ServerConfig(), ServiceDispatcher([notes]), reactor
        )
        try:
            yield listener
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()


@asynccontextmanager
async def connected(url: str, config: ClientConfig | None = None) -> AsyncIterator[ClientConnection]:
    """One connection."""
    endpoint = parse_endpoint(url)
    async with open_reactor() as reactor:
        connection = await wire_of(endpoint).open(endpoint, config or ClientConfig(), reactor)
        try:
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.aclose()


@asynccontextmanager
async def linked(notes: Service) -> AsyncIterator[ClientConnection]:
    """A connection to a server of one service, both with their defaults."""
    async with listening(notes) as listener, connected(str(listener.endpoint)) as connection:
        yield connection


async def closed(connection: ClientConnection) -> None:
    """Returns when a connection has closed by itself."""
    with anyio.fail_after(10):
        while connection.state is not ConnectionState.CLOSED:
            await anyio.lowlevel.checkpoint()


async def drained(call: ClientCall[Note, Note]) -> list[str]:
    """Every text that a call still brings."""
    texts = []
    try:
        while True:
            texts.append((await call.receive()).text)
    except anyio.EndOfStream:
        return texts


def remaining_head(timeout_s: float) -> CallHead:
    """A head whose deadline is so many seconds from now."""
    return CallHead(deadline=anyio.current_time() + timeout_s)


__all__ = [
    "ABSENT",
    "CHAT",
    "COUNT",
    "ECHO",
    "HEAD",
    "JOIN",
    "UNDECODABLE",
    "UNENCODABLE",
    "AnyMethod",
    "Note",
    "Notes",
    "Reactor",
    "closed",
    "connected",
    "drained",
    "linked",
    "listening",
    "remaining_head",
]
