"""gRPC's interoperability test cases, made by our client against any server.

Each function is the case of its name in https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeAlias

import anyio
import pytest

from eventflux_runtime import (
    Cancelled,
    Channel,
    Compression,
    DeadlineExceeded,
    InvalidArgument,
    Metadata,
    ResponseInfo,
    RpcError,
    StatusCode,
    Unimplemented,
)
from interop_package import (
    BoolValue,
    EchoStatus,
    Empty,
    Payload,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingOutputCallRequest,
    TestServiceClient,
    UnimplementedServiceClient,
)
from interop_package.methods import UNIMPLEMENTED_SERVICE_UNIMPLEMENTED_CALL
from tests.support.http2_tap import Tap
from tests.support.interop_service import ECHO_INITIAL, ECHO_TRAILING, body_of

__all__ = ["CASES", "COMPRESSED_CASES", "REQUEST_BYTES", "RESPONSE_BYTES", "Case", "CompressedCase", "large_request"]

Case: TypeAlias = Callable[[Channel], Coroutine[Any, Any, None]]
CompressedCase: TypeAlias = Callable[[Channel, Tap], Coroutine[Any, Any, None]]

REQUEST_BYTES: Final = 271828
RESPONSE_BYTES: Final = 314159
REQUESTS: Final = (27182, 8, 1828, 45904)
RESPONSES: Final = (31415, 9, 2653, 58979)
SPECIAL_TEXT: Final = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
LONG_S: Final = 30.0
YES: Final = BoolValue(value=True)
NO: Final = BoolValue(value=False)


def large_request() -> SimpleRequest:
    """The request of most cases."""
    return SimpleRequest(response_size=RESPONSE_BYTES, payload=Payload(body=bytes(REQUEST_BYTES)))


def _size(payload: Payload | None) -> int:
    assert payload is not None
    return len(payload.body)


async def empty_unary(channel: Channel) -> None:
    assert await TestServiceClient(channel).empty_call(Empty(), timeout_s=LONG_S) == Empty()


async def large_unary(channel: Channel) -> None:
    response = await TestServiceClient(channel).unary_call(large_request(), timeout_s=LONG_S)
    assert response == SimpleResponse(payload=Payload(body=bytes(RESPONSE_BYTES)))


async def client_streaming(channel: Channel) -> None:
    async with TestServiceClient(channel).streaming_input_call(timeout_s=LONG_S) as stream:
        for size in REQUESTS:
            await stream.send(StreamingInputCallRequest(payload=Payload(body=bytes(size))))
        assert (await stream.finish()).aggregated_payload_size == 74922


async def server_streaming(channel: Channel) -> None:
    request = StreamingOutputCallRequest(response_parameters=[ResponseParameters(size=size) for size in RESPONSES])
    async with TestServiceClient(channel).streaming_output_call(request, timeout_s=LONG_S) as stream:
        assert [_size(response.payload) async for response in stream] == list(RESPONSES)


async def ping_pong(channel: Channel) -> None:
    async with TestServiceClient(channel).full_duplex_call(timeout_s=LONG_S) as stream:
        for sent, wanted in zip(REQUESTS, RESPONSES, strict=True):
            await stream.send(_asking_for(wanted, sent))
            assert _size((await stream.receive()).payload) == wanted
        await stream.end()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


def _asking_for(wanted: int, sent: int) -> StreamingOutputCallRequest:
    return StreamingOutputCallRequest(
        response_parameters=[ResponseParameters(size=wanted)], payload=Payload(body=bytes(sent))
    )


async def empty_stream(channel: Channel) -> None:
    async with TestServiceClient(channel).full_duplex_call(timeout_s=LONG_S) as stream:
        await stream.end()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def custom_metadata(channel: Channel) -> None:
    initial, trailing = (ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab")
    client, info = TestServiceClient(channel), ResponseInfo()
    await client.unary_call(large_request(), metadata=[initial, trailing], timeout_s=LONG_S, response=info)
    _check_echoed(info.initial_metadata, info.trailers)
    async with client.full_duplex_call(metadata=[initial, trailing], timeout_s=LONG_S) as stream:
        await stream.send(_asking_for(RESPONSE_BYTES, REQUEST_BYTES))
        await stream.end()
        assert [_size(response.payload) async for response in stream] == [RESPONSE_BYTES]
        _check_echoed(await stream.initial_metadata(), stream.trailers)


def _check_echoed(initial: Metadata, trailers: Metadata) -> None:
    assert [value for key, value in initial if key == ECHO_INITIAL] == ["test_initial_metadata_value"]
    assert [value for key, value in trailers if key == ECHO_TRAILING] == [b"\xab\xab\xab"]


async def status_code_and_message(channel: Channel) -> None:
    client, wanted = TestServiceClient(channel), EchoStatus(code=2, message="test status message")
    with pytest.raises(RpcError) as unary:
        await client.unary_call(SimpleRequest(response_status=wanted), timeout_s=LONG_S)
    async with client.full_duplex_call(timeout_s=LONG_S) as stream:
        await stream.send(StreamingOutputCallRequest(response_status=wanted))
        await stream.end()
        with pytest.raises(RpcError) as streamed:
            await stream.receive()
    for error in (unary.value, streamed.value):
        assert (error.code, error.message) == (StatusCode.UNKNOWN, "test status message")


async def special_status_message(channel: Channel) -> None:
    request = SimpleRequest(response_status=EchoStatus(code=2, message=SPECIAL_TEXT))
    with pytest.raises(RpcError) as failed:
        await TestServiceClient(channel).unary_call(request, timeout_s=LONG_S)
    assert (failed.value.code, failed.value.message) == (StatusCode.UNKNOWN, SPECIAL_TEXT)


async def unimplemented_method(channel: Channel) -> None:
    method = replace(UNIMPLEMENTED_SERVICE_UNIMPLEMENTED_CALL, service="grpc.testing.TestService")
    with pytest.raises(Unimplemented):
        await channel.unary(method, Empty(), timeout_s=LONG_S)


async def unimplemented_service(channel: Channel) -> None:
    with pytest.raises(Unimplemented):
        await UnimplementedServiceClient(channel).unimplemented_call(Empty(), timeout_s=LONG_S)


async def cancel_after_begin(channel: Channel) -> None:
    async with TestServiceClient(channel).streaming_input_call(timeout_s=LONG_S) as stream:
        stream.cancel()
        with pytest.raises(Cancelled):
            await stream.finish()
    assert stream.status is not None
    assert stream.status.code is StatusCode.CANCELLED


async def cancel_after_first_response(channel: Channel) -> None:
    async with TestServiceClient(channel).full_duplex_call(timeout_s=LONG_S) as stream:
        await stream.send(_asking_for(RESPONSES[0], REQUESTS[0]))
        assert _size((await stream.receive()).payload) == RESPONSES[0]
        stream.cancel()
        with pytest.raises(Cancelled):
            await stream.receive()


async def timeout_on_sleeping_server(channel: Channel) -> None:
    with pytest.raises(DeadlineExceeded):
        async with TestServiceClient(channel).full_duplex_call(timeout_s=0.001) as stream:
            await stream.send(StreamingOutputCallRequest(payload=Payload(body=bytes(REQUESTS[0]))))
            await stream.receive()


CASES: Final[dict[str, Case]] = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_streaming,
        server_streaming,
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
"""The cases that any server takes, by name."""


# What follows looks at the bytes, by a tap; its calls have to come one at a time. Our client compresses for servers
# that have said what they read. Not each says so with an error, so a call that succeeds comes ahead of the cases.


async def client_compressed_unary(channel: Channel, tap: Tap) -> None:
    client = TestServiceClient(channel)
    await empty_unary(channel)
    compressed, plain = _expecting(large_request(), YES), _expecting(large_request(), NO)
    with pytest.raises(InvalidArgument):
        await client.unary_call(compressed, timeout_s=LONG_S)
    for request, compression in ((compressed, Compression.GZIP), (plain, Compression.NONE)):
        response = await client.unary_call(request, compression=compression, timeout_s=LONG_S)
        assert _size(response.payload) == RESPONSE_BYTES
    assert [call.request_flags for call in tap.calls[1:]] == [[False], [True], [False]]
    assert tap.calls[2].request_encoding == "gzip"


def _expecting(request: SimpleRequest, expected: BoolValue) -> SimpleRequest:
    """The request, with what the server has to expect of it."""
    request.expect_compressed = expected
    return request


async def server_compressed_unary(channel: Channel, tap: Tap) -> None:
    for wanted in (YES, NO):
        request = large_request()
        request.response_compressed = wanted
        response = await TestServiceClient(channel).unary_call(request, timeout_s=LONG_S)
        assert _size(response.payload) == RESPONSE_BYTES
        assert tap.calls[-1].response_flags == [wanted.value]


async def client_compressed_streaming(channel: Channel, tap: Tap) -> None:
    client = TestServiceClient(channel)
    await empty_unary(channel)
    first = StreamingInputCallRequest(payload=Payload(body=bytes(27182)), expect_compressed=YES)
    # Compression is told for a call, not for a message; what does not shrink goes plain all the same.
    second = StreamingInputCallRequest(payload=Payload(body=body_of(45904, NO)), expect_compressed=NO)
    async with client.streaming_input_call(timeout_s=LONG_S) as probe:
        await probe.send(first)
        with pytest.raises(InvalidArgument):
            await probe.finish()
    async with client.streaming_input_call(compression=Compression.GZIP, timeout_s=LONG_S) as stream:
        await stream.send(first)
        await stream.send(second)
        assert (await stream.finish()).aggregated_payload_size == 73086
    assert [call.request_flags for call in tap.calls[1:]] == [[False], [True, False]]


async def server_compressed_streaming(channel: Channel, tap: Tap) -> None:
    parameters = [ResponseParameters(compressed=YES, size=31415), ResponseParameters(compressed=NO, size=92653)]
    request = StreamingOutputCallRequest(response_parameters=parameters)
    async with TestServiceClient(channel).streaming_output_call(request, timeout_s=LONG_S) as stream:
        assert [_size(response.payload) async for response in stream] == [31415, 92653]
    assert tap.calls[-1].response_flags == [True, False]


COMPRESSED_CASES: Final[dict[str, CompressedCase]] = {
    case.__name__: case
    for case in (
        client_compressed_unary,
        server_compressed_unary,
        client_compressed_streaming,
        server_compressed_streaming,
    )
}
"""The cases that ask how messages travel, by name."""
