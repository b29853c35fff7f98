"""gRPC's interoperability service and cases in plain grpcio: its asyncio API, and protobuf's own classes.

The server's rules and the client's steps are those of
https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio

from interop_package import interop_pb2 as pb
from interop_package import interop_pb2_grpc as rpc
from tests.support.interop_cases import REQUEST_BYTES, REQUESTS, RESPONSE_BYTES, RESPONSES, SPECIAL_TEXT
from tests.support.interop_service import ECHO_INITIAL, ECHO_TRAILING, RequestFlags

__all__ = ["RAW_CASES", "RawCase", "raw_interop_server"]

RawCase: TypeAlias = Callable[[aio.Channel], Awaitable[None]]
LONG_S: Final = 30.0


def _payload(size: int) -> pb.Payload:
    return pb.Payload(body=bytes(size))


class RawInterop(rpc.TestServiceServicer):
    """The server. What its names are is the IDL's affair."""

    def __init__(self, flags: RequestFlags | None) -> None:
        self._flags = flags

    async def EmptyCall(self, request: pb.Empty, context: Any) -> pb.Empty:  # noqa: N802 - the IDL's name
        return request

    async def UnaryCall(  # noqa: N802 - the IDL's name
        self, request: pb.SimpleRequest, context: Any
    ) -> pb.SimpleResponse:
        await self._check_flag(0, request, context)
        await _check_status(request, context)
        if request.HasField("response_compressed") and request.response_compressed.value:
            # grpc.aio tells the client of it with initial metadata alone, and sends the message plain without.
            context.set_compression(grpc.Compression.Gzip)
            await context.send_initial_metadata(())
        await _echo_metadata(context)
        return pb.SimpleResponse(payload=_payload(request.response_size))

    async def StreamingOutputCall(  # noqa: N802 - the IDL's name
        self, request: pb.StreamingOutputCallRequest, context: Any
    ) -> AsyncIterator[pb.StreamingOutputCallResponse]:
        if any(wanted.HasField("compressed") for wanted in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        for wanted in request.response_parameters:
            if wanted.HasField("compressed") and not wanted.compressed.value:
                context.disable_next_message_compression()
            yield pb.StreamingOutputCallResponse(payload=_payload(wanted.size))

    async def StreamingInputCall(  # noqa: N802 - the IDL's name
        self, request_iterator: AsyncIterator[pb.StreamingInputCallRequest], context: Any
    ) -> pb.StreamingInputCallResponse:
        size = count = 0
        async for request in request_iterator:
            await self._check_flag(count, request, context)
            size += len(request.payload.body)
            count += 1
        return pb.StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(  # noqa: N802 - the IDL's name
        self, request_iterator: AsyncIterator[pb.StreamingOutputCallRequest], context: Any
    ) -> AsyncIterator[pb.StreamingOutputCallResponse]:
        await _echo_metadata(context)
        async for request in request_iterator:
            await _check_status(request, context)
            for wanted in request.response_parameters:
                yield pb.StreamingOutputCallResponse(payload=_payload(wanted.size))

    async def _check_flag(self, index: int, request: Any, context: Any) -> None:
        if not request.HasField("expect_compressed") or self._flags is None:
            return
        if self._flags()[index] is not request.expect_compressed.value:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"request {index} came the other way")


async def _echo_metadata(context: Any) -> None:
    sent = list(context.invocation_metadata())
    initial = tuple((key, value) for key, value in sent if key == ECHO_INITIAL)
    if initial:
        await context.send_initial_metadata(initial)
    context.set_trailing_metadata(tuple((key, value) for key, value in sent if key == ECHO_TRAILING))


async def _check_status(request: Any, context: Any) -> None:
    wanted = request.response_status
    if wanted.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == wanted.code)
        await context.abort(code, wanted.message)


