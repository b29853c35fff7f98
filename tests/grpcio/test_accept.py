"""How a server gets its calls: by a task for each method, or grpcio's own way; both serve the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from grpc import aio
from grpc._cython import cygrpc
from grpc.aio import _server as grpc_server

from eventflux_runtime.grpcio import accept
from eventflux_runtime.protocol.api import ClientConnection
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rpc_error import RpcError, Unavailable
from eventflux_runtime.rpc.status import StatusCode
from tests.support.grpc_harness import (
    ABSENT,
    CHAT,
    COUNT,
    ECHO,
    HEAD,
    JOIN,
    Note,
    Notes,
    connected,
    drained,
    linked,
    listening,
)

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 10


@pytest.fixture(params=["own", "grpcio's"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that calls take into the server."""
    name = str(request.param)
    if name != "own":
        monkeypatch.setattr(accept, "_IS_FORM_KNOWN", False)
    return name


async def _exchange(connection: ClientConnection, method: AnyMethod, *texts: str) -> list[str]:
    """The answers to a stream, or to one request."""
    call = connection.start(method, HEAD)
    for text in texts:
        await call.send(Note(text))
    await call.end()
    return await drained(call)


async def test_the_way_is_the_one_wanted(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain: list[Any] = []

    def server(**options: Any) -> aio.Server:
        plain.append(aio.server(**options))
        return plain[-1]  # type: ignore[no-any-return] # what was appended

    monkeypatch.setattr(accept, "aio", SimpleNamespace(server=server))
    async with linked(Notes()) as connection:
        await connection.unary(ECHO, Note("a"), HEAD)
    assert len(plain) == (0 if way == "own" else 1)


@pytest.mark.usefixtures("way")
async def test_methods_of_every_kind_are_served_again_and_again() -> None:
    async with linked(Notes()) as connection:
        with anyio.fail_after(LONG_S):
            for _ in range(3):
                assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")
                assert await _exchange(connection, COUNT, "one two") == ["one", "two"]
                assert await _exchange(connection, JOIN, "one", "two") == ["one two"]
                assert await _exchange(connection, CHAT, "one", "two") == ["one", "two"]
                with pytest.raises(RpcError) as caught:
                    await connection.unary(ABSENT, Note("a"), HEAD)
                assert caught.value.code is StatusCode.UNIMPLEMENTED


@pytest.mark.usefixtures("way")
async def test_calls_that_hang_hold_up_no_other() -> None:
    notes = Notes()
    async with linked(notes) as connection, anyio.create_task_group() as tasks:
        with anyio.fail_after(LONG_S):
            for _ in range(50):
                tasks.start_soon(connection.unary, ECHO, Note("hang"), HEAD)
            while len(notes.received) < 50:
                await anyio.lowlevel.checkpoint()
            assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")
            assert await _exchange(connection, COUNT, "one") == ["one"]
            notes.release.set()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # whose tasks can be listed
async def test_no_task_is_left_when_a_server_has_closed() -> None:
    before = asyncio.all_tasks()
    async with linked(Notes()) as connection:
        await connection.unary(ECHO, Note("a"), HEAD)
        assert {f"accept {method.path}" for method in (ECHO, COUNT, JOIN, CHAT)} <= _names(asyncio.all_tasks())
    assert _names(asyncio.all_tasks() - before) == set()


def _names(tasks: set[asyncio.Task[Any]]) -> set[str]:
    return {task.get_name() for task in tasks}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # whose complaints can be had
async def test_a_failure_to_accept_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = accept._Server._request_registered_call
    failing = False

    async def request(self: object, method: bytes) -> object:
        if failing:
            raise RuntimeError("core is ill")
        return await served(self, method)

    monkeypatch.setattr(accept._Server, "_request_registered_call", request)
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(repr(told.get("exception"))))
    async with listening(Notes()) as listener, connected(str(listener.endpoint)) as connection:
        failing = True
        with caplog.at_level(logging.ERROR), anyio.fail_after(LONG_S), pytest.raises(Unavailable):
            while True:
                await connection.unary(ECHO, Note("a"), HEAD)
    assert "core is ill" in caplog.text
    assert complaints == ["RuntimeError('core is ill')"]


class _OtherParameters(cygrpc.AioServer):  # type: ignore[misc] # a class of Cython's, which has no types
    def _make_request_call_future(self) -> None:
        """Of another form."""


class _OtherLoop(cygrpc.AioServer):  # type: ignore[misc] # a class of Cython's, which has no types
    def _server_main_loop(self, started: object) -> None:
        """Of another form."""


class _Nothing:
    pass


@pytest.mark.parametrize("server", [_OtherParameters, _OtherLoop, _Nothing])
def test_a_server_of_another_form_is_left_alone(server: type, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {name: getattr(cygrpc, name) for name in ("_handle_rpc", "_schedule_rpc_coro", "_MethodResolver")}
    monkeypatch.setattr(accept, "_cygrpc", SimpleNamespace(AioServer=cygrpc.AioServer, **parts))
    assert accept._is_form_known()
    monkeypatch.setattr(accept, "_cygrpc", SimpleNamespace(AioServer=server, **parts))
    assert not accept._is_form_known()


def test_a_shell_of_another_form_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def augment(options: Sequence[Any]) -> None:
        """Of another form."""

    monkeypatch.setattr(grpc_server, "_augment_channel_arguments", augment)
    assert not accept._is_form_known()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # where grpcio's side lives
async def test_what_grpcio_waits_for_no_more_still_takes_the_call_that_has_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_come, served = asyncio.Event(), asyncio.Event()

    async def take(self: object, method: bytes) -> None:
        await has_come.wait()
        served.set()

    monkeypatch.setattr(accept._Server, "_accept", take)
    server = cast("Any", accept.make_server([], [ECHO.path], [], None))
    waiting = server._server._make_request_call_future(ECHO.path.encode())
    await asyncio.sleep(0)  # it has begun
    waiting.cancel()  # as at the beginning of a stop
    has_come.set()
    with anyio.fail_after(LONG_S):
        await served.wait()
    assert waiting.cancelled()
