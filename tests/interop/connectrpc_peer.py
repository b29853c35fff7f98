"""gRPC's interoperability cases by connectrpc's client: its gRPC protocol over pyqwest, whose HTTP/2 is Rust's hyper.

The steps are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import pytest
from connectrpc.client import ConnectClient, ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.method import StreamType as Kind
from connectrpc.protocol import ProtocolType
from pyqwest import Client, HTTPTransport, HTTPVersion

from interop_package import interop_pb2 as pb
from tests.support.interop_cases import REQUEST_BYTES, REQUESTS, RESPONSE_BYTES, RESPONSES, SPECIAL_TEXT
from tests.support.interop_service import ECHO_INITIAL, ECHO_TRAILING

__all__ = ["CONNECT_CASES", "connect_client"]

ConnectCase: TypeAlias = Callable[[ConnectClient], Coroutine[Any, Any, None]]
LONG_MS: Final = 30_000


def _method(name: str, kind: Kind, request: type[Any], response: type[Any], service: str = "TestService") -> Any:
    return MethodInfo(
        name=name,
        service_name=f"grpc.testing.{service}",
        input=request,
        output=response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


EMPTY_CALL: Final = _method("EmptyCall", Kind.UNARY, pb.Empty, pb.Empty)
UNARY_CALL: Final = _method("UnaryCall", Kind.UNARY, pb.SimpleRequest, pb.SimpleResponse)
INPUT_CALL: Final = _method(
    "StreamingInputCall", Kind.CLIENT_STREAM, pb.StreamingInputCallRequest, pb.StreamingInputCallResponse
)
OUTPUT_CALL: Final = _method(
    "StreamingOutputCall", Kind.SERVER_STREAM, pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse
)
DUPLEX_CALL: Final = _method(
    "FullDuplexCall", Kind.BIDI_STREAM, pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse
)
UNKNOWN_METHOD: Final = _method("UnimplementedCall", Kind.UNARY, pb.Empty, pb.Empty)
UNKNOWN_SERVICE: Final = _method("UnimplementedCall", Kind.UNARY, pb.Empty, pb.Empty, "UnimplementedService")


@asynccontextmanager
async def connect_client(url: str) -> AsyncIterator[ConnectClient]:
    """A client that speaks gRPC to an ``http://`` URL."""
    async with (
        HTTPTransport(http_version=HTTPVersion.HTTP2) as transport,
        ConnectClient(
            url,
            codec=google_protobuf_binary_codec(),
            protocol=ProtocolType.GRPC,
            send_compression=None,
            http_client=Client(transport),
        ) as client,
    ):
        yield client


def _payload(size: int) -> pb.Payload:
    return pb.Payload(body=bytes(size))


def _large_request() -> pb.SimpleRequest:
    return pb.SimpleRequest(response_size=RESPONSE_BYTES, payload=_payload(REQUEST_BYTES))


def _asking_for(wanted: int, sent: int) -> pb.StreamingOutputCallRequest:
    parameters = [pb.ResponseParameters(size=wanted)]
    return pb.StreamingOutputCallRequest(response_parameters=parameters, payload=_payload(sent))


def _unary(client: ConnectClient, request: Any, method: Any, headers: Mapping[str, str] | None = None) -> Any:
    return client.execute_unary(request=request, method=method, headers=headers, timeout_ms=LONG_MS)


def _duplex(
    client: ConnectClient, requests: AsyncIterator[Any], headers: Mapping[str, str] | None = None, ms: int = LONG_MS
) -> AsyncIterator[Any]:
    return client.execute_bidi_stream(request=requests, method=DUPLEX_CALL, headers=headers, timeout_ms=ms)


async def _each(*requests: Any) -> AsyncIterator[Any]:
    for request in requests:
        yield request


async def empty_unary(client: ConnectClient) -> None:
    assert await _unary(client, pb.Empty(), EMPTY_CALL) == pb.Empty()


async def large_unary(client: ConnectClient) -> None:
    response = await _unary(client, _large_request(), UNARY_CALL)
    assert response == pb.SimpleResponse(payload=_payload(RESPONSE_BYTES))


async def client_streaming(client: ConnectClient) -> None:
    requests = _each(*[pb.StreamingInputCallRequest(payload=_payload(size)) for size in REQUESTS])
    response = await client.execute_client_stream(request=requests, method=INPUT_CALL, timeout_ms=LONG_MS)
    assert response.aggregated_payload_size == 74922


