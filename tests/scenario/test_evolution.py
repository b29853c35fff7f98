"""Old and new peers: what arrives is what protobuf makes of the same bytes, or the call is refused, on every wire."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    CodecError,
    RpcError,
    ServerConfig,
    StatusCode,
)
from eventflux_runtime.codegen_api import Method, MethodKind
from tests.support.evolution import CHANGES, KINDS, Version, make_versions
from tests.support.wires import WIRES, address, connect, serve

CONFIG: Final = ServerConfig(drain_grace_s=0, reflection=False)
REFUSALS: Final = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.INTERNAL})
"""How a call ends with a message that cannot be read: a server says that it is wrong, a client that its server is."""
TIMEOUT_S: Final = 20.0
TEXT_TO_MESSAGE: Final = frozenset({"BytesToMessage", "StringToMessage"})
"""Changes where protobuf takes the letters of a text for names of fields that it does not know, and we refuse it."""


@dataclass
class Peer:
    """A server of every service of a version: keeps what it gets, and answers what it is told."""

    version: Version
    received: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def services(self) -> list[Any]:
        bases = [
            getattr(self.version.package, name) for name in self.version.package.__all__ if name.endswith("Service")
        ]
        return [type(f"Own{base.__name__}", (base,), self._handlers(base))() for base in bases]

    def _handlers(self, base: Any) -> dict[str, Any]:
        async def unary(_: Any, request: Any, context: Any) -> Any:
            self.received.append(request)
            return self.answers[0]

        async def up(_: Any, requests: AsyncIterator[Any], context: Any) -> Any:
            async for request in requests:
                self.received.append(request)
            return self.answers[0]

        async def down(_: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            self.received.append(request)
            for answer in self.answers:
                yield answer

        async def both(_: Any, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async for request in requests:
                self.received.append(request)
            for answer in self.answers:
                yield answer

        forms = {"unary": unary, "up": up, "down": down, "both": both}
        return {name: forms.get(self._kind_of(name), unary) for name in base.__abstractmethods__}

    def _kind_of(self, handler: str) -> str:
        if handler.startswith("turned_"):
            _, old, _, new = handler.split("_")
            return new if self.version.is_new else old
        return handler.rpartition("_")[2]


def methods_of(version: Version) -> Mapping[str, Method[Any, Any]]:
    """The methods that a version knows, by name."""
    methods = importlib.import_module(f"{version.package.__name__}.methods")
    return {found.name: found for found in vars(methods).values() if isinstance(found, Method)}


async def call(channel: Channel, method: Method[Any, Any], requests: Sequence[Any]) -> list[Any]:
    """What a server answers to requests."""
    match method.kind:
        case MethodKind.UNARY:
            return [await channel.unary(method, requests[0], timeout_s=TIMEOUT_S)]
        case MethodKind.SERVER_STREAMING:
            async with channel.server_streaming(method, requests[0], timeout_s=TIMEOUT_S) as down:
                return [message async for message in down]
        case MethodKind.CLIENT_STREAMING:
            async with channel.client_streaming(method, timeout_s=TIMEOUT_S) as up:
                for request in requests:
                    await up.send(request)
                return [await up.finish()]
        case _:
            async with channel.bidi(method, timeout_s=TIMEOUT_S) as both:
                for request in requests:
                    await both.send(request)
                await both.end()
                return [message async for message in both]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Version, Version]]:
    folder = tmp_path_factory.mktemp("evolution")
    yield make_versions(folder)
    sys.path.remove(str(folder))


@dataclass(frozen=True, slots=True)
class Trial:
    """One change between a client and a server of different versions."""

    channel: Channel
    peer: Peer
    client: Version
    change: str

    async def findings(self) -> list[str]:
        """What is wrong, over all kinds of calls."""
        found = []
        there, refused_there = self._values(self.client, self.peer.version)
        back, refused_back = self._values(self.peer.version, self.client)
        for kind in KINDS:
            takes_one, gives_one = kind in ("Unary", "Down"), kind in ("Unary", "Up")
            for sent in [[value] for value in there] if takes_one else [there]:
                for answered in [[value] for value in back] if gives_one else [back]:
                    found.append(await self._compared(kind, sent, answered))
            found += [await self._refused(kind, [value], back[:1]) for value in refused_there]
            found += [await self._refused(kind, there[:1], [value]) for value in refused_back]
        return [f"{self.change}: {text}" for text in found if text]

    def _values(self, writer: Version, reader: Version) -> tuple[list[bytes], list[bytes]]:
        """The values that protobuf's reader takes, and those that it refuses."""
        values = writer.values(self.change)
        refused = [value for value in values if reader.read(self.change, value) is None]
        return [value for value in values if value not in refused], refused

    async def _compared(self, kind: str, sent: list[bytes], answered: list[bytes]) -> str:
        try:
            replies = await self._call(kind, sent, answered)
        except RpcError as error:
            return f"{kind}: {error!r}"
        ways = (
            ("request", self.peer.version, sent, self.peer.received),
            ("response", self.client, answered, replies),
        )
        for what, reader, written, read in ways:
            expected = [reader.read(self.change, value) for value in written]
            found = [reader.read(self.change, message.to_protobuf()) for message in read]  # maps in protobuf's order
            if found != expected:
                return f"{kind}: the {what} {written} arrived as {found}, not as {expected}"
        return ""

    async def _refused(self, kind: str, sent: list[bytes], answered: list[bytes]) -> str:
        try:
            replies = await self._call(kind, sent, answered)
        except RpcError as error:
            told = self.client.message(self.change).__name__ in error.message or "UTF-8" in error.message
            return "" if error.code in REFUSALS and told else f"{kind}: {sent} and {answered} end with {error!r}"
        return f"{kind}: {sent} was taken and {answered} came as {replies}"

    async def _call(self, kind: str, sent: list[bytes], answered: list[bytes]) -> list[Any]:
        own = self.peer.version.message(self.change)
        self.peer.received.clear()
        self.peer.answers = [own.from_protobuf(value) for value in answered]
        requests = [self.client.message(self.change).from_protobuf(value) for value in sent]
        return await call(self.channel, methods_of(self.client)[f"{self.change}{kind}"], requests)


