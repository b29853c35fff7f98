"""Unary calls by grpcio's Cython layer and by its public API: both do the same, on every event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from types import SimpleNamespace

import anyio
import grpc
import pytest

from eventflux_runtime.grpcio import accept, handler, unary
from eventflux_runtime.protocol.api import CallHead, ClientConnection, ResponseInfo
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import MethodKind
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, Internal, NotFound, RpcError, Unavailable
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.server.service import Service
from tests.support.grpc_harness import ABSENT, ECHO, HEAD, Note, Notes, connected, linked, remaining_head
from tests.support.http2_peer import Peer, misbehaving

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 10


@pytest.fixture(params=["direct", "public"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that calls take, through the client and through the server."""
    name = str(request.param)
    if name == "public":
        monkeypatch.setattr(unary, "_IS_FORM_KNOWN", False)
        monkeypatch.setattr(accept, "_IS_FORM_KNOWN", False)
        monkeypatch.setitem(handler._KINDS, MethodKind.UNARY, handler._UnaryHandler)
    return name


async def test_the_way_is_the_one_wanted(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    public: list[unary.PublicUnary] = []

    class Noted(unary.PublicUnary):
        def __init__(self, multi_callable: object, compression: grpc.Compression | None) -> None:
            super().__init__(multi_callable, compression)
            public.append(self)

    monkeypatch.setattr(unary, "PublicUnary", Noted)
    async with linked(Notes()) as connection:
        for _ in range(2):
            await connection.unary(ECHO, Note("a"), HEAD)
            assert len(public) == (0 if way == "direct" else 1)
        for _ in range(2):
            await connection.unary(ECHO, Note("a"), CallHead(compression=Compression.GZIP))
            assert len(public) == (1 if way == "direct" else 2)


def test_another_form_of_grpcio_is_not_called_directly(way: str) -> None:
    assert not unary.has_known_form(object())
    multi_callable = SimpleNamespace(_channel=None, _method=b"/a/b", _registered_call_handle=0)
    assert unary.has_known_form(multi_callable) == (way == "direct")


def test_a_server_takes_the_way_that_its_grpcio_understands(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "direct":
        assert handler._KINDS[MethodKind.UNARY] is handler._unary_kind() is handler._QuickUnaryHandler
    monkeypatch.setattr(handler, "cygrpc", SimpleNamespace(_is_async_handler=inspect.iscoroutinefunction))
    assert handler._unary_kind() is handler._UnaryHandler
    monkeypatch.setattr(handler, "cygrpc", SimpleNamespace())
    assert handler._unary_kind() is handler._UnaryHandler


async def test_replies_metadata_and_trailers_come_back() -> None:
    notes = Notes(initial={"node": "n1"}, trailers={"cost-bin": b"\x01"})
    sent = Metadata([("trace-id", "42"), ("trace-id", "43"), ("payload-bin", b"\x00\xff")])
    async with linked(notes) as connection:
        for _ in range(2):
            info = ResponseInfo()
            assert await connection.unary(ECHO, Note("héllo"), CallHead(metadata=sent, response=info)) == Note("héllo")
            assert info.initial_metadata == Metadata([("node", "n1")])
            assert info.trailers == Metadata([("cost-bin", b"\x01")])
        assert connection.active_calls == 0
    assert [context.metadata for context in notes.contexts] == [sent, sent]


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD], ids=lambda compression: compression.name)
async def test_compressed_messages_come_back(compression: Compression) -> None:
    async with linked(Notes()) as connection:
        for _ in range(2):
            note = Note("a" * 10_000)
            assert await connection.unary(ECHO, note, CallHead(compression=compression)) == note


async def test_failures_arrive_whole() -> None:
    failure = NotFound("no such nöte", metadata={"hint": "elsewhere"})
    async with linked(Notes(failure=failure, initial={"node": "n1"})) as connection:
        info = ResponseInfo()
        with pytest.raises(NotFound, match="no such nöte") as caught:
            await connection.unary(ECHO, Note("fail"), CallHead(response=info))
        assert caught.value.metadata == failure.metadata
        assert info.initial_metadata == Metadata([("node", "n1")])
        assert info.trailers == failure.metadata
        with pytest.raises(RpcError) as caught_unknown:
            await connection.unary(ABSENT, Note("a"), HEAD)
        assert caught_unknown.value.code is StatusCode.UNIMPLEMENTED


async def test_a_deadline_ends_the_call_on_both_sides() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        with pytest.raises(DeadlineExceeded, match="raise timeout_s"), anyio.fail_after(LONG_S):
            await connection.unary(ECHO, Note("hang"), remaining_head(0.2))
        with anyio.fail_after(LONG_S):
            await notes.cancelled.wait()
        assert connection.active_calls == 0


async def test_cancelling_the_task_cancels_the_handler() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.unary, ECHO, Note("hang"), HEAD)
            await notes.hanging.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(LONG_S):
            await notes.cancelled.wait()
        assert connection.active_calls == 0
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await connection.unary(ECHO, Note("hang"), HEAD)
        assert await connection.unary(ECHO, Note("next"), HEAD) == Note("next")


class GivenUp:
    """A call of grpcio's that never ends, as Cython shows it, and whose wait is given up."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    async def unary_unary(self, *_: object) -> bytes:
        """Waits."""
        raise asyncio.CancelledError

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self.cancelled)

    def cancel(self, details: str) -> None:
        """Ends it."""
        self.cancelled.append(details)


async def test_a_wait_that_is_given_up_cancels_the_call_even_if_somebody_holds_it() -> None:
    call, active = GivenUp(), set[object]()
    channel = SimpleNamespace(call=lambda *_: call)
    start = unary.DirectUnary(SimpleNamespace(_channel=channel, _method=b"/a/b", _registered_call_handle=0), active)
    with pytest.raises(asyncio.CancelledError):
        await start(b"", None, (), None)
    assert call.cancelled == ["cancelled by this client"]
    assert not active


async def test_closing_the_connection_ends_calls_in_flight() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        with anyio.fail_after(LONG_S):
            async with anyio.create_task_group() as tasks:
                with pytest.raises(Unavailable, match="closed by this client"):
                    tasks.start_soon(close_when_hanging, notes, connection)
                    await connection.unary(ECHO, Note("hang"), HEAD)
            await notes.cancelled.wait()
        assert connection.active_calls == 0


async def close_when_hanging(notes: Notes, connection: ClientConnection) -> None:
    """Closes a connection under a call."""
    await notes.hanging.wait()
    await connection.aclose()


async def test_a_lost_connection_fails_its_calls() -> None:
    async def break_off(peer: Peer, _: int) -> None:
        await peer.stream.aclose()

    async with misbehaving(break_off) as url, connected(url) as connection:
        with pytest.raises(Unavailable, match="the call was lost"), anyio.fail_after(LONG_S):
            await connection.unary(ECHO, Note("a"), HEAD)


class Mute(Service):
    """Serves a unary method as a streaming one, which may end without a response."""

    def _bindings(self) -> Sequence[AnyBinding]:
        return (Binding.server_streaming(replace(ECHO, kind=MethodKind.SERVER_STREAMING), self.echo),)

    async def echo(self, request: Note, context: Context) -> AsyncIterator[Note]:
        """Ends."""
        notes: list[Note] = []
        for note in notes:
            yield note


async def test_an_end_without_a_response_is_an_error() -> None:
    async with linked(Mute()) as connection:
        with pytest.raises(Internal, match="sent no response"), anyio.fail_after(LONG_S):
            await connection.unary(ECHO, Note("a"), HEAD)
