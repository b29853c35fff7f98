"""What came over gRPC goes on in EventFlux's frames: with source and target as headers, without what frames lack."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import Compression, ResourceExhausted, connect
from eventflux_runtime.compression.payload import compress_payload
from eventflux_transport import (
    CompressionType,
    GrpcTransport,
    Message,
    MessageType,
    TcpTransport,
    TcpTransportConfig,
    TransportClient,
)
from tests.support.nodes import LOOPBACK, PATIENCE_S, raw_node, read_frame

TEXT = b"compressible " * 100


async def framed(message: Message, config: TcpTransportConfig | None = None) -> Message:
    """What arrives of a message that a transport sends in frames."""
    before = repr(message)
    async with raw_node() as node, TcpTransport(config) as transport:
        connection = await transport.connect(node.address)
        async with await node.accept() as stream:
            await transport.send(connection, message)
            got = Message.from_wire(await read_frame(stream), "eventflux")
    assert repr(message) == before
    return got


async def test_a_message_that_came_over_grpc_goes_on_in_frames() -> None:
    sent = Message(
        id="7",
        message_type=MessageType.QUERY,
        payload=TEXT,
        headers={"k": "v", "target_node": "as it came"},
        timestamp=1_700_000_000_000,
        source_node="node-1",
        target_node="node-2",
        priority=3,
        # As EventFlux's own nodes mark every message, and compress none.
        compression=CompressionType.ZSTD,
    )
    async with GrpcTransport() as grpc, anyio.create_task_group() as tasks:
        listener = await grpc.listen(LOOPBACK)

        async def call() -> None:
            async with connect(f"grpc://{listener.local_addr}") as channel:
                await TransportClient(channel).send_message(sent)

        tasks.start_soon(call)
        with anyio.fail_after(PATIENCE_S):
            accepted = await grpc.accept(listener)
            message = await grpc.receive(accepted)
            await grpc.close(accepted)
        assert (message.timestamp, message.source_node, message.priority) == (1_700_000_000_000, "node-1", 3)
        got = await framed(message)
    headers = {"k": "v", "source_node": "node-1", "target_node": "as it came"}
    assert got == Message(id="7", message_type=MessageType.QUERY, payload=TEXT, headers=headers)


@pytest.mark.parametrize(
    "message_type",
    [MessageType.UNSPECIFIED, MessageType.METADATA, MessageType.ACKNOWLEDGMENT, MessageType(77)],
    ids=str,
)
async def test_a_type_that_frames_lack_travels_as_an_event(message_type: MessageType) -> None:
    assert (await framed(Message(message_type=message_type))).message_type is MessageType.EVENT


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.SNAPPY, CompressionType.ZSTD])
async def test_a_payload_that_is_compressed_travels_expanded(compression: CompressionType) -> None:
    pytest.importorskip("zstandard", reason="the compression extra is not installed")
    packed = compress_payload(Compression[compression.name], TEXT)
    message = Message(message_type=MessageType.EVENT, payload=packed, compression=compression)
    assert (await framed(message)).payload == TEXT
    damaged = Message(message_type=MessageType.EVENT, payload=packed[:-9], compression=compression)
    assert (await framed(damaged)).payload == packed[:-9]
    unknown = Message(message_type=MessageType.EVENT, payload=packed, compression=CompressionType(9))
    assert (await framed(unknown)).payload == packed


async def test_a_payload_that_expands_beyond_a_frame_is_not_sent() -> None:
    pytest.importorskip("zstandard", reason="the compression extra is not installed")
    bomb = compress_payload(Compression.ZSTD, bytes(1_000_000))
    message = Message(message_type=MessageType.EVENT, payload=bomb, compression=CompressionType.ZSTD)
    with pytest.raises(ResourceExhausted, match="the limit is 10000"):
        await framed(message, TcpTransportConfig(max_message_size=10_000))
