"""Whatever a handler or an interceptor lets out ends its own call, and no other, on every wire and in every phase."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import grpc
import pytest

from eventflux_runtime import (
    Aborted,
    CodecError,
    Context,
    ErrorDetail,
    Internal,
    NotFound,
    RpcError,
    Server,
    ServerConfig,
    ServerInterceptor,
    StatusCode,
    Unknown,
)
from eventflux_transport import (
    EventFilter,
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportService,
)
from tests.support.nodes import body_of, frame, raw_connect, read_frame
from tests.support.wires import WIRES, address, connect, serve


class Bare(NotFound):
    """As users write it: a constructor of its own, and no call of the one above."""

    def __init__(self, key: str) -> None:
        self.key = key


class Named(RpcError):
    default_code = "NOT_FOUND"  # type: ignore[assignment] # the mistake that is tested


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Crooked(NotFound):
    @property
    def status(self) -> Any:
        raise ZeroDivisionError


def changed(**attributes: Any) -> RpcError:
    error = NotFound("x")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


any_: Any = NotFound
"""NotFound, for arguments of wrong types."""
FAULTS: dict[str, Callable[[], BaseException]] = {
    "own-constructor": lambda: Bare("k"),
    "default-code-is-a-name": lambda: Named("x"),
    "status-raises": lambda: Crooked("x"),
    "text-is-an-exception": lambda: Internal(ValueError("x")),  # type: ignore[arg-type] # the mistake that is tested
    "text-is-a-number": lambda: any_(404),
    "text-is-none": lambda: any_(None),
    "text-has-no-text": lambda: any_(Mute()),
    "text-has-a-surrogate": lambda: NotFound(os.fsdecode(b"caf\xe9")),
    "text-is-huge": lambda: NotFound("x" * (11 << 20)),
    "text-is-changed": lambda: changed(message=5),
    "code-is-a-name": lambda: any_("x", code="NOT_FOUND"),
    "code-is-a-number": lambda: any_("x", code=5),
    "code-is-no-code": lambda: any_("x", code=99),
    "code-is-an-object": lambda: any_("x", code=object()),
    "code-is-ok": lambda: RpcError("x", code=StatusCode.OK),
    "code-is-changed": lambda: changed(code="oops"),
    "detail-holds-an-object": lambda: any_("x", details=[ErrorDetail("t/a", HeartbeatRequest())]),  # type: ignore[arg-type]  # what is tested
    "detail-url-is-a-number": lambda: any_("x", details=[ErrorDetail(5, b"")]),  # type: ignore[arg-type]  # what is tested
    "details-hold-texts": lambda: any_("x", details=["abc"]),
    "details-are-one": lambda: any_("x", details=ErrorDetail("t/a", b"")),
    "details-are-a-number": lambda: any_("x", details=5),
    "details-are-huge": lambda: NotFound("x", details=[ErrorDetail("t/a", bytes(1 << 20))]),
    "details-are-changed": lambda: changed(details=None),
    "metadata-is-huge": lambda: NotFound("x", metadata={"k": "v" * (1 << 20)}),
    "metadata-is-a-number": lambda: any_("x", metadata=5),
    "metadata-is-changed": lambda: changed(metadata={"Bad Key": 5}),
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator-exit": GeneratorExit,
    "cancellation-of-its-own": asyncio.CancelledError,
    "group-with-an-exit": lambda: BaseExceptionGroup("several", [SystemExit(3), ValueError()]),
    "group-of-one": lambda: ExceptionGroup("one", [ExceptionGroup("one", [NotFound("x")])]),
    "group": lambda: ExceptionGroup("several", [ValueError(), NotFound("x")]),
    "exception-without-text": Mute,
    "recursion": RecursionError,
    "memory": MemoryError,
    "stop-iteration": StopIteration,
    "stop-async-iteration": StopAsyncIteration,
    "codec-error": lambda: CodecError("x"),
}
LOST = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.OK}
"""Codes of a call whose server is gone, or that nobody has ended."""
AFTER = {"x-after": "1"}


def fault_of(name: str) -> BaseException:
    return FAULTS[name]()


@asynccontextmanager
async def client_of(
    service: TransportService, wire: str, tmp_path: Path, interceptors: Sequence[ServerInterceptor] = ()
) -> AsyncIterator[tuple[TransportClient, Server]]:
    config = ServerConfig(drain_grace_s=0)
    async with (
        serve([service], address(wire, tmp_path), config=config, interceptors=interceptors) as server,
        connect(server.endpoints[0]) as channel,
    ):
        yield TransportClient(channel), server


class Faulty(TransportService):
    """Fails in the way that ``headers["fault"]`` or the event request's ``node_id`` names."""

    async def send_message(self, request: Message, context: Context) -> Message:
        if "metadata" in request.headers:
            await context.send_initial_metadata({"k": "v"})
            context.set_trailers(AFTER)
        if "fault" in request.headers:
            raise fault_of(request.headers["fault"])
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        try:
            for _ in range(request.batch_size):
                yield Message(id="before")
            if request.filter is None:
                raise fault_of(request.node_id)
        finally:
            if request.filter is not None:
                raise fault_of(request.node_id)

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            if "fault" in request.headers:
                raise fault_of(request.headers["fault"])
            yield request

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_timestamp=request.timestamp)