@asynccontextmanager
async def linked(wire: str, tmp_path: Path, peer: Peer) -> AsyncIterator[Channel]:
    """A channel to a peer."""
    async with (
        serve(peer.services(), address(wire, tmp_path), config=CONFIG) as server,
        connect(server.endpoints[0]) as channel,
    ):
        yield channel


def read_json(reader: Version, change: str, text: str, *, ignore_unknown: bool) -> bytes | None:
    """What is left of a value in JSON when the generated class reads it; None: it refuses it."""
    kind = reader.message(change)
    try:
        message = kind.from_json(text, ignore_unknown_fields=ignore_unknown)
    except CodecError as error:
        if not str(error).startswith(kind.__name__):
            raise
        return None
    return reader.read(change, message.to_protobuf())  # maps in protobuf's order


Pair = tuple[Version, Version]
on_each_wire = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(params=["old client", "new client"])
def pair(request: pytest.FixtureRequest, versions: Pair) -> Pair:
    """The versions of a client and of its server."""
    return versions if request.param == "old client" else versions[::-1]


@pytest.mark.slow
@on_each_wire
async def test_what_arrives_is_what_protobuf_reads(wire: str, pair: Pair, tmp_path: Path) -> None:
    client, server = pair
    peer = Peer(server)
    async with linked(wire, tmp_path, peer) as channel:
        findings = [text for change in CHANGES for text in await Trial(channel, peer, client, change).findings()]
    assert findings == []