async def server_streaming(client: ConnectClient) -> None:
    request = pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=n) for n in RESPONSES])
    responses = client.execute_server_stream(request=request, method=OUTPUT_CALL, timeout_ms=LONG_MS)
    assert [len(response.payload.body) async for response in responses] == list(RESPONSES)


async def ping_pong(client: ConnectClient) -> None:
    answered = asyncio.Semaphore(1)

    async def requests() -> AsyncIterator[Any]:
        for sent, wanted in zip(REQUESTS, RESPONSES, strict=True):
            await answered.acquire()
            yield _asking_for(wanted, sent)
        await answered.acquire()

    sizes = []
    async for response in _duplex(client, requests()):
        sizes.append(len(response.payload.body))
        answered.release()
    assert sizes == list(RESPONSES)


async def empty_stream(client: ConnectClient) -> None:
    assert [response async for response in _duplex(client, _each())] == []


async def custom_metadata(client: ConnectClient) -> None:
    value = base64.b64encode(b"\xab\xab\xab").decode()
    headers = {ECHO_INITIAL: "test_initial_metadata_value", ECHO_TRAILING: value}
    with ResponseMetadata() as unary:
        await _unary(client, _large_request(), UNARY_CALL, headers)
    with ResponseMetadata() as streamed:
        requests = _each(_asking_for(RESPONSE_BYTES, REQUEST_BYTES))
        sizes = [len(response.payload.body) async for response in _duplex(client, requests, headers)]
    assert sizes == [RESPONSE_BYTES]
    for metadata in (unary, streamed):
        assert metadata.headers[ECHO_INITIAL] == "test_initial_metadata_value"
        assert metadata.trailers[ECHO_TRAILING].rstrip("=") == value


async def status_code_and_message(client: ConnectClient) -> None:
    wanted = pb.EchoStatus(code=2, message="test status message")
    with pytest.raises(ConnectError) as unary:
        await _unary(client, pb.SimpleRequest(response_status=wanted), UNARY_CALL)
    with pytest.raises(ConnectError) as streamed:
        await anext(_duplex(client, _each(pb.StreamingOutputCallRequest(response_status=wanted))))
    for error in (unary.value, streamed.value):
        assert (error.code, error.message) == (Code.UNKNOWN, "test status message")


async def special_status_message(client: ConnectClient) -> None:
    with pytest.raises(ConnectError) as failed:
        request = pb.SimpleRequest(response_status=pb.EchoStatus(code=2, message=SPECIAL_TEXT))
        await _unary(client, request, UNARY_CALL)
    assert (failed.value.code, failed.value.message) == (Code.UNKNOWN, SPECIAL_TEXT)


async def unimplemented_method(client: ConnectClient) -> None:
    with pytest.raises(ConnectError) as failed:
        await _unary(client, pb.Empty(), UNKNOWN_METHOD)
    assert failed.value.code is Code.UNIMPLEMENTED


async def unimplemented_service(client: ConnectClient) -> None:
    with pytest.raises(ConnectError) as failed:
        await _unary(client, pb.Empty(), UNKNOWN_SERVICE)
    assert failed.value.code is Code.UNIMPLEMENTED


async def cancel_after_first_response(client: ConnectClient) -> None:
    is_over = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield _asking_for(RESPONSES[0], REQUESTS[0])
        await is_over.wait()

    responses: Any = _duplex(client, requests())
    assert len((await anext(responses)).payload.body) == RESPONSES[0]
    await responses.aclose()
    is_over.set()


async def timeout_on_sleeping_server(client: ConnectClient) -> None:
    is_over = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield pb.StreamingOutputCallRequest(payload=_payload(REQUESTS[0]))
        await is_over.wait()

    with pytest.raises(ConnectError) as failed:
        await anext(_duplex(client, requests(), ms=1))
    is_over.set()
    assert failed.value.code is Code.DEADLINE_EXCEEDED


CONNECT_CASES: Final[dict[str, ConnectCase]] = {
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
        cancel_after_first_response,
        timeout_on_sleeping_server,
    )
}
"""The cases by name. A call cannot be cancelled there before it has sent something."""
