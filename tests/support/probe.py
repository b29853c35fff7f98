"""A service whose behaviour each request chooses, so that one table of scenarios can run over every wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, ErrorDetail, InvalidArgument, NotFound, StatusCode
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import Status
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportService,
)

DETAIL = ErrorDetail("type.googleapis.com/example.Detail", b"\x08\x01")


class Probe(TransportService):
    """Serves the shipped IDL; ``headers["do"]`` or the event request's ``node_id`` says what to do."""

    def __init__(self) -> None:
        self.started = anyio.Event()
        self.cancelled = anyio.Event()
        self.finished = anyio.Event()
        self.release = anyio.Event()
        self.seen: list[Message] = []
        self.remaining_s: list[float | None] = []
        self.contexts: list[Context] = []

    async def _linger(self) -> None:
        self.started.set()
        try:
            await self.release.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        self.finished.set()

    async def send_message(self, request: Message, context: Context) -> Message:
        self.seen.append(request)
        self.remaining_s.append(context.time_remaining_s())
        self.contexts.append(context)
        match request.headers.get("do", "echo"):
            case "echo":
                return request
            case "linger":
                await self._linger()
                return request
            case "fail":
                code = StatusCode[request.headers["code"]]
                raise RpcError.from_status(Status(code, "as asked", (DETAIL,), context.trailers))
            case "fail-with-trailers":
                raise NotFound("no such thing", details=[DETAIL], metadata={"reason": "gone", "blob-bin": b"\x00\xff"})
            case "crash":
                raise ZeroDivisionError("secret")
            case "metadata":
                await context.send_initial_metadata({"seen": str(len(context.metadata))})
                context.set_trailers([(key, value) for key, value in context.metadata if key.startswith("x-")])
                return request
            case "size":
                return Message(payload=b"\xa5" * int(request.headers["bytes"]))
            case _:
                raise InvalidArgument(f"unknown: {request.headers}")

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        match request.node_id:
            case "forever":
                self.started.set()
                try:
                    index = 0
                    while True:
                        yield Message(id=str(index), payload=b"x" * max(request.batch_size, 1))
                        index += 1
                finally:
                    self.cancelled.set()
            case "fail":
                yield Message(id="first")
                raise NotFound("after one", details=[DETAIL], metadata={"reason": "gone"})
            case "linger":
                yield Message(id="first")
                await self._linger()
            case _:
                for index in range(request.batch_size):
                    yield Message(id=str(index))
                context.set_trailers({"count": str(request.batch_size)})

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        self.contexts.append(context)
        try:
            async for request in requests:
                if request.headers.get("do") == "fail":
                    raise NotFound("as asked")
                if request.headers.get("do") == "return":
                    return
                yield request
            yield Message(id="end")
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            # The latter where the cancellation comes while a response is being sent.
            self.cancelled.set()
            raise

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_timestamp=request.timestamp, server_node_id=context.peer.address)
