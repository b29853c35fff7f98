"""Compression between our own ends over gRPC: negotiated with answers, so that the first call goes plain."""

from __future__ import annotations

import pytest

from eventflux_runtime import ClientConfig, Compression, ServerConfig, connect, serve
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe
from tests.support.proxy import proxied

PACKING = [compression for compression in Compression if compression is not Compression.NONE]
PAYLOAD = b"abcdefgh" * 1000


@pytest.mark.parametrize("compression", PACKING)
async def test_a_stream_keeps_what_it_began_with(compression: Compression) -> None:
    config = ClientConfig(compression=compression)
    async with (
        serve([Probe()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
        connect(server.endpoints[0], config=config) as channel,
    ):
        client = TransportClient(channel)
        for _ in range(2):
            async with client.stream_messages() as stream:
                for _ in range(3):
                    await stream.send(Message(payload=PAYLOAD))
                    assert (await stream.receive()).payload == PAYLOAD


@pytest.mark.parametrize("compression", PACKING)
async def test_what_a_server_reads_is_known_from_its_first_answer(compression: Compression) -> None:
    server_config = ServerConfig(compression=compression, drain_grace_s=0)
    async with (
        serve([Probe()], "grpc://127.0.0.1:0", config=server_config) as server,
        proxied(server.endpoints[0]) as (proxy, url),
        connect(url, config=ClientConfig(compression=compression)) as channel,
    ):
        client = TransportClient(channel)
        await client.send_message(Message(payload=PAYLOAD))
        assert proxy.upstream_bytes > len(PAYLOAD)
        assert proxy.downstream_bytes < len(PAYLOAD)
        before = proxy.upstream_bytes
        assert (await client.send_message(Message(payload=PAYLOAD))).payload == PAYLOAD
        assert proxy.upstream_bytes - before < len(PAYLOAD) / 2