@contextmanager
def raw_interop_server(flags: RequestFlags | None = None) -> Iterator[str]:
    """A plain grpcio server on a thread of its own; its URL."""
    started = threading.Event()
    parts: list[Any] = []

    async def serve() -> None:
        loop, stop, server = asyncio.get_running_loop(), asyncio.Event(), aio.server()
        rpc.add_TestServiceServicer_to_server(RawInterop(flags), server)
        parts.extend([server.add_insecure_port("127.0.0.1:0"), lambda: loop.call_soon_threadsafe(stop.set)])
        await server.start()
        started.set()
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield f"grpc://127.0.0.1:{parts[0]}"
    finally:
        parts[1]()
        thread.join()


# -- the client


def _stub(channel: aio.Channel) -> Any:
    return rpc.TestServiceStub(channel)


def _large_request() -> pb.SimpleRequest:
    return pb.SimpleRequest(response_size=RESPONSE_BYTES, payload=_payload(REQUEST_BYTES))


async def _failure(call: Any) -> aio.AioRpcError:
    try:
        await call
    except aio.AioRpcError as error:
        return error
    raise AssertionError("the call succeeded")


async def empty_unary(channel: aio.Channel) -> None:
    assert await _stub(channel).EmptyCall(pb.Empty(), timeout=LONG_S) == pb.Empty()


async def large_unary(channel: aio.Channel) -> None:
    response = await _stub(channel).UnaryCall(_large_request(), timeout=LONG_S)
    assert response == pb.SimpleResponse(payload=_payload(RESPONSE_BYTES))


async def client_compressed_unary(channel: aio.Channel) -> None:
    """The probe and the compressed call; that each travelled so is for whoever has a tap."""
    request = _large_request()
    request.expect_compressed.value = True
    probe = await _failure(_stub(channel).UnaryCall(request, timeout=LONG_S))
    assert probe.code() is grpc.StatusCode.INVALID_ARGUMENT
    response = await _stub(channel).UnaryCall(request, timeout=LONG_S, compression=grpc.Compression.Gzip)
    assert len(response.payload.body) == RESPONSE_BYTES
    request.expect_compressed.value = False
    response = await _stub(channel).UnaryCall(request, timeout=LONG_S)
    assert len(response.payload.body) == RESPONSE_BYTES


async def server_compressed_unary(channel: aio.Channel) -> None:
    for wanted in (True, False):
        request = _large_request()
        request.response_compressed.value = wanted
        response = await _stub(channel).UnaryCall(request, timeout=LONG_S)
        assert len(response.payload.body) == RESPONSE_BYTES


async def client_streaming(channel: aio.Channel) -> None:
    async def requests() -> AsyncIterator[pb.StreamingInputCallRequest]:
        for size in REQUESTS:
            yield pb.StreamingInputCallRequest(payload=_payload(size))

    response = await _stub(channel).StreamingInputCall(requests(), timeout=LONG_S)
    assert response.aggregated_payload_size == 74922


async def server_streaming(channel: aio.Channel) -> None:
    parameters = [pb.ResponseParameters(size=size) for size in RESPONSES]
    stream = _stub(channel).StreamingOutputCall(
        pb.StreamingOutputCallRequest(response_parameters=parameters), timeout=LONG_S
    )
    assert [len(response.payload.body) async for response in stream] == list(RESPONSES)


async def server_compressed_streaming(channel: aio.Channel) -> None:
    parameters = [
        pb.ResponseParameters(size=31415, compressed=pb.BoolValue(value=True)),
        pb.ResponseParameters(size=92653, compressed=pb.BoolValue(value=False)),
    ]
    stream = _stub(channel).StreamingOutputCall(
        pb.StreamingOutputCallRequest(response_parameters=parameters), timeout=LONG_S
    )
    assert [len(response.payload.body) async for response in stream] == [31415, 92653]


def _asking_for(wanted: int, sent: int) -> pb.StreamingOutputCallRequest:
    return pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=wanted)], payload=_payload(sent)
    )


