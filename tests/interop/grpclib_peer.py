"""gRPC's interoperability service and cases by grpclib, which speaks HTTP/2 by the library h2.

The rules are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

import pytest
from grpclib.client import Channel, StreamStreamMethod, StreamUnaryMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from interop_package import interop_pb2 as pb
from tests.support.interop_cases import REQUEST_BYTES, REQUESTS, RESPONSE_BYTES, RESPONSES, SPECIAL_TEXT
from tests.support.interop_service import ECHO_INITIAL, ECHO_TRAILING

__all__ = ["GRPCLIB_CASES"]

GrpclibCase: TypeAlias = Callable[[Channel], Coroutine[Any, Any, None]]
LONG_S: Final = 30.0
SERVICE: Final = "/grpc.testing.TestService"


def _payload(size: int) -> pb.Payload:
    return pb.Payload(body=bytes(size))


class GrpclibInterop:
    """The server."""

    def __mapping__(self) -> dict[str, Handler]:
        unary, upload, download, duplex = (
            Cardinality.UNARY_UNARY,
            Cardinality.STREAM_UNARY,
            Cardinality.UNARY_STREAM,
            Cardinality.STREAM_STREAM,
        )
        out = (pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse)
        counted = (pb.StreamingInputCallRequest, pb.StreamingInputCallResponse)
        return {
            f"{SERVICE}/EmptyCall": Handler(self.empty_call, unary, pb.Empty, pb.Empty),
            f"{SERVICE}/UnaryCall": Handler(self.unary_call, unary, pb.SimpleRequest, pb.SimpleResponse),
            f"{SERVICE}/StreamingOutputCall": Handler(self.full_duplex_call, download, *out),
            f"{SERVICE}/StreamingInputCall": Handler(self.streaming_input_call, upload, *counted),
            f"{SERVICE}/FullDuplexCall": Handler(self.full_duplex_call, duplex, *out),
        }

    async def empty_call(self, stream: Stream[pb.Empty, pb.Empty]) -> None:
        request = await stream.recv_message()
        assert request is not None
        await stream.send_message(request)

    async def unary_call(self, stream: Stream[pb.SimpleRequest, pb.SimpleResponse]) -> None:
        await _send_initial(stream)
        request = await stream.recv_message()
        assert request is not None
        _check_status(request.response_status)
        await stream.send_message(pb.SimpleResponse(payload=_payload(request.response_size)))
        await _send_trailing(stream)

    async def streaming_input_call(
        self, stream: Stream[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]
    ) -> None:
        size = 0
        async for request in stream:
            size += len(request.payload.body)
        await stream.send_message(pb.StreamingInputCallResponse(aggregated_payload_size=size))

    async def full_duplex_call(
        self, stream: Stream[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
    ) -> None:
        await _send_initial(stream)
        async for request in stream:
            _check_status(request.response_status)
            for wanted in request.response_parameters:
                await stream.send_message(pb.StreamingOutputCallResponse(payload=_payload(wanted.size)))
        await _send_trailing(stream)


async def _send_initial(stream: Stream[Any, Any]) -> None:
    sent: Any = stream.metadata
    await stream.send_initial_metadata(metadata={key: sent[key] for key in sent if key == ECHO_INITIAL})


async def _send_trailing(stream: Stream[Any, Any]) -> None:
    sent: Any = stream.metadata
    await stream.send_trailing_metadata(metadata={key: sent[key] for key in sent if key == ECHO_TRAILING})


def _check_status(wanted: pb.EchoStatus) -> None:
    if wanted.code:
        raise GRPCError(Status(wanted.code), wanted.message)


async def serve() -> None:
    """Serves until the process is killed; prints the address."""
    server = Server([GrpclibInterop()])
    await server.start("127.0.0.1", 0)
    sockets: Any = getattr(server, "_server").sockets  # noqa: B009 - nothing public tells the port
    print(f"127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await server.wait_closed()


# -- the client


def _empty_call(channel: Channel, path: str = f"{SERVICE}/EmptyCall") -> UnaryUnaryMethod[pb.Empty, pb.Empty]:
    return UnaryUnaryMethod(channel, path, pb.Empty, pb.Empty)


def _unary_call(channel: Channel) -> UnaryUnaryMethod[pb.SimpleRequest, pb.SimpleResponse]:
    return UnaryUnaryMethod(channel, f"{SERVICE}/UnaryCall", pb.SimpleRequest, pb.SimpleResponse)


def _input_call(
    channel: Channel,
) -> StreamUnaryMethod[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]:
    name = f"{SERVICE}/StreamingInputCall"
    return StreamUnaryMethod(channel, name, pb.StreamingInputCallRequest, pb.StreamingInputCallResponse)


def _duplex_call(
    channel: Channel,
) -> StreamStreamMethod[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]:
    name = f"{SERVICE}/FullDuplexCall"
    return StreamStreamMethod(channel, name, pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse)


def _large_request() -> pb.SimpleRequest:
    return pb.SimpleRequest(response_size=RESPONSE_BYTES, payload=_payload(REQUEST_BYTES))


def _asking_for(wanted: int, sent: int) -> pb.StreamingOutputCallRequest:
    parameters = [pb.ResponseParameters(size=wanted)]
    return pb.StreamingOutputCallRequest(response_parameters=parameters, payload=_payload(sent))


def _size(response: pb.StreamingOutputCallResponse | None) -> int:
    assert response is not None
    return len(response.payload.body)


async def empty_unary(channel: Channel) -> None:
    assert await _empty_call(channel)(pb.Empty(), timeout=LONG_S) == pb.Empty()


async def large_unary(channel: Channel) -> None:
    response = await _unary_call(channel)(_large_request(), timeout=LONG_S)
    assert response == pb.SimpleResponse(payload=_payload(RESPONSE_BYTES))


async def client_streaming(channel: Channel) -> None:
    requests = [pb.StreamingInputCallRequest(payload=_payload(size)) for size in REQUESTS]
    assert (await _input_call(channel)(requests, timeout=LONG_S)).aggregated_payload_size == 74922


async def server_streaming(channel: Channel) -> None:
    name = f"{SERVICE}/StreamingOutputCall"
    method = UnaryStreamMethod(channel, name, pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse)
    parameters = [pb.ResponseParameters(size=size) for size in RESPONSES]
    responses = await method(pb.StreamingOutputCallRequest(response_parameters=parameters), timeout=LONG_S)
    assert [_size(response) for response in responses] == list(RESPONSES)


async def ping_pong(channel: Channel) -> None:
    async with _duplex_call(channel).open(timeout=LONG_S) as stream:
        for sent, wanted in zip(REQUESTS, RESPONSES, strict=True):
            await stream.send_message(_asking_for(wanted, sent))
            assert _size(await stream.recv_message()) == wanted
        await stream.end()
        assert await stream.recv_message() is None


async def empty_stream(channel: Channel) -> None:
    async with _duplex_call(channel).open(timeout=LONG_S) as stream:
        await stream.send_request(end=True)
        assert await stream.recv_message() is None


async def custom_metadata(channel: Channel) -> None:
    metadata: dict[str, str | bytes] = {ECHO_INITIAL: "test_initial_metadata_value", ECHO_TRAILING: b"\xab\xab\xab"}
    async with _unary_call(channel).open(metadata=metadata, timeout=LONG_S) as unary:
        await unary.send_message(_large_request(), end=True)
        await unary.recv_message()
        await unary.recv_trailing_metadata()
    async with _duplex_call(channel).open(metadata=metadata, timeout=LONG_S) as stream:
        await stream.send_message(_asking_for(RESPONSE_BYTES, REQUEST_BYTES), end=True)
        assert _size(await stream.recv_message()) == RESPONSE_BYTES
        await stream.recv_trailing_metadata()
    for initial, trailing in (
        (unary.initial_metadata, unary.trailing_metadata),
        (stream.initial_metadata, stream.trailing_metadata),
    ):
        assert initial is not None
        assert trailing is not None
        assert (initial[ECHO_INITIAL], trailing[ECHO_TRAILING]) == tuple(metadata.values())


async def status_code_and_message(channel: Channel) -> None:
    wanted = pb.EchoStatus(code=2, message="test status message")
    with pytest.raises(GRPCError) as unary:
        await _unary_call(channel)(pb.SimpleRequest(response_status=wanted), timeout=LONG_S)
    with pytest.raises(GRPCError) as streamed:
        await _duplex_call(channel)([pb.StreamingOutputCallRequest(response_status=wanted)], timeout=LONG_S)
    for error in (unary.value, streamed.value):
        assert (error.status, error.message) == (Status.UNKNOWN, "test status message")


async def special_status_message(channel: Channel) -> None:
    request = pb.SimpleRequest(response_status=pb.EchoStatus(code=2, message=SPECIAL_TEXT))
    with pytest.raises(GRPCError) as failed:
        await _unary_call(channel)(request, timeout=LONG_S)
    assert (failed.value.status, failed.value.message) == (Status.UNKNOWN, SPECIAL_TEXT)


async def unimplemented_method(channel: Channel) -> None:
    await _unimplemented(channel, f"{SERVICE}/UnimplementedCall")


async def unimplemented_service(channel: Channel) -> None:
    await _unimplemented(channel, "/grpc.testing.UnimplementedService/UnimplementedCall")


async def _unimplemented(channel: Channel, path: str) -> None:
    with pytest.raises(GRPCError) as failed:
        await _empty_call(channel, path)(pb.Empty(), timeout=LONG_S)
    assert failed.value.status is Status.UNIMPLEMENTED


async def cancel_after_begin(channel: Channel) -> None:
    async with _input_call(channel).open(timeout=LONG_S) as stream:
        await stream.send_request()
        await stream.cancel()


async def cancel_after_first_response(channel: Channel) -> None:
    async with _duplex_call(channel).open(timeout=LONG_S) as stream:
        await stream.send_message(_asking_for(RESPONSES[0], REQUESTS[0]))
        assert _size(await stream.recv_message()) == RESPONSES[0]
        await stream.cancel()


async def timeout_on_sleeping_server(channel: Channel) -> None:
    with pytest.raises(asyncio.TimeoutError):
        async with _duplex_call(channel).open(timeout=0.001) as stream:
            await stream.send_message(pb.StreamingOutputCallRequest(payload=_payload(REQUESTS[0])))
            await stream.recv_message()


GRPCLIB_CASES: Final[dict[str, GrpclibCase]] = {
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
"""The cases by name. Those of compression are not among them: grpclib does not compress."""


if __name__ == "__main__":
    asyncio.run(serve())