async def refusing(context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
    """An interceptor that fails in the way that the call's metadata names, before or after the handler."""
    if "late-fault" in context.metadata:
        await proceed()
    fault = context.metadata.get("early-fault") or context.metadata.get("late-fault")
    if fault is not None:
        raise fault_of(str(fault))
    await proceed()


async def by_unary(client: TransportClient, fault: str) -> None:
    await client.send_message(Message(headers={"fault": fault}))


async def by_unary_with_metadata(client: TransportClient, fault: str) -> None:
    await client.send_message(Message(headers={"fault": fault, "metadata": "1"}))


async def by_first_response(client: TransportClient, fault: str) -> None:
    async with client.stream_events(EventRequest(node_id=fault)) as stream:
        await stream.receive()


async def in_mid_stream(client: TransportClient, fault: str) -> None:
    async with client.stream_events(EventRequest(node_id=fault, batch_size=3)) as stream:
        async for message in stream:
            assert message.id == "before"


async def by_bidi(client: TransportClient, fault: str) -> None:
    async with client.stream_messages() as stream:
        await stream.send(Message(id="1"))
        assert (await stream.receive()).id == "1"
        await stream.send(Message(headers={"fault": fault}))
        await stream.receive()


async def by_interceptor(client: TransportClient, fault: str) -> None:
    await client.heartbeat(HeartbeatRequest(), metadata={"early-fault": fault})


async def by_interceptor_after_the_handler(client: TransportClient, fault: str) -> None:
    await client.heartbeat(HeartbeatRequest(), metadata={"late-fault": fault})


PHASES = (
    by_unary,
    by_unary_with_metadata,
    by_first_response,
    in_mid_stream,
    by_bidi,
    by_interceptor,
    by_interceptor_after_the_handler,
)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_a_fault_ends_its_own_call_and_no_other(wire: str, tmp_path: Path) -> None:
    async with (
        client_of(Faulty(), wire, tmp_path, [refusing]) as (client, server),
        client.stream_messages() as bystander,
    ):
        with anyio.fail_after(120):
            for fault in FAULTS:
                for phase in PHASES:
                    with pytest.raises(RpcError) as caught:
                        await phase(client, fault)
                    assert caught.value.code not in LOST, (fault, phase.__name__, caught.value)
                await bystander.send(Message(id=fault))
                assert (await bystander.receive()).id == fault
            assert server.active_calls == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_a_handler_that_fails_while_it_is_left_ends_nothing_else(wire: str, tmp_path: Path) -> None:
    async with client_of(Faulty(), wire, tmp_path) as (client, _):
        with anyio.fail_after(60):
            for fault in FAULTS:
                request = EventRequest(node_id=fault, batch_size=1_000_000, filter=EventFilter())
                async with client.stream_events(request) as stream:
                    await stream.receive()
                assert (await client.heartbeat(HeartbeatRequest(timestamp=7))).server_timestamp == 7


@pytest.mark.parametrize("wire", WIRES)
async def test_what_can_be_told_of_an_error_is_told(wire: str, tmp_path: Path) -> None:
    expected = {
        "own-constructor": (NotFound, ""),
        "default-code-is-a-name": (NotFound, "x"),
        "text-is-an-exception": (Internal, "x"),
        "text-is-a-number": (NotFound, "404"),
        "text-is-none": (NotFound, ""),
        "text-has-no-text": (NotFound, "<a Mute that has no text>"),
        "text-has-a-surrogate": (NotFound, "caf\\udce9"),
        "text-is-changed": (NotFound, "5"),
        "code-is-a-number": (NotFound, "x"),
        "code-is-no-code": (Unknown, "x"),
        "metadata-is-changed": (NotFound, "x"),
        "group-of-one": (NotFound, "x"),
        "exit": (Unknown, "the handler of /eventflux.transport.Transport/SendMessage raised SystemExit"),
    }
    async with client_of(Faulty(), wire, tmp_path) as (client, _):
        with anyio.fail_after(30):
            for fault, (kind, text) in expected.items():
                with pytest.raises(RpcError) as caught:
                    await by_unary_with_metadata(client, fault)
                assert (type(caught.value), caught.value.message) == (kind, text), fault
                assert caught.value.metadata.get("x-after") == "1"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("error", "mark"),
    [
        (Aborted("é" * 40_000), "... [cut: 7"),
        (Aborted("x", details=[ErrorDetail("t/a", bytes(100_000))]), "x... [cut: 100003 bytes of details]"),
        (Aborted("x", metadata={"k": "v" * 100_000}), "x... [cut: 100001 bytes of trailers]"),
    ],
    ids=["text", "details", "trailers"],
)
async def test_what_is_too_long_is_cut_with_a_mark(wire: str, error: Aborted, mark: str, tmp_path: Path) -> None:
    class Node(Faulty):
        async def send_message(self, request: Message, context: Context) -> Message:
            raise error

    async with client_of(Node(), wire, tmp_path) as (client, _):
        with anyio.fail_after(30), pytest.raises(Aborted) as caught:
            await client.send_message(Message())
    assert mark in caught.value.message
    assert len(caught.value.message) < 4096


