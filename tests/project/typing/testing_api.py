"""What a type checker sees of the names for tests: checked by mypy --strict and by pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, assert_type

from eventflux_runtime import Channel, Context, NotFound, Service, StateKey
from eventflux_runtime.blocking import BlockingChannel
from eventflux_runtime.testing import (
    FakeCall,
    FakeService,
    InMemoryOptions,
    Recorder,
    Replay,
    SeenCall,
    raise_server_errors,
    serve_in_memory,
    serve_in_memory_blocking,
    verify_recording,
)
from eventflux_transport import EventRequest, Message, TransportService

USER: StateKey[str] = StateKey("user")


async def events(request: EventRequest, context: Context) -> AsyncIterator[Message]:
    yield Message(id=request.node_id)


async def services(recorder: Recorder) -> None:
    fake = FakeService(TransportService, send_message=[NotFound("gone"), Message()], stream_events=events)
    assert_type(fake.seen, list[SeenCall])
    assert_type(fake.requests("send_message"), list[Any])
    options: InMemoryOptions = {"client_interceptors": [recorder], "server_interceptors": [recorder.on_server]}
    async with serve_in_memory(fake, **options) as channel:
        assert_type(channel, Channel)
    async with serve_in_memory(fake, raise_errors=False, is_grpc=True) as channel:
        await verify_recording("calls.jsonl", channel, TransportService)
    with Replay("calls.jsonl", TransportService) as recording, raise_server_errors():
        assert_type(recording.services, Sequence[Service])
        with serve_in_memory_blocking(*recording.services) as blocking:
            assert_type(blocking, BlockingChannel)
    async with serve_in_memory(fake, retry=3) as channel:  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no such option
        pass


async def call(service: TransportService) -> None:
    fake = FakeCall(metadata={"user": "ada"}, timeout_s=1)
    assert_type(fake.context, Context)
    assert_type(await service.send_message(Message(), fake.context), Message)
    assert_type(fake.context.state[USER], str)
