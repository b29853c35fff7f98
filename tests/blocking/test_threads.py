"""One channel and many threads: calls at once, halves of streams, interceptors, and what handlers' threads inherit."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from anyio.from_thread import BlockingPortal

from eventflux_runtime import (
    AnyMethod,
    CallHead,
    Cancelled,
    ConfigError,
    Context,
    DeadlineExceeded,
    Metadata,
    NotFound,
    blocking,
)
from eventflux_runtime.blocking import BlockingChannel
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportBlockingClient, TransportClient
from tests.support.probe import Probe
from tests.support.threaded import PATIENCE_S, Served, served, serving
from tests.support.wires import SHORT_S, WIRES, connect, serve

T = TypeVar("T")
CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.usefixtures("loop_kind")
def test_many_threads_each_get_their_own_answers(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    def work(number: int) -> list[str]:
        calls = [found.client.send_message(Message(id=f"{number} {index}")).id for index in range(20)]
        events = found.client.stream_events(EventRequest(batch_size=20))
        return calls + [event.id for event in events]

    with served(portal, wire, tmp_path) as found, ThreadPoolExecutor(8) as threads:
        for number, ids in enumerate(threads.map(work, range(8), timeout=PATIENCE_S)):
            assert ids == [*(f"{number} {index}" for index in range(20)), *map(str, range(20))]


@pytest.mark.parametrize("wire", WIRES)
def test_one_thread_sends_while_another_receives(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found, found.client.stream_messages() as stream:

        def send() -> None:
            for index in range(100):
                stream.send(Message(id=str(index), payload=bytes(20_000)))  # more than the windows hold
            stream.end()

        thread = threading.Thread(target=send)
        thread.start()
        assert [message.id for message in stream] == [*map(str, range(100)), "end"]
        thread.join()


def test_threads_that_share_a_stream_get_each_message_once(tcp: Served) -> None:
    with tcp.client.stream_events(EventRequest(batch_size=500)) as events, ThreadPoolExecutor(4) as threads:
        taken = threads.map(lambda _: [event.id for event in events], range(4), timeout=PATIENCE_S)
        assert sorted((each for mine in taken for each in mine), key=int) == [str(index) for index in range(500)]


def test_another_thread_cancels_a_stream_that_waits(tcp: Served) -> None:
    with tcp.client.stream_events(EventRequest(node_id="linger")) as events:
        assert events.receive().id == "first"

        def cancel() -> None:
            tcp.wait(tcp.service.started)
            events.cancel()

        waiting = threading.Thread(target=cancel)
        waiting.start()
        with pytest.raises(Cancelled):
            events.receive()
        waiting.join()


@contextmanager
def intercepted(portal: BlockingPortal, interceptor: Any, service: Probe) -> Iterator[BlockingChannel]:
    with (
        serving(portal, [service], "tcp://127.0.0.1:0") as server,
        blocking.connect(server.endpoints, interceptors=[interceptor]) as channel,
    ):
        yield channel


def test_interceptors_run_in_the_context_of_the_caller(portal: BlockingPortal) -> None:
    seen: list[str] = []

    async def intercept(method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
        seen.append(f"{method.path.rpartition('/')[2]} for {CALLER.get()}")
        return await proceed(head.with_metadata(head.metadata | Metadata.of({"x-seen": "yes"})))

    service = Probe()
    with intercepted(portal, intercept, service) as channel:
        client = TransportBlockingClient(channel)
        token = CALLER.set("me")
        try:
            client.send_message(Message())
            assert len(list(client.stream_events(EventRequest(batch_size=2)))) == 2
        finally:
            CALLER.reset(token)
        client.heartbeat(HeartbeatRequest())
    assert seen == ["SendMessage for me", "StreamEvents for me", "Heartbeat for nobody"]
    assert service.contexts[0].metadata.get("x-seen") == "yes"


def test_an_interceptor_cannot_call_by_the_channel_that_it_serves(portal: BlockingPortal) -> None:
    async def intercept(method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
        with pytest.raises(ConfigError, match="would stop the event loop"):
            client.heartbeat(HeartbeatRequest())
        with pytest.raises(ConfigError, match="interceptor of its own"):
            channel.close()
        return await proceed(head)

    with intercepted(portal, intercept, Probe()) as channel:
        client = TransportBlockingClient(channel)
        assert client.send_message(Message(id="a")).id == "a"


def test_what_an_interceptor_lets_out_is_the_callers(portal: BlockingPortal) -> None:
    async def intercept(method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
        raise failures.pop()

    failures = [ZeroDivisionError("mine"), NotFound("mine"), asyncio.CancelledError(), SystemExit(3)]
    with intercepted(portal, intercept, Probe()) as channel:
        client = TransportBlockingClient(channel)
        with pytest.raises(SystemExit):
            client.heartbeat(HeartbeatRequest())
        with pytest.raises(Cancelled, match="by this program"):
            client.heartbeat(HeartbeatRequest())
        with pytest.raises(NotFound) as caught:
            client.heartbeat(HeartbeatRequest())
        assert "raise failures.pop()" in "".join(traceback.format_exception(caught.value))
        with pytest.raises(ZeroDivisionError, match="mine"):
            client.stream_events(EventRequest()).__enter__()


class Relay(Probe):
    """Asks another service from a thread, as code that is not async does."""

    def __init__(self, client: TransportBlockingClient) -> None:
        super().__init__()
        self.client = client

    async def send_message(self, request: Message, context: Context) -> Message:
        return await anyio.to_thread.run_sync(self.client.send_message, request)


async def test_a_handlers_thread_inherits_deadline_and_trace(tcp: Served, anyio_backend: Any) -> None:
    inner = tcp
    with anyio.fail_after(PATIENCE_S):
        async with (
            serve([Relay(inner.client)], memory_endpoint()) as server,
            connect(server.endpoints[0]) as channel,
        ):
            client = TransportClient(channel)
            await client.send_message(Message(), timeout_s=50, metadata={"traceparent": "00-1-2-03"})
            (remaining_s,) = inner.service.remaining_s
            assert remaining_s is not None
            assert 30 < remaining_s <= 50
            assert inner.service.contexts[0].metadata.get("traceparent") == "00-1-2-03"
            for timeout_s in SHORT_S:
                with pytest.raises(DeadlineExceeded):
                    await client.send_message(Message(headers={"do": "linger"}), timeout_s=timeout_s)
                if inner.service.started.is_set():
                    break
            await anyio.to_thread.run_sync(inner.wait, inner.service.cancelled)
