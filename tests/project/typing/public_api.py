"""What a type checker sees of the public names: checked by mypy --strict and by pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, assert_type

from eventflux_runtime import (
    AnyMethod,
    Attempt,
    BidiStream,
    CallEnd,
    CallHead,
    CallObserver,
    CallStats,
    CancelCause,
    Channel,
    ChannelStats,
    ClientConfig,
    ClientProceed,
    Context,
    Metadata,
    NotFound,
    Peer,
    ResponseInfo,
    RpcError,
    Server,
    ServerConfig,
    ServerReport,
    ServerStats,
    ServerStream,
    ServingStatus,
    StateKey,
    StatsClient,
    Status,
    StatusCode,
    blocking,
    connect,
    prometheus_text,
    serve,
)
from eventflux_runtime.blocking import (
    BlockingBidiStream,
    BlockingChannel,
    BlockingClientStream,
    BlockingHealthClient,
    BlockingServerStream,
    BlockingStatsClient,
)
from eventflux_transport import (
    ClusterInfo,
    EventFilter,
    EventRequest,
    HealthChange,
    HeartbeatMonitor,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    MonitorConfig,
    NodeHealth,
    NodeStatus,
    TransportBlockingClient,
    TransportClient,
    TransportMessage,
    TransportService,
)
from inventory_sdk import ChangeSummary, InventoryBlockingClient, StockChange


def messages(message: Message, response: HeartbeatResponse, request: EventRequest) -> None:
    assert_type(message, TransportMessage)
    assert_type(message.id, str)
    assert_type(message.payload, bytes)
    assert_type(message.headers, dict[str, str])
    assert_type(message.message_type, MessageType)
    assert_type(message.timestamp, int)
    assert_type(request.filter, EventFilter | None)
    assert_type(EventFilter().stream_names, list[str])
    assert_type(response.server_status, NodeStatus | None)
    assert_type(response.cluster_info, ClusterInfo | None)
    assert_type(NodeStatus().cpu_usage, float)


def conversions(message: Message) -> None:
    assert_type(Message.event(b"").with_header("key", "value"), TransportMessage)
    assert_type(message.to_wire(), bytes)
    assert_type(message.to_wire(layout="eventflux"), bytes)
    assert_type(Message.from_wire(b"", layout="native"), TransportMessage)
    assert_type(message.to_json(), str)
    assert_type(Message.from_json("{}"), TransportMessage)
    assert_type(Message.from_proto(message.to_proto()), TransportMessage)


async def calls() -> None:
    channel = connect("tcp://127.0.0.1:7070", config=ClientConfig(timeout_s=5.0))
    assert_type(channel, Channel)
    async with channel as entered:
        client = TransportClient(entered)
        info = ResponseInfo()
        assert_type(await client.send_message(Message.event(b""), timeout_s=1.0, response=info), TransportMessage)
        assert_type(info.trailers, Metadata)
        assert_type(await client.heartbeat(HeartbeatRequest(), metadata={"trace-id": "42"}), HeartbeatResponse)
        events = client.stream_events(EventRequest())
        assert_type(events, ServerStream[TransportMessage])
        async for event in events:
            assert_type(event, TransportMessage)
        async with client.stream_messages(timeout_s=None) as stream:
            assert_type(stream, BidiStream[TransportMessage, TransportMessage])
            await stream.send(Message.event(b""))
            assert_type(await stream.receive(), TransportMessage)
            await stream.end()


def blocking_calls() -> None:
    channel = blocking.connect(["tcp://127.0.0.1:7070"], config=ClientConfig(timeout_s=5.0), interceptors=[called])
    assert_type(channel, BlockingChannel)
    assert_type(channel.open(), BlockingChannel)
    with channel as entered:
        client = TransportBlockingClient(entered)
        assert_type(client.send_message(Message.event(b""), timeout_s=1.0, response=ResponseInfo()), TransportMessage)
        assert_type(client.heartbeat(HeartbeatRequest(), metadata={"trace-id": "42"}), HeartbeatResponse)
        events = client.stream_events(EventRequest())
        assert_type(events, BlockingServerStream[TransportMessage])
        for event in events:
            assert_type(event, TransportMessage)
        with client.stream_messages(timeout_s=None) as stream:
            assert_type(stream, BlockingBidiStream[TransportMessage, TransportMessage])
            stream.send(Message.event(b""))
            assert_type(stream.receive(), TransportMessage)
            assert_type(list(stream), list[TransportMessage])
            assert_type(stream.trailers, Metadata)
        with InventoryBlockingClient(entered).record_changes() as changes:
            assert_type(changes, BlockingClientStream[StockChange, ChangeSummary])
            assert_type(changes.finish(), ChangeSummary)
        assert_type(BlockingHealthClient(entered).check(), ServingStatus)
        for report in BlockingStatsClient(entered).watch(5):
            assert_type(report, ServerReport)
    client.send_message(EventRequest())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is shown
    client.send_message(Message(), timeout=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # what is shown
    TransportBlockingClient(connect(""))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is shown


def errors(error: RpcError) -> None:
    assert_type(error.code, StatusCode)
    assert_type(error.metadata, Metadata)
    assert_type(NotFound("no such stream").code, StatusCode)


T = TypeVar("T")


async def called(method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
    assert_type(head.metadata, Metadata)
    return await proceed(head.with_metadata(head.metadata | Metadata.of({"path": method.path})))


class Watching:
    """An interceptor that is an object, and uses what only `ClientProceed` has."""

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        if method.idempotent:
            return proceed.answer(Message.event(b""), initial_metadata={"from": "cache"}, trailers=None)
        return await proceed(head.observed_by(Ends()).with_deadline(None))


class Ends(CallObserver):
    """What an observer is told has types."""

    def on_attempt(self, attempt: Attempt) -> None:
        assert_type((attempt.number, attempt.endpoint, attempt.host, attempt.port), tuple[int, str, str, int])

    def on_end(self, end: CallEnd) -> None:
        assert_type(end.status, Status)
        assert_type(end.cancel_cause, CancelCause | None)
        assert_type(end.peer, Peer | None)
        assert_type(end.endpoint, str | None)


USER: StateKey[str] = StateKey("user")


async def served(context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
    assert_type(context.method.path, str)
    context.state[USER] = "ada"
    assert_type(context.state[USER], str)
    assert_type(context.state.get(USER), str | None)
    assert_type(context.state.get(USER, 7), str | int)
    assert_type(context.cancel_cause, CancelCause | None)
    context.observe(Ends())
    await proceed()


def counted(channel: Channel, server: Server) -> None:
    stats = channel.stats()
    assert_type(stats, ChannelStats)
    assert_type(stats.methods["/a/B"].ended[StatusCode.OK], int)
    assert_type(stats.addresses[0].methods["/a/B"], CallStats)
    assert_type(stats.calls.latency.percentile(0.99), float)
    assert_type(server.stats(), ServerStats)
    assert_type(server.stats().endpoints[0].refused, int)


async def told(channel: Channel, server: Server) -> None:
    assert_type(await StatsClient(channel).get(timeout_s=1.0), ServerReport)
    async for report in StatsClient(channel).watch(0.5):
        assert_type(report.stats.methods["/a.B/C"], CallStats)
    assert_type(prometheus_text(server.stats(), channel.stats()), str)
    prometheus_text(server)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is shown


def intercepted() -> None:
    assert_type(connect("tcp://127.0.0.1:7070", interceptors=[called, Watching()]), Channel)


class Node(TransportService):
    """A whole service."""

    async def send_message(self, request: Message, context: Context) -> Message:
        assert_type(context.deadline, float | None)
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            assert_type(request, TransportMessage)
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message.event(request.node_id.encode())

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        raise NotFound("nobody is here")


async def server() -> None:
    serving = serve([Node()], "tcp://127.0.0.1:0", "grpc://127.0.0.1:0", config=ServerConfig(max_connections=10))
    serve([Node()], "memory://a", interceptors=[served])
    async with serving as running:
        assert_type(running, Server)
        assert_type(running.endpoints, tuple[str, ...])


async def monitoring() -> None:
    async with HeartbeatMonitor({"a": "tcp://127.0.0.1:1"}, config=MonitorConfig(), client=ClientConfig()) as monitor:
        assert_type(monitor, HeartbeatMonitor)
        assert_type(monitor.healths, dict[str, NodeHealth])
        async for change in monitor:
            assert_type(change, HealthChange)
            assert_type(change.health, NodeHealth)
            assert_type(change.answer, HeartbeatResponse | None)
