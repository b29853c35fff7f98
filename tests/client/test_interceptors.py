"""A client's interceptors: what they may do with a call of each kind, and what their observers are told of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import anyio
import pytest

from eventflux_runtime import (
    AnyMethod,
    Attempt,
    CallEnd,
    CallHead,
    CallObserver,
    CancelCause,
    Channel,
    ClientConfig,
    ClientInterceptor,
    ClientProceed,
    CodecError,
    ConfigError,
    DeadlineExceeded,
    Metadata,
    NotFound,
    PermissionDenied,
    ResponseInfo,
    RetryPolicy,
    ServerConfig,
    StatusCode,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.support.observing import Seen, WatchingClient
from tests.support.probe import Probe

T = TypeVar("T")


@asynccontextmanager
async def client_of(
    *interceptors: ClientInterceptor, config: ClientConfig | None = None
) -> AsyncIterator[tuple[TransportClient, Probe]]:
    service, url = Probe(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([service], url, config=ServerConfig(drain_grace_s=0)),
            connect(url, config=config, interceptors=interceptors) as channel,
        ):
            yield TransportClient(channel), service


async def one_way(client: TransportClient) -> None:
    """A call of each kind of the shipped IDL."""
    await client.send_message(Message(id="a"))
    async with client.stream_events(EventRequest(batch_size=2)) as events:
        assert [event.id async for event in events] == ["0", "1"]
    async with client.stream_messages() as stream:
        await stream.send(Message(id="b"))
        await stream.end()
        assert [message.id async for message in stream] == ["b", "end"]


async def test_an_observer_sees_messages_attempts_and_the_end_of_calls_of_each_kind() -> None:
    watching = WatchingClient()
    async with client_of(watching) as (client, _):
        await one_way(client)
    unary, events, messages = watching.calls
    assert unary.told == ["attempt", "request", "attempt end", "response", "end"]
    assert (unary.requests, unary.responses) == ([Message(id="a")], [Message(id="a")])
    assert events.requests == [EventRequest(batch_size=2)]
    assert [event.id for event in events.responses] == ["0", "1"]
    assert events.end.status.trailers == Metadata.of({"count": "2"})
    assert [message.id for message in messages.requests + messages.responses] == ["b", "b", "end"]
    for seen in watching.calls:
        assert seen.told[-1] == "end"
        assert seen.attempt_ends == [(1, StatusCode.OK)]
        end = seen.end
        assert (end.status.code, end.attempts, end.cancel_cause) == (StatusCode.OK, 1, None)
        assert (end.sent_messages, end.received_messages) == (len(seen.requests), len(seen.responses))
        assert end.endpoint is not None
        assert end.endpoint == seen.attempts[0].endpoint
        assert 0 < end.duration_s < 20


async def test_observers_are_told_in_order_and_those_of_the_inner_interceptor_of_the_end_first() -> None:
    order: list[str] = []

    class Named(CallObserver):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_attempt(self, attempt: Attempt) -> None:
            order.append(f"{self.name} attempt")

        def on_end(self, end: CallEnd) -> None:
            order.append(f"{self.name} end")

    def naming(*names: str) -> ClientInterceptor:
        async def interceptor(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
            for name in names:
                head = head.observed_by(Named(name))
            return await proceed(head.with_metadata(Metadata.of({"k": "v"})).with_deadline(None))

        return interceptor

    async with client_of(naming("outer", "second"), naming("inner")) as (client, _):
        await client.send_message(Message())
    attempts, ends = order[:3], order[3:]
    assert attempts == ["outer attempt", "second attempt", "inner attempt"]
    assert ends == ["inner end", "outer end", "second end"]


async def test_an_interceptor_answers_calls_of_each_kind_without_the_server() -> None:
    watching = WatchingClient()

    async def answering(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        if not method.kind.streams_responses:
            return proceed.answer(Message(id="cached"), initial_metadata={"from": "cache"}, trailers={"t": "1"})
        return proceed.answer(Message(id="x"), Message(id="y"), initial_metadata={"from": "cache"}, trailers={"t": "1"})

    async with client_of(watching, answering) as (client, service):
        info = ResponseInfo()
        assert (await client.send_message(Message(id="a"), response=info)).id == "cached"
        assert (info.initial_metadata.get("from"), info.trailers.get("t")) == ("cache", "1")
        async with client.stream_events(EventRequest()) as events:
            assert [event.id async for event in events] == ["x", "y"]
            assert (await events.initial_metadata()).get("from") == "cache"
            assert events.trailers.get("t") == "1"
        async with client.stream_messages() as stream:
            await stream.send(Message(id="b"))
            assert (await stream.receive()).id == "x"
            await stream.end()
            with pytest.raises(anyio.ClosedResourceError):
                await stream.send(Message())
        assert service.seen == []
    unary, events_seen, left = watching.calls
    assert unary.told == ["response", "end"]
    assert unary.end.status.trailers.get("t") == "1"
    assert events_seen.told == ["request", "response", "response", "end"]
    assert left.end.status.code is StatusCode.CANCELLED
    assert [seen.end.attempts for seen in watching.calls] == [0, 0, 0]


@pytest.mark.parametrize("count", [0, 2])
async def test_a_wrong_number_of_answers_is_refused(count: int) -> None:
    async def answering(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        return proceed.answer(*[Message()] * count)

    async with client_of(answering) as (client, _):
        with pytest.raises(ConfigError, match=f"has one response: answer it with one, not with {count}"):
            await client.send_message(Message())


async def test_an_interceptor_that_proceeds_again_makes_one_call_for_those_outside_it() -> None:
    outer, inner = WatchingClient(), WatchingClient()

    async def again(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        try:
            return await proceed(head)
        except NotFound:
            return await proceed(head.with_metadata(Metadata.of({"again": "1"})))

    async with client_of(outer, again, inner) as (client, service):
        with pytest.raises(NotFound):
            await client.send_message(Message(headers={"do": "fail-with-trailers"}))
        assert len(service.contexts) == 2
    assert [len(watching.calls) for watching in (outer, inner)] == [1, 2]
    assert outer.seen.attempt_ends == [(1, StatusCode.NOT_FOUND), (2, StatusCode.NOT_FOUND)]
    assert outer.seen.told.count("request") == 1
    assert (outer.seen.end.status.code, outer.seen.end.attempts) == (StatusCode.NOT_FOUND, 2)
    assert [seen.end.attempts for seen in inner.calls] == [1, 1]
    assert outer.seen.end.status.trailers.get("reason") == "gone"
    assert len(outer.seen.end.status.details) == 1


async def test_an_interceptor_that_swallows_the_error_and_answers() -> None:
    outer = WatchingClient()

    async def falling_back(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        try:
            return await proceed(head)
        except NotFound:
            return proceed.answer(Message(id="fallback"))

    async with client_of(outer, falling_back) as (client, _):
        reply = await client.send_message(Message(headers={"do": "fail-with-trailers"}))
        assert reply.id == "fallback"
    assert outer.seen.told == ["attempt", "request", "attempt end", "response", "end"]
    assert outer.seen.end.status.code is StatusCode.OK


async def test_refusing_is_raising_and_those_outside_see_it() -> None:
    outer = WatchingClient()

    async def refusing(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        raise PermissionDenied("not you")

    async with client_of(outer, refusing) as (client, service):
        with pytest.raises(PermissionDenied):
            await client.send_message(Message())
        with pytest.raises(PermissionDenied):
            async with client.stream_events(EventRequest()):
                pytest.fail("it started")
        assert service.seen == []
    assert [seen.told for seen in outer.calls] == [["end"], ["end"]]
    assert {seen.end.status.code for seen in outer.calls} == {StatusCode.PERMISSION_DENIED}


async def test_streams_that_an_interceptor_started_and_did_not_hand_back_are_cancelled() -> None:
    inner = WatchingClient()

    async def twice(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        await proceed(head)
        return await proceed(head)

    async with client_of(twice, inner) as (client, _), client.stream_events(EventRequest(batch_size=1)) as events:
        assert [event.id async for event in events] == ["0"]
    dropped, kept = inner.calls
    assert (dropped.end.status.code, dropped.end.cancel_cause) == (StatusCode.CANCELLED, CancelCause.CALLER)
    assert kept.end.status.code is StatusCode.OK


async def test_a_message_that_cannot_be_encoded_ends_the_call_and_is_no_request() -> None:
    watching = WatchingClient()
    wrong: Any = Message(id=7)  # type: ignore[arg-type]  # what no encoder takes
    async with client_of(watching) as (client, _):
        with pytest.raises(CodecError):
            await client.send_message(wrong)
    assert watching.seen.told == ["attempt", "attempt end", "end"]
    assert watching.seen.end.status.code is StatusCode.INTERNAL


async def test_a_call_cancelled_in_an_interceptor_has_ended_for_those_outside_it() -> None:
    outer = WatchingClient()
    reached = anyio.Event()

    async def stuck(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        reached.set()
        await anyio.sleep_forever()
        return await proceed(head)

    async with client_of(outer, stuck) as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(client.send_message, Message())
        await reached.wait()
        tasks.cancel_scope.cancel()
    assert outer.seen.told == ["end"]
    assert (outer.seen.end.status.code, outer.seen.end.cancel_cause) == (StatusCode.CANCELLED, CancelCause.CALLER)


async def left_early(client: TransportClient) -> None:
    async for _ in client.stream_events(EventRequest(node_id="forever")):
        break
    gc.collect()


async def test_a_stream_that_is_never_iterated_or_dropped_ends_once() -> None:
    watching = WatchingClient()
    async with client_of(watching) as (client, _):
        async with client.stream_events(EventRequest(batch_size=1)):
            pass
        with pytest.warns(ResourceWarning, match="dropped before its end"):
            await left_early(client)
        with anyio.fail_after(5):
            await watching.calls[1].ended.wait()
    assert [len(seen.ends) for seen in watching.calls] == [1, 1]
    assert watching.calls[1].end.cancel_cause is CancelCause.CALLER


async def test_a_failure_that_nobody_waits_for_is_told_at_once() -> None:
    watching = WatchingClient()
    async with client_of(watching) as (client, service):
        async with client.stream_messages(timeout_s=0.05) as stream:
            await watching.seen.ended.wait()
            end = watching.seen.end
            with pytest.raises(DeadlineExceeded):
                await stream.receive()
        del service
    assert (end.status.code, end.cancel_cause) == (StatusCode.DEADLINE_EXCEEDED, CancelCause.DEADLINE)
    assert watching.seen.told.count("end") == 1


async def test_an_observer_that_raises_harms_nobody_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()

    class Broken(CallObserver):
        def on_attempt(self, attempt: Attempt) -> None:
            raise ZeroDivisionError("attempt")

        def on_request(self, message: Any) -> None:
            raise ZeroDivisionError("request")

        def on_end(self, end: CallEnd) -> None:
            raise ZeroDivisionError("end")

    async def attaching(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        return await proceed(head.observed_by(Broken()).observed_by(seen))

    with caplog.at_level(logging.ERROR, "eventflux_runtime"):
        async with client_of(attaching) as (client, _):
            for _ in range(100):
                await client.send_message(Message())
    assert len(seen.ends) == 100
    lines = [record for record in caplog.records if "an observer failed" in record.getMessage()]
    assert len(lines) < 20, "300 failures: the log has a bound"


async def test_what_is_no_observer_is_refused() -> None:
    other: Any = print

    async def attaching(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        return await proceed(head.observed_by(other))

    async with client_of(attaching) as (client, _):
        with pytest.raises(ConfigError, match="an observer is an instance of a subclass of CallObserver"):
            await client.send_message(Message())


async def test_a_head_and_an_observer_that_refer_to_each_other_are_collected() -> None:
    kept: list[weakref.ref[Seen]] = []

    async def attaching(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        seen: Any = Seen()
        seen.head = head.observed_by(seen)
        kept.append(weakref.ref(seen))
        return await proceed(seen.head)

    async with client_of(attaching) as (client, _):
        await client.send_message(Message())
    gc.collect()
    assert kept[0]() is None


RETRYING = ClientConfig(retry=RetryPolicy(max_attempts=3, initial_backoff_s=0.001, max_backoff_s=0.002))


class Flaky(Probe):
    """Fails some calls of `heartbeat` before it answers."""

    failures = 2

    async def heartbeat(self, request: HeartbeatRequest, context: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise Unavailable("not yet")
        return await super().heartbeat(request, context)

    async def stream_events(self, request: EventRequest, context: Any) -> AsyncIterator[Message]:
        if self.failures:
            self.failures -= 1
            raise Unavailable("not yet")
        yield Message(id="after all")


async def test_the_attempts_of_a_call_that_is_repeated() -> None:
    watching, url, service = WatchingClient(), memory_endpoint(), Flaky()
    with anyio.fail_after(20):
        async with serve([service], url), connect(url, config=RETRYING, interceptors=[watching]) as channel:
            client = TransportClient(channel)
            await client.heartbeat(HeartbeatRequest(timestamp=1))
            service.failures = 1
            async with client.stream_events(EventRequest()) as events:
                assert [event.id async for event in events] == ["after all"]
            stats = channel.stats()
    unary, stream = watching.calls
    assert unary.attempt_ends == [(1, StatusCode.UNAVAILABLE), (2, StatusCode.UNAVAILABLE), (3, StatusCode.OK)]
    assert (unary.end.attempts, unary.end.sent_messages, unary.end.received_messages) == (3, 1, 1)
    assert stream.attempt_ends == [(1, StatusCode.UNAVAILABLE), (2, StatusCode.OK)]
    assert (stream.end.attempts, stream.end.sent_messages, stream.end.received_messages) == (2, 1, 1)
    assert len(stream.requests) == 1
    retries = {path.rpartition("/")[2]: stats.methods[path].retries for path in stats.methods}
    assert retries == {"Heartbeat": 2, "StreamEvents": 1}


async def test_a_call_that_never_had_a_connection_has_no_attempt() -> None:
    watching = WatchingClient()
    with anyio.fail_after(20):
        async with connect(memory_endpoint(), interceptors=[watching]) as channel:
            with pytest.raises(Unavailable):
                await TransportClient(channel).send_message(Message())
            stats = channel.stats()
    assert watching.seen.told == ["end"]
    assert (watching.seen.end.attempts, watching.seen.end.endpoint) == (0, None)
    (calls,) = stats.methods.values()
    assert (calls.started, calls.ended) == (1, {StatusCode.UNAVAILABLE: 1})
    assert [address.methods for address in stats.addresses] == [{}]
    assert stats.addresses[0].connect_failures == 1


async def test_a_channel_that_is_closed_is_why_its_calls_ended() -> None:
    watching = WatchingClient()
    service, url = Probe(), memory_endpoint()
    with anyio.fail_after(20):
        async with serve([service], url, config=ServerConfig(drain_grace_s=0)):
            channel = await connect(url, interceptors=[watching]).open()
            client = TransportClient(channel)

            async def call() -> None:
                with pytest.raises(Unavailable):
                    await client.send_message(Message(headers={"do": "linger"}))

            async with client.stream_messages() as stream, anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await service.started.wait()
                await channel.aclose()
                with pytest.raises(Unavailable):
                    await stream.receive()
    assert [seen.end.cancel_cause for seen in watching.calls] == [CancelCause.STOPPED] * 2


async def test_interceptors_written_for_a_plain_function_still_fit() -> None:
    async def plain(method: Any, head: Any, proceed: Any) -> Any:
        return await proceed(head)

    async with client_of(plain) as (client, _):
        await one_way(client)


def test_a_stream_whose_event_loop_has_gone_ends_once(recwarn: pytest.WarningsRecorder) -> None:
    watching = WatchingClient()
    held: list[Any] = []

    async def leave_open() -> None:
        url = memory_endpoint()
        async with serve([Probe()], url, config=ServerConfig(drain_grace_s=0)):
            channel = await connect(url, interceptors=[watching]).open()
            held.append(channel)
            held.append(await TransportClient(channel).stream_events(EventRequest(node_id="linger")).__aenter__())
            await held[-1].receive()
            assert watching.seen.ends == []
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        asyncio.run(leave_open())
    held.clear()
    gc.collect()
    assert len(watching.seen.ends) == 1
    assert {warning.category for warning in recwarn} <= {ResourceWarning}


def test_a_channel_without_calls_has_empty_stats() -> None:
    channel: Channel = connect("tcp://127.0.0.1:1")
    assert channel.stats().calls.started == 0
