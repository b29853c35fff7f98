"""Compression of calls on the native wire: negotiated, worth it, true to the message, and bounded on arrival."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from librt.strings import BytesWriter

from eventflux_runtime import (
    ClientConfig,
    Compression,
    Internal,
    ResourceExhausted,
    ServerConfig,
    connect,
    serve,
)
from eventflux_runtime.compression import expansion
from eventflux_runtime.compression.algorithm import compress, decompress
from eventflux_runtime.protocol.driver import packing, settings
from eventflux_runtime.protocol.driver.encoding import Encode
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.proxy import Proxy, proxied
from tests.support.wires import linked

PACKING = [compression for compression in Compression if compression is not Compression.NONE]
NATIVE_WIRES = ("tcp", "unix", "memory")
PAYLOAD = b"abcdefgh" * 4096


@dataclass
class Counted:
    client: TransportClient
    service: Probe
    proxy: Proxy


@asynccontextmanager
async def counted(
    client_config: ClientConfig | None = None, server_config: ServerConfig | None = None
) -> AsyncIterator[Counted]:
    """A client that reaches its server through a proxy which counts the bytes."""
    service = Probe()
    with anyio.fail_after(20):
        async with (
            serve([service], "tcp://127.0.0.1:0", config=server_config or ServerConfig(drain_grace_s=0)) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=client_config) as channel,
        ):
            yield Counted(TransportClient(channel), service, proxy)


@pytest.mark.parametrize("compression", PACKING, ids=lambda c: c.value)
async def test_both_directions_of_a_unary_call(compression: Compression) -> None:
    config = ServerConfig(compression=compression, drain_grace_s=0)
    async with counted(ClientConfig(compression=compression), config) as link:
        reply = await link.client.send_message(Message(id="m", payload=PAYLOAD))
        assert reply.payload == PAYLOAD
        assert link.service.seen[0].payload == PAYLOAD
        assert link.proxy.upstream_bytes < len(PAYLOAD) / 4
        assert link.proxy.downstream_bytes < len(PAYLOAD) / 4


async def test_each_side_decides_for_what_it_sends() -> None:
    async with counted(ClientConfig(compression=Compression.ZSTD)) as link:
        await link.client.send_message(Message(payload=PAYLOAD))
        assert link.proxy.upstream_bytes < len(PAYLOAD) / 4
        assert link.proxy.downstream_bytes > len(PAYLOAD)


async def test_one_call_can_choose() -> None:
    async with counted() as link:
        await link.client.send_message(Message(payload=PAYLOAD), compression=Compression.LZ4)
        assert link.proxy.upstream_bytes < len(PAYLOAD) / 4
        await link.client.send_message(Message(payload=PAYLOAD))
        assert link.proxy.upstream_bytes > len(PAYLOAD)


@pytest.mark.parametrize("compression", PACKING, ids=lambda c: c.value)
@pytest.mark.parametrize("wire", NATIVE_WIRES)
async def test_every_message_of_a_stream(wire: str, compression: Compression, tmp_path: Path) -> None:
    client_config = ClientConfig(compression=compression, compression_min_bytes=0)
    server_config = ServerConfig(compression=compression, compression_min_bytes=0, drain_grace_s=0)
    with anyio.fail_after(20):
        async with linked(wire, tmp_path, client_config, server_config) as link:
            async with link.client.stream_messages() as stream:
                for size in (0, 1, 100, 100_000, 300_000, 0):
                    sent = Message(id=str(size), payload=bytes(range(256)) * (size // 256) + b"x" * (size % 256))
                    await stream.send(sent)
                    assert await stream.receive() == sent
                await stream.end()
                assert (await stream.receive()).id == "end"
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            async with link.client.stream_events(EventRequest(batch_size=20)) as events:
                assert [event.id async for event in events] == [str(i) for i in range(20)]


async def test_small_and_incompressible_messages_stay_plain() -> None:
    import secrets

    noise = secrets.token_bytes(20_000)
    async with counted(ClientConfig(compression=Compression.ZSTD)) as link:
        await link.client.send_message(Message())
        before = link.proxy.upstream_bytes
        await link.client.send_message(Message(payload=b"a" * 900))
        assert link.proxy.upstream_bytes - before > 900
        before = link.proxy.upstream_bytes
        assert (await link.client.send_message(Message(payload=noise))).payload == noise
        assert link.proxy.upstream_bytes - before > len(noise)


async def test_a_peer_that_knows_no_algorithm_gets_plain_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "offered_compressions", tuple)
    config = ServerConfig(compression=Compression.ZSTD, drain_grace_s=0)
    async with counted(ClientConfig(compression=Compression.ZSTD), config) as link:
        assert (await link.client.send_message(Message(payload=PAYLOAD))).payload == PAYLOAD
        assert link.proxy.upstream_bytes > len(PAYLOAD)
        assert link.proxy.downstream_bytes > len(PAYLOAD)


async def test_a_request_that_expands_beyond_the_limit_fails_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # A client that does not honour the server's limit.
    monkeypatch.setattr(packing.Packer, "pack", _packed_without_limit)
    config = ServerConfig(max_message_bytes=50_000, drain_grace_s=0)
    async with counted(ClientConfig(compression=Compression.ZSTD), config) as link:
        with pytest.raises(ResourceExhausted, match="the limit is 50000"):
            await link.client.send_message(Message(payload=bytes(60_000)))
        assert (await link.client.send_message(Message(payload=bytes(10_000)))).payload == bytes(10_000)
        async with link.client.stream_messages() as stream:
            await stream.send(Message(payload=bytes(60_000)))
            with pytest.raises(ResourceExhausted, match="the limit is 50000"):
                await stream.receive()
        assert link.proxy.connections == 1


async def test_a_request_above_the_servers_limit_is_not_sent() -> None:
    config = ServerConfig(max_message_bytes=50_000, drain_grace_s=0)
    async with counted(ClientConfig(compression=Compression.ZSTD), config) as link:
        with pytest.raises(ResourceExhausted, match="50000") as caught:
            await link.client.send_message(Message(payload=bytes(60_000)))
        assert caught.value.unprocessed
        assert link.service.seen == []


async def test_a_response_that_expands_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing.Packer, "pack", _packed_without_limit)
    server_config = ServerConfig(compression=Compression.GZIP, drain_grace_s=0)
    async with counted(ClientConfig(max_message_bytes=50_000), server_config) as link:
        with pytest.raises(ResourceExhausted, match="the limit is 50000"):
            await link.client.send_message(Message(headers={"do": "size", "bytes": "60000"}))
        async with link.client.stream_events(EventRequest(node_id="forever", batch_size=60_000)) as events:
            with pytest.raises(ResourceExhausted, match="the limit is 50000"):
                await events.receive()
        assert (await link.client.send_message(Message(id="still"))).id == "still"


async def test_a_response_that_does_not_decompress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "compress", lambda _, data: data[: len(data) // 2])
    server_config = ServerConfig(compression=Compression.LZ4, drain_grace_s=0)
    async with counted(None, server_config) as link:
        with pytest.raises(Internal, match="lz4"):
            await link.client.send_message(Message(payload=PAYLOAD))
        assert (await link.client.send_message(Message(id="still"))).id == "still"


async def test_what_waits_to_be_received_stays_packed(tmp_path: Path) -> None:
    unpacked = 0

    def counting(compression: Compression, data: bytes, max_bytes: int) -> bytes:
        nonlocal unpacked
        unpacked += 1
        return decompress(compression, data, max_bytes)

    server_config = ServerConfig(compression=Compression.ZSTD, drain_grace_s=0)
    with anyio.fail_after(20), pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "decompress", counting)
        async with (
            linked("tcp", tmp_path, None, server_config) as link,
            link.client.stream_events(EventRequest(node_id="forever", batch_size=100_000)) as events,
        ):
            await events.receive()
            # A second call takes its turn behind what the stream has brought meanwhile.
            await link.client.send_message(Message())
            assert unpacked == 1
            await events.receive()
            assert unpacked == 2


async def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from eventflux_runtime.compression import algorithm as module

    module.is_available.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    try:
        with pytest.raises(MissingExtraError, match="compression 'zstd'.*pip install"):
            async with serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(compression=Compression.ZSTD)):
                pytest.fail("it serves")
    finally:
        module.is_available.cache_clear()


def _packed_without_limit(
    self: packing.Packer, message: Any, encode: Encode, compression: Compression, stream_id: int
) -> tuple[bytes, int]:
    writer = BytesWriter()
    encode(message, writer)
    plain = writer.getvalue()
    wire_id = 0 if compression is Compression.NONE else self.usable_id(compression, stream_id)
    return (compress(compression, plain), wire_id) if wire_id else (plain, 0)
