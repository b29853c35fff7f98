"""`GrpcTransport` and `SimpleGrpcTransport`: the effect of each field of their configuration, and plain callers."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import trustme

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    Context,
    DeadlineExceeded,
    FailedPrecondition,
    PoolConfig,
    PoolTimeout,
    ResourceExhausted,
    RpcError,
    Unavailable,
    Unimplemented,
    connect,
    serve,
)
from eventflux_runtime import TlsConfig as RuntimeTlsConfig
from eventflux_transport import (
    CompressionType,
    Connection,
    ConnectionState,
    EventFilter,
    EventRequest,
    GrpcTransport,
    GrpcTransportConfig,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    NodeHealth,
    SimpleGrpcConfig,
    SimpleGrpcTransport,
    TlsConfig,
    TransportClient,
    TransportService,
)
from tests.support.nodes import LOOPBACK, PATIENCE_S, carried, echoing, raw_node, receive_patiently, relayed

ANNOUNCEMENT = "eventflux-payload-compression"
TEXT = b"compressible " * 100


class Recorder(TransportService):
    """A node that keeps what it gets as it was on the wire, and says that it decompresses what it is told to say."""

    def __init__(self, announcement: str = "") -> None:
        self.announcement = announcement
        self.seen: list[Message] = []
        self.metadata: list[object] = []
        self.beats = 0
        self.beaten = anyio.Event()
        self.last_beat = HeartbeatRequest()
        self.heartbeat_error: RpcError | None = None
        self.replacement: Message | None = None
        """What goes back on streams in place of what came."""

    async def _announce(self, context: Context) -> None:
        self.metadata.append(context.metadata.get(ANNOUNCEMENT))
        await context.send_initial_metadata({ANNOUNCEMENT: self.announcement} if self.announcement else {})

    async def send_message(self, request: Message, context: Context) -> Message:
        await self._announce(context)
        self.seen.append(request)
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        await self._announce(context)
        async for request in requests:
            self.seen.append(request)
            yield self.replacement or request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message.event(b"")

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        self.beats += 1
        self.last_beat = request
        if self.beats == 2:
            self.beaten.set()
        if self.heartbeat_error is not None:
            raise self.heartbeat_error
        return HeartbeatResponse(server_node_id=f"recorder of {request.node_id}")


@asynccontextmanager
async def recording(announcement: str = "") -> AsyncIterator[tuple[Recorder, str]]:
    recorder = Recorder(announcement)
    async with serve([recorder], "grpc://127.0.0.1:0") as server:
        yield recorder, server.endpoints[0].removeprefix("grpc://")


@asynccontextmanager
async def caller_of(address: str, config: ClientConfig | None = None) -> AsyncIterator[TransportClient]:
    async with connect(f"grpc://{address}", config=config) as channel:
        yield TransportClient(channel)


async def round_trip(transport: GrpcTransport, connection: Connection, message: Message) -> Message:
    await transport.send(connection, message)
    return await transport.receive(connection)


# -- configuration


async def test_connection_timeout() -> None:
    # It accepts, and then says nothing that is HTTP/2.
    async with raw_node() as node, GrpcTransport(GrpcTransportConfig(connection_timeout_ms=200)) as transport:
        with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable, match="cannot connect"):
            await transport.connect(node.address)


async def test_request_timeout_of_a_silent_peer() -> None:
    async with GrpcTransport(GrpcTransportConfig(request_timeout_ms=100)) as transport:
        listener = await transport.listen(LOOPBACK)
        connection = await transport.connect(listener.local_addr)
        with pytest.raises(DeadlineExceeded, match="no message within request_timeout_ms=100"):
            await transport.receive(connection)
        accepted = await transport.accept(listener)
        await transport.send(accepted, Message.event(b"late"))
        assert (await receive_patiently(transport, connection)).payload == b"late"


async def test_request_timeout_of_a_peer_that_takes_nothing() -> None:
    config = GrpcTransportConfig(request_timeout_ms=300, enable_compression=False)
    async with GrpcTransport(config) as transport:
        listener = await transport.listen(LOOPBACK)
        connection = await transport.connect(listener.local_addr)
        with anyio.fail_after(PATIENCE_S), pytest.raises(DeadlineExceeded, match="took no message within"):
            while True:
                await transport.send(connection, Message.event(bytes(1024 * 1024)))
        await listener.aclose()


async def test_keep_alive_asks_a_silent_node_for_heartbeats() -> None:
    async with recording() as (recorder, address):
        async with GrpcTransport(GrpcTransportConfig(keep_alive_interval_secs=0.05)) as transport:
            connection = await transport.connect(address)
            with anyio.fail_after(PATIENCE_S):
                await recorder.beaten.wait()
            assert connection.state is ConnectionState.CONNECTED
        beats = recorder.beats
        async with GrpcTransport(GrpcTransportConfig(keep_alive_interval_secs=0)) as transport:
            await round_trip(transport, await transport.connect(address), Message.event(b"x"))
        assert recorder.beats == beats


async def test_keep_alive_says_who_asks_and_when() -> None:
    started_ms = time.time_ns() // 1_000_000
    config = GrpcTransportConfig(keep_alive_interval_secs=0.05)
    async with recording() as (recorder, address), GrpcTransport(config) as transport:
        await transport.connect(address)
        with anyio.fail_after(PATIENCE_S):
            await recorder.beaten.wait()
        beat = recorder.last_beat
        assert str(uuid.UUID(beat.node_id)) == beat.node_id
        assert beat.timestamp >= started_ms
        assert beat.status is None
        # A node that listens is known by its address.
        listener = await transport.listen(LOOPBACK)
        recorder.beats, recorder.beaten = 0, anyio.Event()
        with anyio.fail_after(PATIENCE_S):
            await recorder.beaten.wait()
        assert recorder.last_beat.node_id == listener.local_addr


async def test_a_failed_heartbeat_breaks_the_connection() -> None:
    async with recording() as (recorder, address):
        recorder.heartbeat_error = Unavailable("not well")
        async with GrpcTransport(GrpcTransportConfig(keep_alive_interval_secs=0.05)) as transport:
            connection = await transport.connect(address)
            with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable, match="not well"):
                await transport.receive(connection)
            assert connection.state is ConnectionState.ERROR


async def test_a_node_without_heartbeats_is_not_given_up() -> None:
    async with recording() as (recorder, address):
        recorder.heartbeat_error = Unimplemented("no heartbeats here")
        async with GrpcTransport(GrpcTransportConfig(keep_alive_interval_secs=0.05)) as transport:
            connection = await transport.connect(address)
            with anyio.fail_after(PATIENCE_S):
                await recorder.beaten.wait()
            assert (await round_trip(transport, connection, Message.event(b"x"))).payload == b"x"


async def test_max_message_size_holds_when_sending() -> None:
    config = GrpcTransportConfig(max_message_size=1000, enable_compression=False)
    async with GrpcTransport(config) as transport, echoing(transport) as address:
        connection = await transport.connect(address)
        with pytest.raises(ResourceExhausted, match="the limit is 1000"):
            await transport.send(connection, Message.event(bytes(1000)))
        assert (await round_trip(transport, connection, Message.event(b"goes on"))).payload == b"goes on"


async def test_max_message_size_holds_when_receiving() -> None:
    small = GrpcTransportConfig(max_message_size=1000, enable_compression=False)
    async with GrpcTransport(small) as transport, GrpcTransport() as generous:
        listener = await generous.listen(LOOPBACK)
        connection = await transport.connect(listener.local_addr)
        accepted = await generous.accept(listener)
        await generous.send(accepted, Message.event(bytes(1000)))
        with anyio.fail_after(PATIENCE_S), pytest.raises(ResourceExhausted):
            await transport.receive(connection)
        assert connection.state is ConnectionState.ERROR


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.SNAPPY, CompressionType.ZSTD])
async def test_payloads_are_compressed_as_preferred(compression: CompressionType) -> None:
    async with recording("lz4,snappy,zstd") as (recorder, address):
        async with GrpcTransport(GrpcTransportConfig(preferred_compression=compression)) as transport:
            connection = await transport.connect(address)
            with anyio.fail_after(PATIENCE_S):
                # The first messages go plain, until the server's announcement has come.
                while not recorder.seen or not recorder.seen[-1].compression:
                    assert (await round_trip(transport, connection, Message.event(TEXT))).payload == TEXT
        assert recorder.seen[-1].compression is compression
        assert len(recorder.seen[-1].payload) < len(TEXT) // 2
        assert str(recorder.metadata[-1]).split(",")[0] == compression.name.lower()


async def test_payloads_stay_plain_where_compression_is_off_or_the_peer_does_not_announce_it() -> None:
    off = GrpcTransportConfig(enable_compression=False)
    for config, announcement in ((off, "zstd"), (GrpcTransportConfig(), "")):
        async with recording(announcement) as (recorder, address), GrpcTransport(config) as transport:
            connection = await transport.connect(address)
            for _ in range(3):
                await round_trip(transport, connection, Message.event(TEXT))
            assert [(seen.payload, seen.compression) for seen in recorder.seen] == [(TEXT, CompressionType.NONE)] * 3
        assert recorder.metadata == ([None] if config is off else ["zstd,lz4,snappy"])


async def test_a_message_that_is_marked_as_compressed_and_is_not_stays_as_it_is() -> None:
    marked = Message(message_type=MessageType.EVENT, payload=TEXT, compression=CompressionType.ZSTD)
    for config in (GrpcTransportConfig(), GrpcTransportConfig(enable_compression=False)):
        async with recording() as (recorder, address), GrpcTransport(config) as transport:
            connection = await transport.connect(address)
            answer = await round_trip(transport, connection, marked)
            assert (answer.payload, answer.compression) == (TEXT, CompressionType.NONE)
            # Nor is the mark sent on: EventFlux's own nodes send it with every message.
            assert recorder.seen[-1].compression is CompressionType.NONE
            recorder.replacement = marked
            answer = await round_trip(transport, connection, marked)
            assert (answer.payload, answer.compression) == (TEXT, CompressionType.NONE)


async def test_a_payload_that_expands_beyond_the_limit_breaks_the_connection() -> None:
    zstandard = pytest.importorskip("zstandard", reason="the compression extra is not installed")
    bomb = zstandard.ZstdCompressor().compress(bytes(1_000_000))
    message = Message(message_type=MessageType.EVENT, payload=bomb, compression=CompressionType.ZSTD)
    async with recording() as (_, address), GrpcTransport(GrpcTransportConfig(max_message_size=10_000)) as transport:
        connection = await transport.connect(address)
        with pytest.raises(ResourceExhausted):
            await round_trip(transport, connection, message)
        assert connection.state is ConnectionState.ERROR


async def test_http2_keep_alive_finds_a_peer_that_fell_silent() -> None:
    config = GrpcTransportConfig(
        http2_keep_alive_interval_secs=1, http2_keep_alive_timeout_secs=0.5, keep_alive_interval_secs=0
    )
    async with (
        GrpcTransport() as node,
        echoing(node) as target,
        relayed(target) as relay,
        GrpcTransport(config) as transport,
    ):
        connection = await transport.connect(relay.address)
        await round_trip(transport, connection, Message.event(b"x"))
        relay.is_silent = True
        with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable):
            await transport.receive(connection)


async def test_without_http2_keep_alive_a_silent_peer_is_waited_for() -> None:
    config = GrpcTransportConfig(
        http2_keep_alive_enabled=False,
        http2_keep_alive_interval_secs=0.5,
        http2_keep_alive_timeout_secs=0.2,
        keep_alive_interval_secs=0,
        request_timeout_ms=2000,
    )
    async with (
        GrpcTransport() as node,
        echoing(node) as target,
        relayed(target) as relay,
        GrpcTransport(config) as transport,
    ):
        connection = await transport.connect(relay.address)
        await round_trip(transport, connection, Message.event(b"x"))
        relay.is_silent = True
        with pytest.raises(DeadlineExceeded):
            await transport.receive(connection)
        relay.is_silent = False


async def test_max_concurrent_requests() -> None:
    async with (
        GrpcTransport(GrpcTransportConfig(max_concurrent_requests=1)) as transport,
        echoing(transport) as address,
        caller_of(address, ClientConfig(pool=PoolConfig(max_connections=1, acquire_timeout_s=1))) as client,
    ):
        async with client.stream_messages() as stream:
            await stream.send(Message.event(b"first"))
            await stream.receive()
            with pytest.raises(PoolTimeout):
                await client.heartbeat(HeartbeatRequest())
        with anyio.fail_after(PATIENCE_S):
            await client.heartbeat(HeartbeatRequest(), wait_for_ready=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    server = authority.issue_cert("node.test", "127.0.0.1")
    paths = {"ca_file": folder / "ca.pem", "cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}
    authority.cert_pem.write_to_path(paths["ca_file"])
    for blob in server.cert_chain_pems:
        blob.write_to_path(paths["cert_file"], append=True)
    server.private_key_pem.write_to_path(paths["key_file"])
    return {name: str(path) for name, path in paths.items()}


async def test_tls(certificates: dict[str, str]) -> None:
    pair = TlsConfig(enabled=True, cert_file=certificates["cert_file"], key_file=certificates["key_file"])
    server = GrpcTransportConfig(tls_config=pair)
    client = GrpcTransportConfig(
        tls_config=TlsConfig(enabled=True, ca_file=certificates["ca_file"], server_name="node.test")
    )
    async with GrpcTransport(server) as node, echoing(node) as address:
        async with GrpcTransport(client) as transport:
            connection = await transport.connect(address)
            assert (await round_trip(transport, connection, Message.event(b"secret"))).payload == b"secret"
        runtime_form = GrpcTransportConfig(tls_config=RuntimeTlsConfig(ca_file=certificates["ca_file"]))
        async with GrpcTransport(runtime_form) as transport:
            await round_trip(transport, await transport.connect(address), Message.event(b"secret"))
        for stranger in (
            GrpcTransportConfig(tls_config=RuntimeTlsConfig(), connection_timeout_ms=2000),
            GrpcTransportConfig(tls_config=TlsConfig(enabled=False), connection_timeout_ms=2000),
        ):
            async with GrpcTransport(stranger) as transport:
                with pytest.raises(Unavailable):
                    await transport.connect(address)


def test_fields_are_checked() -> None:
    with pytest.raises(ConfigError, match="request_timeout_ms must be at least 1"):
        GrpcTransportConfig(request_timeout_ms=0)
    with pytest.raises(ConfigError, match="keep_alive_interval_secs must be at least 0"):
        GrpcTransportConfig(keep_alive_interval_secs=-1)
    with pytest.raises(ConfigError, match="preferred_compression must be NONE, LZ4, SNAPPY or ZSTD"):
        GrpcTransportConfig(preferred_compression=MessageType.EVENT)
    with pytest.raises(ConfigError, match="no such file"):
        GrpcTransportConfig(tls_config=TlsConfig(enabled=True, ca_file="/nowhere.pem"))


# -- callers without a connection


async def test_a_plain_call_gets_what_the_program_sends() -> None:
    async with GrpcTransport() as transport, echoing(transport) as address, caller_of(address) as client:
        messages = [Message.query(b"%d" % number) for number in range(5)]
        for message in messages:
            assert carried(await client.send_message(message)) == message


async def test_a_plain_call_that_nobody_answers_is_acknowledged() -> None:
    async with GrpcTransport() as transport, anyio.create_task_group() as tasks:
        listener = await transport.listen(LOOPBACK)
        taken: list[Message] = []

        async def take_and_close() -> None:
            connection = await transport.accept(listener)
            taken.append(await transport.receive(connection))
            with pytest.raises(Unavailable, match="one message"):
                await transport.receive(connection)
            await transport.close(connection)

        tasks.start_soon(take_and_close)
        async with caller_of(listener.local_addr) as client:
            message = Message.event(b"x")
            message.source_node = "node-1"
            started_ms = time.time_ns() // 1_000_000
            answer = await client.send_message(message)
        assert taken == [message]
        assert answer.message_type is MessageType.ACKNOWLEDGMENT
        assert answer.headers == {"acknowledged-id": message.id}
        assert (answer.payload, answer.source_node, answer.target_node) == (b"ACK", "server", "node-1")
        assert answer.id not in ("", message.id)
        assert answer.timestamp >= started_ms
        assert answer.priority == 0


async def test_a_plain_call_is_acknowledged_and_kept_while_the_program_is_busy() -> None:
    async with GrpcTransport() as transport:
        listener = await transport.listen(LOOPBACK)
        async with caller_of(listener.local_addr) as client:
            answer = await client.send_message(Message.event(b"kept"), timeout_s=10)
            assert answer.message_type is MessageType.ACKNOWLEDGMENT
        connection = await transport.accept(listener)
        assert (await transport.receive(connection)).payload == b"kept"
        with pytest.raises(Unavailable, match="has its answer already"):
            await transport.send(connection, Message.event(b"too late"))


async def test_a_subscriber_gets_what_its_filter_wants() -> None:
    async with GrpcTransport() as transport:
        listener = await transport.listen(LOOPBACK)
        wanted = EventFilter(
            message_types=[MessageType.EVENT], stream_names=["a"], start_timestamp=10, end_timestamp=20
        )
        async with caller_of(listener.local_addr) as client:
            async with client.stream_events(EventRequest(node_id="n", filter=wanted)) as events:
                subscriber = await transport.accept(listener)
                sent = [
                    Message(message_type=message_type, headers={"stream": stream}, timestamp=timestamp)
                    for stream, message_type, timestamp in (
                        ("a", MessageType.STATE, 15),
                        ("b", MessageType.EVENT, 15),
                        ("a", MessageType.EVENT, 9),
                        ("a", MessageType.EVENT, 21),
                        ("a", MessageType.EVENT, 15),
                    )
                ]
                for event in sent:
                    await transport.send(subscriber, event)
                with anyio.fail_after(PATIENCE_S):
                    got = await events.receive()
                assert (carried(got), got.timestamp) == (carried(sent[-1]), 15)
            with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable):
                await transport.receive(subscriber)


async def test_heartbeats_are_answered() -> None:
    async with GrpcTransport() as transport, echoing(transport) as address, caller_of(address) as client:
        await transport.connect(address)
        answer = await client.heartbeat(HeartbeatRequest(node_id="n"))
        assert answer.server_node_id == address
        assert answer.server_timestamp > 1_700_000_000_000
        assert answer.server_status is not None
        assert (answer.server_status.health, answer.server_status.active_connections) == (NodeHealth.HEALTHY, 1)


# -- the simple transport


async def test_simple_sends_messages_and_heartbeats() -> None:
    async with recording() as (recorder, address), SimpleGrpcTransport() as simple:
        with pytest.raises(FailedPrecondition, match="call connect"):
            await simple.send_message(address, Message.event(b"x"))
        await simple.connect(address)
        await simple.connect(address)
        message = Message.event(b"x").with_header("k", "v")
        assert carried(await simple.send_message(address, message)) == message
        assert [carried(seen) for seen in recorder.seen] == [message]
        assert (await simple.heartbeat(address, "n")).server_node_id == "recorder of n"


async def test_simple_goes_to_its_server_address() -> None:
    async with recording() as (_, address), SimpleGrpcTransport(SimpleGrpcConfig(server_address=address)) as simple:
        await simple.connect()
        assert (await simple.send_message(address, Message.event(b"x"))).payload == b"x"


@pytest.mark.parametrize("is_on", [True, False])
async def test_simple_compresses_towards_servers_that_announce_it(is_on: bool) -> None:
    async with recording("zstd") as (recorder, address):
        async with SimpleGrpcTransport(SimpleGrpcConfig(enable_compression=is_on)) as simple:
            await simple.connect(address)
            for _ in range(2):
                assert (await simple.send_message(address, Message.event(TEXT))).payload == TEXT
        expected = [CompressionType.NONE, CompressionType.ZSTD if is_on else CompressionType.NONE]
        assert [seen.compression for seen in recorder.seen] == expected


async def test_simple_connection_timeout() -> None:
    async with raw_node() as node, SimpleGrpcTransport(SimpleGrpcConfig(connection_timeout_ms=200)) as simple:
        with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable, match="cannot connect"):
            await simple.connect(node.address)


async def test_simple_connects_anew_after_a_loss() -> None:
    async with SimpleGrpcTransport() as simple, GrpcTransport() as transport:
        listener = await transport.listen(LOOPBACK)
        address = listener.local_addr
        await simple.connect(address)
        await simple.heartbeat(address, "n")
        await listener.aclose()
        with pytest.raises(Unavailable):
            await simple.heartbeat(address, "n")
        await transport.listen(address)
        assert (await simple.heartbeat(address, "n")).server_node_id == address
