"""One table of what a call does, run over every wire and every event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import (
    Cancelled,
    CodecError,
    ConfigError,
    DeadlineExceeded,
    Metadata,
    NotFound,
    ResourceExhausted,
    ResponseInfo,
    RpcError,
    StatusCode,
    Unknown,
)
from eventflux_transport import EventRequest, HeartbeatRequest, Message, MessageType
from tests.support.probe import DETAIL
from tests.support.wires import SHORT_S, WIRES, Link, linked

Scenario = Callable[[Link], Awaitable[None]]
SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


@pytest.mark.full_matrix
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
async def test_scenario(run: Scenario, wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with linked(wire, tmp_path) as link:
            await run(link)


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"debug": True})], ids=["debug"])
@pytest.mark.parametrize("wire", ["tcp", pytest.param("grpc", marks=pytest.mark.long)])
@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
@pytest.mark.usefixtures("anyio_backend")
async def test_scenario_in_asyncio_s_debug_mode(run: Scenario, wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with linked(wire, tmp_path) as link:
            await run(link)


@contextmanager
def _task_factory(factory: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        _try_out(loop)
        yield
    finally:
        loop.set_task_factory(None)  # what closes the loop does not expect one


def _try_out(loop: asyncio.AbstractEventLoop) -> None:
    coroutine = anyio.lowlevel.checkpoint()
    try:
        loop.create_task(coroutine).cancel()
    except TypeError as error:
        coroutine.close()
        pytest.skip(f"this loop and this task factory do not fit each other: {error}")


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks start eagerly from Python 3.12 on")
@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
@pytest.mark.usefixtures("anyio_backend")
async def test_scenario_with_tasks_that_start_eagerly(run: Scenario, wire: str, tmp_path: Path) -> None:
    with _task_factory(getattr(asyncio, "eager_task_factory")), anyio.fail_after(20):  # noqa: B009 - not in 3.11's types
        async with linked(wire, tmp_path) as link:
            await run(link)


def _factory_without_contexts(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """A task factory as it was written for Python 3.10."""
    options.pop("context", None)
    return asyncio.Task(coroutine, loop=loop, **options)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("factory", ["eager_task_factory", "_factory_without_contexts"])
@pytest.mark.usefixtures("anyio_backend")
async def test_a_hundred_calls_at_once_whatever_the_task_factory(factory: str, wire: str, tmp_path: Path) -> None:
    made = globals().get(factory) or getattr(asyncio, factory, None)
    if made is None:
        pytest.skip("this factory comes with Python 3.12")
    with _task_factory(made), anyio.fail_after(20):
        async with linked(wire, tmp_path) as link, anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(link.client.send_message, message("linger"))
            await link.service.started.wait()
            await anyio.wait_all_tasks_blocked()
            link.service.release.set()


def message(do: str, **headers: str) -> Message:
    return Message(id="m", headers={"do": do, **headers})


# -- unary


@scenario
async def unary_echo(link: Link) -> None:
    request = Message.event(b"\x00data").with_header("source", "node-1")
    request.timestamp, request.priority, request.target_node = 1700000000000, -7, "é𝄞"
    assert await link.client.send_message(request, timeout_s=5.0) == request
    assert link.service.seen == [request]


@scenario
async def unary_of_other_types(link: Link) -> None:
    reply = await link.client.heartbeat(HeartbeatRequest(node_id="n", timestamp=-(2**63)))
    assert reply.server_timestamp == -(2**63)
    assert reply.server_status is None
    assert reply.server_node_id.partition(":")[0] == link.url.partition(":")[0]


@scenario
async def unary_open_enum(link: Link) -> None:
    reply = await link.client.send_message(Message(message_type=MessageType(77)))
    assert int(reply.message_type) == 77


@scenario
async def unary_many_at_once(link: Link) -> None:
    replies: dict[str, Message] = {}

    async def call(name: str) -> None:
        replies[name] = await link.client.send_message(Message(id=name))

    async with anyio.create_task_group() as tasks:
        for index in range(200):
            tasks.start_soon(call, str(index))
    assert {name: reply.id for name, reply in replies.items()} == {str(i): str(i) for i in range(200)}


@scenario
async def unary_large_both_ways(link: Link) -> None:
    payload = bytes(range(256)) * 12_000  # larger than a stream's window, so that credit has to come back
    assert (await link.client.send_message(Message(payload=payload))).payload == payload


@scenario
async def unary_metadata_and_trailers(link: Link) -> None:
    info = ResponseInfo()
    sent: list[tuple[str, str | bytes]] = [("x-one", "1"), ("x-one", "2"), ("x-raw-bin", b"\x00\xfe\xff")]
    await link.client.send_message(message("metadata"), metadata=sent, response=info)
    assert [pair for pair in info.trailers if pair[0].startswith("x-")] == sent
    seen = info.initial_metadata["seen"]
    assert int(seen) >= 3


@scenario
async def unary_status_with_details(link: Link) -> None:
    with pytest.raises(NotFound) as caught:
        await link.client.send_message(message("fail-with-trailers"))
    error = caught.value
    assert (error.code, error.message, error.details) == (StatusCode.NOT_FOUND, "no such thing", (DETAIL,))
    assert error.metadata["reason"] == "gone"
    assert error.metadata["blob-bin"] == b"\x00\xff"


@scenario
async def unary_every_code(link: Link) -> None:
    for code in StatusCode:
        if code is StatusCode.OK:
            continue
        with pytest.raises(RpcError) as caught:
            await link.client.send_message(message("fail", code=code.name))
        assert caught.value.code is code
        assert type(caught.value).default_code is code
        assert caught.value.details == (DETAIL,)


@scenario
async def unary_handler_crash_hides_its_text(link: Link) -> None:
    with pytest.raises(Unknown) as caught:
        await link.client.send_message(message("crash"))
    assert "ZeroDivisionError" in caught.value.message
    assert "secret" not in caught.value.message


@scenario
async def unary_deadline_reaches_the_handler(link: Link) -> None:
    await link.client.send_message(message("echo"), timeout_s=50.0)
    await link.client.send_message(message("echo"), timeout_s=None)
    first, second = link.service.remaining_s
    assert first is not None
    assert 40.0 < first <= 50.0
    assert second is None


@scenario
async def unary_deadline_stops_the_handler(link: Link) -> None:
    for timeout_s in SHORT_S:
        with pytest.raises(DeadlineExceeded):
            await link.client.send_message(message("linger"), timeout_s=timeout_s)
        if link.service.started.is_set():
            break
    await link.service.cancelled.wait()


@scenario
async def unary_timeout_of_zero(link: Link) -> None:
    with pytest.raises(DeadlineExceeded):
        await link.client.send_message(message("echo"), timeout_s=0)
    assert link.service.seen == []


@scenario
async def unary_negative_timeout(link: Link) -> None:
    with pytest.raises(ConfigError, match="timeout_s must be a number of seconds, 0 or more, or None, not -1"):
        await link.client.send_message(message("echo"), timeout_s=-1)


@scenario
async def unary_cancelled_by_its_caller(link: Link) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.client.send_message, message("linger"))
        await link.service.started.wait()
        tasks.cancel_scope.cancel()
    await link.service.cancelled.wait()
    assert (await link.client.send_message(message("echo"))).id == "m"


@scenario
async def unary_request_that_cannot_be_encoded(link: Link) -> None:
    with pytest.raises(CodecError, match="priority"):
        await link.client.send_message(Message(priority=2**40))
    assert (await link.client.send_message(message("echo"))).id == "m"


@scenario
async def unary_reserved_metadata(link: Link) -> None:
    with pytest.raises(ConfigError, match="reserved"):
        await link.client.send_message(message("echo"), metadata={"grpc-timeout": "1S"})


# -- server streaming


@scenario
async def server_stream_in_order(link: Link) -> None:
    async with link.client.stream_events(EventRequest(batch_size=500)) as events:
        ids = [event.id async for event in events]
        trailers = events.trailers
    assert ids == [str(index) for index in range(500)]
    assert trailers["count"] == "500"


@scenario
async def server_stream_without_entering(link: Link) -> None:
    ids = [event.id async for event in link.client.stream_events(EventRequest(batch_size=3))]
    assert ids == ["0", "1", "2"]


@scenario
async def server_stream_of_nothing(link: Link) -> None:
    async with link.client.stream_events(EventRequest()) as events:
        with pytest.raises(anyio.EndOfStream):
            await events.receive()
        with pytest.raises(anyio.EndOfStream):
            await events.receive()
    assert events.status is not None
    assert events.status.code is StatusCode.OK


@scenario
async def server_stream_left_early_stops_the_handler(link: Link) -> None:
    async with link.client.stream_events(EventRequest(node_id="forever", batch_size=1000)) as events:
        async for event in events:
            if event.id == "3":
                break
    await link.service.cancelled.wait()


@scenario
async def server_stream_slow_reader_blocks_nobody(link: Link) -> None:
    async with link.client.stream_events(EventRequest(node_id="forever", batch_size=10_000)) as events:
        await events.receive()
        for _ in range(50):
            await link.client.send_message(message("echo"), timeout_s=10)
        for expected in range(1, 300):
            assert (await events.receive()).id == str(expected)


@scenario
async def server_stream_error_after_messages(link: Link) -> None:
    async with link.client.stream_events(EventRequest(node_id="fail")) as events:
        assert (await events.receive()).id == "first"
        for _ in range(2):
            with pytest.raises(NotFound) as caught:
                await events.receive()
            assert caught.value.details == (DETAIL,)
        assert events.trailers["reason"] == "gone"


@scenario
async def server_stream_deadline(link: Link) -> None:
    async with link.client.stream_events(EventRequest(node_id="linger"), timeout_s=1.0) as events:
        assert (await events.receive()).id == "first"
        with pytest.raises(DeadlineExceeded):
            await events.receive()
    await link.service.cancelled.wait()


@scenario
async def server_stream_cancelled_while_receiving(link: Link) -> None:
    async with link.client.stream_events(EventRequest(node_id="linger")) as events:
        await events.receive()
        with anyio.move_on_after(0.05) as scope:
            await events.receive()
        assert scope.cancelled_caught
        link.service.release.set()
        with pytest.raises(anyio.EndOfStream):
            await events.receive()


# -- bidirectional streaming


@scenario
async def bidi_ping_pong(link: Link) -> None:
    async with link.client.stream_messages(metadata={"x-a": "b"}) as stream:
        for index in range(100):
            await stream.send(Message(id=str(index)))
            assert (await stream.receive()).id == str(index)
        await stream.end()
        assert (await stream.receive()).id == "end"
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
    assert link.service.contexts[0].metadata["x-a"] == "b"


@scenario
async def bidi_both_at_once(link: Link) -> None:
    received: list[str] = []
    async with link.client.stream_messages() as stream:

        async def read() -> None:
            received.extend([answer.id async for answer in stream])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for index in range(300):
                await stream.send(Message(id=str(index), payload=b"p" * 20_000))
            await stream.end()
    assert received == [*map(str, range(300)), "end"]


@scenario
async def bidi_send_after_end(link: Link) -> None:
    async with link.client.stream_messages() as stream:
        await stream.end()
        await stream.end()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.send(Message())


@scenario
async def bidi_error_while_sending(link: Link) -> None:
    async with link.client.stream_messages() as stream:
        await stream.send(message("fail"))
        with pytest.raises(NotFound):
            await stream.receive()
        with pytest.raises(NotFound):
            await stream.send(Message())


@scenario
async def bidi_server_ends_first(link: Link) -> None:
    async with link.client.stream_messages() as stream:
        await stream.send(message("return"))
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.send(Message())


@scenario
async def bidi_left_early_stops_the_handler(link: Link) -> None:
    async with link.client.stream_messages() as stream:
        await stream.send(Message(id="a"))
        await stream.receive()
    await link.service.cancelled.wait()


@scenario
async def bidi_cancelled_by_its_caller(link: Link) -> None:
    async with link.client.stream_messages() as stream:
        await stream.send(Message(id="a"))
        await stream.receive()
        stream.cancel()
        with pytest.raises(Cancelled):
            await stream.receive()
    await link.service.cancelled.wait()


@scenario
async def bidi_sender_without_reader_is_held_back(link: Link) -> None:
    # The service echoes, nobody reads the echoes: the sender must come to a stop, and go on once they are read.
    sent = 0
    async with link.client.stream_messages() as stream:
        with anyio.move_on_after(1.0) as scope:
            while sent < 5_000:
                await stream.send(Message(id=str(sent), payload=b"q" * 30_000))
                sent += 1
        assert scope.cancelled_caught, "150 MB were taken with no reader"
        for index in range(sent):
            assert (await stream.receive()).id == str(index)


# -- limits


@pytest.mark.parametrize("wire", WIRES)
async def test_message_over_the_servers_limit(wire: str, tmp_path: Path) -> None:
    from eventflux_runtime import ServerConfig

    with anyio.fail_after(20):
        async with linked(wire, tmp_path, None, ServerConfig(max_message_bytes=10_000, drain_grace_s=0)) as link:
            with pytest.raises(ResourceExhausted, match="10[_,]?000"):
                await link.client.send_message(Message(payload=b"x" * 20_000))
            assert (await link.client.send_message(Message(id="after"))).id == "after"


@pytest.mark.parametrize("wire", WIRES)
async def test_message_over_the_clients_limit(wire: str, tmp_path: Path) -> None:
    from eventflux_runtime import ClientConfig

    with anyio.fail_after(20):
        async with linked(wire, tmp_path, ClientConfig(max_message_bytes=10_000)) as link:
            with pytest.raises(ResourceExhausted, match="10[_,]?000"):
                await link.client.send_message(message("size", bytes="20000"))
            assert (await link.client.send_message(Message(id="after"))).id == "after"


def test_metadata_is_kept_in_order() -> None:
    assert Metadata([("a", "1"), ("b", "2"), ("A", "3")]).get_all("a") == ("1", "3")
