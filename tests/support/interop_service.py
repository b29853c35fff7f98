"""gRPC's interoperability service in ours: what its test clients, of whatever language, call.

The rules are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md, part "Server".
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import anyio

from eventflux_runtime import Context, InvalidArgument, RpcError, Status, StatusCode
from interop_package import (
    BoolValue,
    EchoStatus,
    Empty,
    Payload,
    PayloadType,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingInputCallResponse,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
    TestServiceService,
)

__all__ = ["ECHO_INITIAL", "ECHO_TRAILING", "SERVER_ID", "Interop", "RequestFlags", "body_of"]

ECHO_INITIAL: Final = "x-grpc-test-echo-initial"
ECHO_TRAILING: Final = "x-grpc-test-echo-trailing-bin"
SERVER_ID: Final = "eventflux"

RequestFlags = Callable[[], list[bool]]
"""The compressed flags of the requests of the call that came last, as they were on the wire."""


class Interop(TestServiceService):
    """The service.

    A handler is not told whether a request came compressed, so `flags` has to tell it. Nor can it choose for one
    response: a body that must not be compressed is one that does not shrink, which is sent plain.
    """

    def __init__(self, flags: RequestFlags | None = None) -> None:
        self.cancelled = anyio.Event()
        self._flags = flags

    async def empty_call(self, request: Empty, context: Context) -> Empty:
        return request

    async def unary_call(self, request: SimpleRequest, context: Context) -> SimpleResponse:
        await _echo_metadata(context)
        self._check_flag(0, request.expect_compressed)
        _check_status(request.response_status)
        _check_type(request.response_type)
        return SimpleResponse(
            payload=Payload(body=body_of(request.response_size, request.response_compressed)),
            server_id=SERVER_ID if request.fill_server_id else "",
        )

    async def streaming_output_call(
        self, request: StreamingOutputCallRequest, context: Context
    ) -> AsyncIterator[StreamingOutputCallResponse]:
        async with aclosing(_responses_to(request)) as responses:
            async for response in responses:
                yield response

    async def streaming_input_call(
        self, requests: AsyncIterator[StreamingInputCallRequest], context: Context
    ) -> StreamingInputCallResponse:
        size = count = 0
        try:
            async for request in requests:
                self._check_flag(count, request.expect_compressed)
                size += len(request.payload.body) if request.payload is not None else 0
                count += 1
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        return StreamingInputCallResponse(aggregated_payload_size=size)

    async def full_duplex_call(
        self, requests: AsyncIterator[StreamingOutputCallRequest], context: Context
    ) -> AsyncIterator[StreamingOutputCallResponse]:
        await _echo_metadata(context)
        try:
            async for request in requests:
                async with aclosing(_responses_to(request)) as responses:
                    async for response in responses:
                        yield response
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise

    def _check_flag(self, index: int, expected: BoolValue | None) -> None:
        if expected is not None and self._flags is not None and self._flags()[index] is not expected.value:
            raise InvalidArgument(f"request {index} should {'' if expected.value else 'not '}have come compressed")


def body_of(size: int, compressed: BoolValue | None = None) -> bytes:
    """Zeros; where they must not be compressed, bytes that no algorithm makes fewer, the same each time."""
    return random.Random(size).randbytes(size) if compressed is not None and not compressed.value else bytes(size)


async def _responses_to(request: StreamingOutputCallRequest) -> AsyncGenerator[StreamingOutputCallResponse, None]:
    """What a request asks for; to be closed, since a client may leave in the middle."""
    _check_status(request.response_status)
    _check_type(request.response_type)
    for wanted in request.response_parameters:
        if wanted.interval_us:
            await anyio.sleep(wanted.interval_us / 1e6)
        yield StreamingOutputCallResponse(payload=Payload(body=body_of(wanted.size, wanted.compressed)))


async def _echo_metadata(context: Context) -> None:
    sent = [(key, value) for key, value in context.metadata if key in {ECHO_INITIAL, ECHO_TRAILING}]
    initial = [(key, value) for key, value in sent if key == ECHO_INITIAL]
    if initial:
        await context.send_initial_metadata(initial)
    context.set_trailers([(key, value) for key, value in sent if key == ECHO_TRAILING])


def _check_status(wanted: EchoStatus | None) -> None:
    if wanted is not None and wanted.code:
        raise RpcError.from_status(Status(StatusCode(wanted.code), wanted.message))


def _check_type(wanted: PayloadType) -> None:
    if wanted != PayloadType.COMPRESSABLE:
        raise InvalidArgument(f"there is no payload of type {int(wanted)}, only COMPRESSABLE")
