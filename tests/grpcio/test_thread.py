"""The asyncio thread behind trio: it ends with its users, and a wait across it ends once, whatever happens."""

from __future__ import annotations

import threading

import anyio
import pytest
import trio

from eventflux_runtime.grpcio.thread import borrow
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.rpc_error import RpcError, Unavailable
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.wire.registry import wire_of
from tests.support.grpc_harness import CHAT, ECHO, HEAD, Note, Notes, connected, linked, listening

LONG_S = 10


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


pytestmark = pytest.mark.usefixtures("anyio_backend")


def bridges() -> list[threading.Thread]:
    """The asyncio threads that run now."""
    return [thread for thread in threading.enumerate() if thread.name == "eventflux-grpc"]


async def test_the_thread_lives_as_long_as_its_users() -> None:
    assert bridges() == []
    async with listening(Notes()) as listener:
        assert len(bridges()) == 1
        async with connected(str(listener.endpoint)) as connection:
            await connection.unary(ECHO, Note("a"), HEAD)
            assert len(bridges()) == 2
        assert len(bridges()) == 1
    assert bridges() == []


async def test_connections_of_one_reactor_share_a_thread() -> None:
    async with listening(Notes()) as listener:
        wire = wire_of(listener.endpoint)
        async with open_reactor() as reactor:
            first = await wire.open(listener.endpoint, ClientConfig(), reactor)
            second = await wire.open(listener.endpoint, ClientConfig(), reactor)
            assert len(bridges()) == 2
            await first.aclose()
            assert await second.unary(ECHO, Note("a"), HEAD) == Note("a")
            await second.aclose()
            assert len(bridges()) == 1


async def test_a_failed_connection_leaves_no_thread() -> None:
    for _ in range(3):
        with pytest.raises(Unavailable):
            async with connected("grpc://127.0.0.1:1"):
                pass
        assert bridges() == []


async def test_leaving_the_reactor_ends_the_thread_even_if_nothing_was_closed() -> None:
    notes = Notes()
    endpoint = parse_endpoint("grpc://127.0.0.1:0")
    wire = wire_of(endpoint)
    with anyio.fail_after(LONG_S):
        async with open_reactor() as server_side:
            listener = await wire.listen(endpoint, ServerConfig(), ServiceDispatcher([notes]), server_side)
            async with open_reactor() as client_side:
                connection = await wire.open(listener.endpoint, ClientConfig(), client_side)
                call = connection.start(CHAT, HEAD)
                await call.send(Note("hang"))
                await notes.hanging.wait()
            assert len(bridges()) == 1
            with pytest.raises(RpcError):
                await connection.unary(ECHO, Note("a"), HEAD)
            await connection.aclose()
            await notes.cancelled.wait()
    assert bridges() == []


async def test_a_wait_that_outlives_the_thread_is_ended() -> None:
    notes = Notes()
    failures: list[BaseException] = []

    async def hang() -> None:
        try:
            await connection.unary(ECHO, Note("hang"), HEAD)
        except Unavailable as error:
            failures.append(error)

    async with listening(notes) as listener, trio.open_nursery() as outside:
        wire = wire_of(listener.endpoint)
        async with open_reactor() as reactor:
            connection = await wire.open(listener.endpoint, ClientConfig(), reactor)
            outside.start_soon(hang)
            await notes.hanging.wait()
        with anyio.fail_after(LONG_S):
            while not failures:
                await trio.lowlevel.checkpoint()


async def test_the_clocks_are_translated() -> None:
    async with open_reactor() as reactor:
        thread = await borrow(reactor)
        try:
            now = trio.current_time()
            assert abs(thread.outer_time(thread.inner_time(now)) - now) < 0.1
        finally:
            await thread.give_back()


async def test_handlers_and_callers_run_in_trio() -> None:
    seen: list[str] = []

    class Asking(Notes):
        async def echo(self, request: Note, context: object) -> Note:
            seen.append(type(trio.lowlevel.current_task()).__name__)
            with trio.move_on_after(0.01):
                await trio.sleep_forever()
            return request

    async with linked(Asking()) as connection:
        assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")
    assert seen == ["Task"]


async def test_an_error_of_a_job_is_raised_to_who_waits() -> None:
    async def fail() -> None:
        raise ValueError("theirs")

    async with open_reactor() as reactor:
        thread = await borrow(reactor)
        try:
            with pytest.raises(ValueError, match="theirs"):
                await thread.run(fail)
        finally:
            await thread.give_back()
        with pytest.raises(Unavailable):
            await thread.run(fail)


async def test_whoever_gives_it_back_last_returns_when_it_has_ended() -> None:
    async with open_reactor() as reactor:
        for _ in range(30):
            thread = await borrow(reactor)
            await thread.give_back()
            assert bridges() == []