async def ping_pong(channel: aio.Channel) -> None:
    stream = _stub(channel).FullDuplexCall(timeout=LONG_S)
    for sent, wanted in zip(REQUESTS, RESPONSES, strict=True):
        await stream.write(_asking_for(wanted, sent))
        assert len((await stream.read()).payload.body) == wanted
    await stream.done_writing()
    assert await stream.read() is aio.EOF


async def empty_stream(channel: aio.Channel) -> None:
    stream = _stub(channel).FullDuplexCall(timeout=LONG_S)
    await stream.done_writing()
    assert await stream.read() is aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def custom_metadata(channel: aio.Channel) -> None:
    initial, trailing = (ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab")
    unary = _stub(channel).UnaryCall(_large_request(), metadata=(initial, trailing), timeout=LONG_S)
    await unary
    stream = _stub(channel).FullDuplexCall(metadata=(initial, trailing), timeout=LONG_S)
    await stream.write(_asking_for(RESPONSE_BYTES, REQUEST_BYTES))
    await stream.done_writing()
    assert len((await stream.read()).payload.body) == RESPONSE_BYTES
    assert await stream.read() is aio.EOF
    for call in (unary, stream):
        assert initial in tuple(await call.initial_metadata())
        assert trailing in tuple(await call.trailing_metadata())


async def status_code_and_message(channel: aio.Channel) -> None:
    wanted = pb.EchoStatus(code=2, message="test status message")
    unary = await _failure(_stub(channel).UnaryCall(pb.SimpleRequest(response_status=wanted), timeout=LONG_S))
    stream = _stub(channel).FullDuplexCall(timeout=LONG_S)
    await stream.write(pb.StreamingOutputCallRequest(response_status=wanted))
    streamed = await _failure(stream.read())
    for error in (unary, streamed):
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, "test status message")


async def special_status_message(channel: aio.Channel) -> None:
    request = pb.SimpleRequest(response_status=pb.EchoStatus(code=2, message=SPECIAL_TEXT))
    error = await _failure(_stub(channel).UnaryCall(request, timeout=LONG_S))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, SPECIAL_TEXT)


async def unimplemented_method(channel: aio.Channel) -> None:
    call: Any = channel.unary_unary("/grpc.testing.TestService/UnimplementedCall")
    assert (await _failure(call(b"", timeout=LONG_S))).code() is grpc.StatusCode.UNIMPLEMENTED


async def unimplemented_service(channel: aio.Channel) -> None:
    stub: Any = rpc.UnimplementedServiceStub(channel)
    error = await _failure(stub.UnimplementedCall(pb.Empty(), timeout=LONG_S))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def cancel_after_begin(channel: aio.Channel) -> None:
    stream = _stub(channel).StreamingInputCall(timeout=LONG_S)
    stream.cancel()
    assert await stream.code() is grpc.StatusCode.CANCELLED


async def cancel_after_first_response(channel: aio.Channel) -> None:
    stream = _stub(channel).FullDuplexCall(timeout=LONG_S)
    await stream.write(_asking_for(RESPONSES[0], REQUESTS[0]))
    assert len((await stream.read()).payload.body) == RESPONSES[0]
    stream.cancel()
    assert await stream.code() is grpc.StatusCode.CANCELLED


async def timeout_on_sleeping_server(channel: aio.Channel) -> None:
    stream = _stub(channel).FullDuplexCall(timeout=0.001)
    assert (await _failure(stream.read())).code() is grpc.StatusCode.DEADLINE_EXCEEDED


RAW_CASES: Final[dict[str, RawCase]] = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_compressed_unary,
        server_compressed_unary,
        client_streaming,
        server_streaming,
        server_compressed_streaming,
        ping_pong,
        empty_stream,
        custom_metadata,
        status_code_and_message,
        special_status_message,
        unimplemented_method,
        unimplemented_service,
        cancel_after_begin,
        cancel_after_first_response,
        timeout_on_sleeping_server,
    )
}
"""The cases by name. client_compressed_streaming is not among them: grpc.aio's client cannot send one message plain."""