@pytest.mark.parametrize("ignore_unknown", [False, True], ids=["strict", "ignoring"])
@pytest.mark.parametrize("change", CHANGES)
def test_json_is_read_as_protobuf_reads_it(pair: Pair, change: str, ignore_unknown: bool) -> None:
    """What either wrote, of its own values and of those that the other sent it, in JSON."""
    writer, reader = pair
    sent = [data for version in pair for data in version.values(change) if writer.read(change, data) is not None]
    for data in sent:
        text = writer.message(change).from_protobuf(data).to_json()
        assert json.loads(text) == json.loads(writer.json(change, data))
        for version in (writer, reader):
            if ignore_unknown and version.is_new and change in TEXT_TO_MESSAGE:
                continue
            expected = version.read_json(change, text, ignore_unknown=ignore_unknown)
            assert read_json(version, change, text, ignore_unknown=ignore_unknown) == expected, text


def test_json_says_what_it_does_not_know(versions: Pair) -> None:
    old, new = versions
    text = new.message("FieldAdded")(a=1, b="x").to_json()
    with pytest.raises(CodecError, match="^FieldAdded: has no field 'b'; its fields are: a$"):
        old.message("FieldAdded").from_json(text)
    assert old.message("FieldAdded").from_json(text, ignore_unknown_fields=True) == old.message("FieldAdded")(a=1)


@on_each_wire
async def test_what_a_server_does_not_have_is_refused(wire: str, pair: Pair, tmp_path: Path) -> None:
    client, server = pair
    peer = Peer(server, answers=[server.package.Point(x=2)])
    methods, point = methods_of(client), client.package.Point(x=1)
    async with linked(wire, tmp_path, peer) as channel:
        assert await call(channel, methods["Kept"], [point]) == [client.package.Point(x=2)]
        for name in ("IsCalled" if client.is_new else "WasCalled", "Get"):
            with pytest.raises(RpcError) as caught:
                await call(channel, methods[name], [point])
            assert caught.value.code is StatusCode.UNIMPLEMENTED
            if wire != "grpcio":  # whose server has a text of its own for it
                assert methods[name].path in caught.value.message


@on_each_wire
async def test_another_kind_of_call_carries_what_both_kinds_can_or_is_refused(
    wire: str, pair: Pair, tmp_path: Path
) -> None:
    """One message each way is a call of any kind. A server that takes one request reads the first of several."""
    client, server = pair
    peer = Peer(server)
    names = [name for name in methods_of(client) if name.startswith("Turned")]
    async with linked(wire, tmp_path, peer) as channel:
        told = {
            f"{name}, {count}": await turned(channel, peer, client, name, count)
            for name in names
            for count in ((1,) if wire == "grpcio" else (0, 1, 2))  # else its client, or its server, waits for ever
        }
    assert len(names) == 16
    assert {name: text for name, text in told.items() if text} == {}


async def turned(channel: Channel, peer: Peer, client: Version, name: str, count: int) -> str:
    """What is wrong with a call whose server takes it for one of another kind; each side sends as much as it may."""
    method, other = methods_of(client)[name], methods_of(peer.version)[name].kind
    own, answer = method.kind, peer.version.package.Point
    requests = [client.package.Point(x=number) for number in range(1, 1 + (count if own.streams_requests else 1))]
    peer.received.clear()
    peer.answers = [answer(x=number) for number in range(7, 7 + (count if other.streams_responses else 1))]
    is_refused = (not requests and not other.streams_requests) or (len(peer.answers) != 1 and not own.streams_responses)
    try:
        with anyio.fail_after(TIMEOUT_S):
            replies = await call(channel, method, requests)
    except RpcError as error:
        is_told = error.code in {*REFUSALS, StatusCode.UNIMPLEMENTED}
        return "" if is_refused and is_told else f"{error!r}"
    except TimeoutError:
        return "does not end"
    taken = requests if other.streams_requests else requests[:1]
    if is_refused or [reply.x for reply in replies] != [reply.x for reply in peer.answers]:
        return f"{replies} for {peer.answers}"
    return "" if [one.x for one in peer.received] == [one.x for one in taken] else f"{peer.received} for {requests}"