@pytest.mark.parametrize(
    ("error", "mark"),
    [
        (Aborted("\U0001f600" * 3000), "... [cut: "),
        (Aborted("x" * 4000, details=[ErrorDetail("t/a", bytes(2_000))]), "x" * 4000),
        (Aborted("x" * 4000, details=[ErrorDetail("t/a", bytes(7_000))]), "... [cut: 7003 bytes of details]"),
        (
            Aborted("x", details=[ErrorDetail("t/a", bytes(5_000))], metadata={"k": "v" * 5_000}),
            "... [cut: 5001 bytes of tr",
        ),
        (Aborted("x", metadata={"k-bin": bytes(7_000)}), "... [cut: 7005 bytes of trailers]"),
        (Aborted("x", metadata={"k": "v" * 8_100}), "... [cut: 8101 bytes of trailers]"),
        (
            Aborted("x", metadata={f"key-{number}": "" for number in range(200, 450)}),
            "... [cut: 1750 bytes of trailers]",
        ),
    ],
    ids=["text", "what-fits", "details", "both", "trailers", "trailers-that-leave-grpcio-no-room", "many-trailers"],
)
async def test_a_foreign_grpc_client_gets_what_fits_its_headers(error: Aborted, mark: str, tmp_path: Path) -> None:
    class Node(Faulty):
        async def send_message(self, request: Message, context: Context) -> Message:
            raise error

    def call(target: str) -> grpc.RpcError:
        with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
            bare: Any = channel.unary_unary("/eventflux.transport.Transport/SendMessage")
            bare(b"", timeout=20)
        return caught.value

    async with client_of(Node(), "grpc", tmp_path) as (_, server):
        failure: Any = await anyio.to_thread.run_sync(call, server.endpoints[0].removeprefix("grpc://"))
    assert failure.code() is grpc.StatusCode.ABORTED
    assert mark in failure.details()


async def test_a_peer_of_eventflux_frames_gets_an_answer_to_each_fault() -> None:
    async with serve([Faulty()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        with anyio.fail_after(60):
            async with await raw_connect(server.endpoints[0].removeprefix("tcp://")) as stream:
                for fault in FAULTS:
                    await stream.send(frame(body_of(Message.event(b"a").with_header("fault", fault))))
                    answer = Message.from_wire(await read_frame(stream), "eventflux")
                    assert answer.headers["status"] not in {"OK", "UNAVAILABLE"}, fault
                await stream.send(frame(body_of(Message.event(b"b"))))
                assert Message.from_wire(await read_frame(stream), "eventflux").payload == b"b"


class Wrong(TransportService):
    """Handlers whose results are neither awaitable nor iterable, or not in the form that they say they are."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def send_message(self, request: Message, context: Context) -> Any:
        return self.result()

    def stream_events(self, request: EventRequest, context: Context) -> Any:
        return self.result()

    def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> Any:
        return self.result()

    def heartbeat(self, request: HeartbeatRequest, context: Context) -> Any:
        return self.result()


class NoIterator:
    def __aiter__(self) -> Any:
        return self


class RaisingIterator(NoIterator):
    def __aiter__(self) -> Any:
        raise ZeroDivisionError


class NoAwaitable(NoIterator):
    def __anext__(self) -> Any:
        return self

    def __await__(self) -> Any:
        return self

    def aclose(self) -> Any:
        return self


async def coroutine() -> Any:
    return object()


WRONG_RESULTS: dict[str, Callable[[], Any]] = {
    "object": object,
    "none": lambda: None,
    "list": lambda: [Message()],
    "generator": lambda: (Message() for _ in range(2)),
    "coroutine": coroutine,
    "no-iterator": NoIterator,
    "raising-iterator": RaisingIterator,
    "no-awaitable": NoAwaitable,
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("result", WRONG_RESULTS)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_a_handler_of_the_wrong_form_fails_its_calls(wire: str, result: str, tmp_path: Path) -> None:
    async with client_of(Wrong(WRONG_RESULTS[result]), wire, tmp_path) as (client, _):
        with anyio.fail_after(30):
            for _ in range(3):
                with pytest.raises(RpcError) as unary:
                    await client.send_message(Message())
                with pytest.raises(RpcError) as served:
                    async with client.stream_events(EventRequest()) as events:
                        await events.receive()
                with pytest.raises(RpcError) as bidi:
                    async with client.stream_messages() as messages:
                        await messages.receive()
                assert not {unary.value.code, served.value.code, bidi.value.code} & LOST
