"""A server's interceptors: what they may do with a call of each kind, and what observers are told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    CancelCause,
    ConfigError,
    Context,
    Internal,
    Metadata,
    NotFound,
    PermissionDenied,
    ResponseInfo,
    ServerConfig,
    ServerInterceptor,
    ServingStatus,
    StateKey,
    StatusCode,
    Unknown,
    connect,
    serve,
)
from eventflux_runtime.client.health_client import HealthClient
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.observing import Seen, WatchingServer
from tests.support.probe import Probe

Proceed = Callable[[], Awaitable[None]]


@asynccontextmanager
async def client_of(
    *interceptors: ServerInterceptor, service: Probe | None = None
) -> AsyncIterator[tuple[TransportClient, Probe]]:
    served, url = service if service is not None else Probe(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([served], url, config=ServerConfig(drain_grace_s=0), interceptors=interceptors),
            connect(url) as channel,
        ):
            yield TransportClient(channel), served


async def test_an_observer_sees_messages_and_the_end_of_calls_of_each_kind() -> None:
    watching = WatchingServer()
    async with client_of(watching) as (client, _):
        await client.send_message(Message(id="a"))
        async with client.stream_events(EventRequest(batch_size=2)) as events:
            assert [event.id async for event in events] == ["0", "1"]
        async with client.stream_messages() as stream:
            await stream.send(Message(id="b"))
            await stream.end()
            assert [message.id async for message in stream] == ["b", "end"]
    unary, events_seen, messages = watching.calls
    assert unary.told == ["request", "response", "end"]
    assert events_seen.told == ["request", "response", "response", "end"]
    assert [message.id for message in messages.requests + messages.responses] == ["b", "b", "end"]
    assert events_seen.end.status.trailers == Metadata.of({"count": "2"})
    for seen in watching.calls:
        end = seen.end
        assert (end.status.code, end.attempts, end.cancel_cause) == (StatusCode.OK, 0, None)
        assert (end.sent_messages, end.received_messages) == (len(seen.responses), len(seen.requests))
        assert end.peer is not None
        assert end.peer.address.startswith("memory://")
        assert end.endpoint == end.peer.address


async def test_how_a_failed_call_ended() -> None:
    watching = WatchingServer()
    async with client_of(watching) as (client, _):
        with pytest.raises(NotFound):
            await client.send_message(Message(headers={"do": "fail-with-trailers"}))
        with pytest.raises(Unknown):
            await client.send_message(Message(headers={"do": "crash"}))
    assert [seen.told for seen in watching.calls] == [["request", "end"]] * 2
    found, crashed = (seen.end.status for seen in watching.calls)
    assert (found.code, found.trailers.get("reason")) == (StatusCode.NOT_FOUND, "gone")
    assert (crashed.code, "secret" in crashed.message) == (StatusCode.UNKNOWN, False)


async def test_an_exit_in_a_handler_ends_the_call_for_its_observers() -> None:
    class Leaving(Probe):
        async def send_message(self, request: Message, context: Context) -> Message:
            raise SystemExit(3)

    watching = WatchingServer()
    async with client_of(watching, service=Leaving()) as (client, _):
        with pytest.raises(Unknown):
            await client.send_message(Message())
    assert watching.seen.told == ["request", "end"]


async def test_an_interceptor_answers_in_the_place_of_the_handler() -> None:
    watching = WatchingServer()

    async def answering(context: Context, proceed: Proceed) -> None:
        context.set_trailers({"t": "1"})
        if context.method.kind.streams_responses:
            context.answer(Message(id="x"), Message(id="y"))
        else:
            context.answer(Message(id="cached"))

    async with client_of(watching, answering) as (client, service):
        info = ResponseInfo()
        assert (await client.send_message(Message(), response=info)).id == "cached"
        assert info.trailers.get("t") == "1"
        async with client.stream_events(EventRequest()) as events:
            assert [event.id async for event in events] == ["x", "y"]
        async with client.stream_messages() as stream:
            assert [message.id async for message in stream] == ["x", "y"]
        assert service.seen == []
    assert [seen.told[-1] for seen in watching.calls] == ["end"] * 3
    assert [seen.end.sent_messages for seen in watching.calls] == [1, 2, 2]
    assert watching.calls[0].told == ["response", "end"]


async def test_an_interceptor_that_swallows_the_error_and_answers() -> None:
    async def falling_back(context: Context, proceed: Proceed) -> None:
        try:
            await proceed()
        except NotFound:
            context.answer(Message(id="fallback"))

    async with client_of(falling_back) as (client, _):
        assert (await client.send_message(Message(headers={"do": "fail-with-trailers"}))).id == "fallback"
        async with client.stream_events(EventRequest(node_id="fail")) as events:
            assert [event.id async for event in events] == ["first", "fallback"]


async def wrong_number(context: Context, proceed: Proceed) -> None:
    context.answer()


async def answered_twice(context: Context, proceed: Proceed) -> None:
    context.answer(Message())
    context.answer(Message())


async def answered_after_the_handler(context: Context, proceed: Proceed) -> None:
    await proceed()
    context.answer(Message())


async def proceeding_after_the_answer(context: Context, proceed: Proceed) -> None:
    context.answer(Message())
    await proceed()


async def observing_nonsense(context: Context, proceed: Proceed) -> None:
    nonsense: Any = print
    context.observe(nonsense)


@pytest.mark.parametrize(
    ("interceptor", "words"),
    [
        (wrong_number, "has one response: answer it with one, not with 0"),
        (answered_twice, "was answered by an interceptor already"),
        (answered_after_the_handler, "was answered by its handler already"),
        (proceeding_after_the_answer, "proceeded although the call was answered already"),
        (observing_nonsense, "an observer is an instance of a subclass of CallObserver"),
    ],
)
async def test_what_an_interceptor_must_not_do_is_said(interceptor: ServerInterceptor, words: str) -> None:
    raised: list[BaseException] = []

    async def noting(context: Context, proceed: Proceed) -> None:
        try:
            await proceed()
        except ConfigError as error:
            raised.append(error)
            raise Internal("as it should") from error

    async with client_of(noting, interceptor) as (client, _):
        with pytest.raises(Internal, match="as it should"):
            await client.send_message(Message())
    assert words in str(raised[0])


async def test_an_interceptor_that_does_nothing_is_told_to_the_client() -> None:
    async def nothing(context: Context, proceed: Proceed) -> None:
        """Neither proceeds nor answers."""

    async with client_of(nothing) as (client, _):
        with pytest.raises(Internal, match="without running its handler, answering or raising"):
            await client.send_message(Message())


async def test_a_handler_of_one_request_may_run_again_and_one_of_many_may_not() -> None:
    async def again(context: Context, proceed: Proceed) -> None:
        try:
            await proceed()
        except NotFound:
            await proceed()

    async with client_of(again) as (client, service):
        with pytest.raises(NotFound):
            await client.send_message(Message(id="a", headers={"do": "fail-with-trailers"}))
        assert [message.id for message in service.seen] == ["a", "a"]
        async with client.stream_messages() as stream:
            await stream.send(Message(headers={"do": "fail"}))
            with pytest.raises(Unknown, match="ConfigError"):
                await stream.receive()


async def test_refusing_is_raising_and_no_message_is_seen() -> None:
    watching = WatchingServer()

    async def refusing(context: Context, proceed: Proceed) -> None:
        raise PermissionDenied("not you")

    async with client_of(watching, refusing) as (client, service):
        with pytest.raises(PermissionDenied):
            await client.send_message(Message())
        assert service.seen == []
    assert watching.seen.told == ["end"]
    assert watching.seen.end.status.code is StatusCode.PERMISSION_DENIED


USER: StateKey[str] = StateKey("user")


async def test_the_state_of_a_call_is_its_own() -> None:
    seen: list[str] = []

    async def naming(context: Context, proceed: Proceed) -> None:
        assert USER not in context.state
        context.state[USER] = str(context.metadata.get("user"))
        await proceed()
        seen.append(context.state[USER])

    class Greeting(Probe):
        async def send_message(self, request: Message, context: Context) -> Message:
            return Message(id=context.state[USER])

    async with client_of(naming, service=Greeting()) as (client, _):
        for user in ("ada", "grace"):
            assert (await client.send_message(Message(), metadata={"user": user})).id == user
    assert seen == ["ada", "grace"]


async def test_a_handler_may_observe_its_call_from_then_on_and_not_when_it_has_ended() -> None:
    seen = Seen()
    contexts: list[Context] = []

    class Observing(Probe):
        async def send_message(self, request: Message, context: Context) -> Message:
            context.observe(seen)
            contexts.append(context)
            return request

    async with client_of(service=Observing()) as (client, _):
        await client.send_message(Message(id="a"))
    assert seen.told == ["response", "end"]
    assert (seen.end.received_messages, seen.end.sent_messages) == (1, 1)
    with pytest.raises(ConfigError, match="has ended"):
        contexts[0].observe(Seen())


async def test_health_passes_through_interceptors_too() -> None:
    watching = WatchingServer()
    url = memory_endpoint()
    with anyio.fail_after(20):
        async with serve([Probe()], url, interceptors=[watching]), connect(url) as channel:
            assert await HealthClient(channel).check() is ServingStatus.SERVING
    assert watching.seen.end.status.code is StatusCode.OK


async def test_the_cause_is_there_for_the_handler_that_is_cancelled() -> None:
    causes: list[CancelCause | None] = []
    done = anyio.Event()

    class Stuck(Probe):
        async def send_message(self, request: Message, context: Context) -> Message:
            self.started.set()
            try:
                await anyio.sleep_forever()
            finally:
                causes.append(context.cancel_cause)
                done.set()
            return request

    service = Stuck()
    async with client_of(service=service) as (client, _):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send_message, Message())
            await service.started.wait()
            tasks.cancel_scope.cancel()
        await done.wait()
    assert causes == [CancelCause.CALLER]
