"""Compression on gRPC that grpcio's core does not know: between our own peers, and never towards another."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from google.protobuf import wrappers_pb2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventflux_runtime import (
    ClientConfig,
    CodecError,
    Compression,
    ResourceExhausted,
    ResponseInfo,
    ServerConfig,
    connect,
    serve,
)
from eventflux_runtime.compression.expansion import ExpansionBudget, Loan
from eventflux_runtime.grpcio import packed
from eventflux_runtime.grpcio.packed import ACCEPT_KEY, acceptance, accepted_by, pack, unpack
from eventflux_runtime.rpc.byte_counter import ByteCounter
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_transport import Message, TransportClient, transport_pb2
from tests.support.probe import Probe
from tests.support.proxy import proxied

PACKING = [Compression.LZ4, Compression.SNAPPY, Compression.ZSTD]
PAYLOAD = b"abcdefgh" * 8192


@pytest.mark.parametrize("compression", PACKING, ids=lambda c: c.value)
async def test_both_directions_from_the_second_call_on(compression: Compression) -> None:
    server_config = ServerConfig(compression=compression, drain_grace_s=0)
    with anyio.fail_after(15):
        async with (
            serve([Probe()], "grpc://127.0.0.1:0", config=server_config) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=ClientConfig(compression=compression)) as channel,
        ):
            client = TransportClient(channel)
            info = ResponseInfo()
            assert (await client.send_message(Message(payload=PAYLOAD), response=info)).payload == PAYLOAD
            assert list(info.trailers) == []
            assert proxy.downstream_bytes < len(PAYLOAD) / 4
            before = proxy.upstream_bytes
            assert before > len(PAYLOAD)
            assert (await client.send_message(Message(payload=PAYLOAD))).payload == PAYLOAD
            async with client.stream_messages() as stream:
                for index in range(3):
                    await stream.send(Message(id=str(index), payload=PAYLOAD))
                    assert (await stream.receive()).payload == PAYLOAD
                await stream.end()
                assert [message.id async for message in stream] == ["end"]
            assert proxy.upstream_bytes - before < len(PAYLOAD)
            assert proxy.downstream_bytes < len(PAYLOAD)


async def test_a_handler_sees_nothing_of_it() -> None:
    service = Probe()
    with anyio.fail_after(15):
        async with (
            serve([service], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
            connect(server.endpoints[0], config=ClientConfig(compression=Compression.ZSTD)) as channel,
        ):
            await TransportClient(channel).send_message(Message(), metadata={"own": "1"})
    assert list(service.contexts[0].metadata) == [("own", "1")]


async def test_a_client_that_wants_none_gets_none() -> None:
    server_config = ServerConfig(compression=Compression.ZSTD, drain_grace_s=0)
    with anyio.fail_after(15):
        async with (
            serve([Probe()], "grpc://127.0.0.1:0", config=server_config) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url) as channel,
        ):
            await TransportClient(channel).send_message(Message(payload=PAYLOAD))
            await TransportClient(channel).send_message(Message(payload=PAYLOAD))
            assert proxy.upstream_bytes > 2 * len(PAYLOAD)
            assert proxy.downstream_bytes > 2 * len(PAYLOAD)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)
async def test_a_foreign_server_gets_plain_messages(anyio_backend: str) -> None:
    from grpc import aio, method_handlers_generic_handler, unary_unary_rpc_method_handler

    requests: list[Any] = []

    async def echo(request: Any, context: Any) -> Any:
        requests.append(request)
        return request

    handler = unary_unary_rpc_method_handler(
        echo,
        request_deserializer=transport_pb2.TransportMessage.FromString,
        response_serializer=transport_pb2.TransportMessage.SerializeToString,
    )
    server = aio.server()
    server.add_generic_rpc_handlers(
        (method_handlers_generic_handler("eventflux.transport.Transport", {"SendMessage": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"grpc://127.0.0.1:{port}", config=ClientConfig(compression=Compression.ZSTD)) as channel:
            for _ in range(3):
                reply = await TransportClient(channel).send_message(Message(payload=PAYLOAD))
                assert reply.payload == PAYLOAD
    finally:
        await server.stop(None)
    assert [request.payload for request in requests] == [PAYLOAD] * 3


async def test_a_message_that_expands_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from eventflux_runtime.grpcio.connection import GrpcConnection

    monkeypatch.setattr(GrpcConnection, "check_size", lambda *_: None)
    server_config = ServerConfig(max_message_bytes=50_000, drain_grace_s=0)
    with anyio.fail_after(15):
        async with (
            serve([Probe()], "grpc://127.0.0.1:0", config=server_config) as server,
            connect(server.endpoints[0], config=ClientConfig(compression=Compression.ZSTD)) as channel,
        ):
            client = TransportClient(channel)
            await client.send_message(Message())
            with pytest.raises(ResourceExhausted, match="the limit is 50000"):
                await client.send_message(Message(payload=bytes(60_000)))
            assert (await client.send_message(Message(id="still"))).id == "still"


async def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from eventflux_runtime.compression import algorithm as module

    monkeypatch.setattr(module, "is_available", lambda _: False)
    with pytest.raises(MissingExtraError, match="compression 'zstd'.*pip install"):
        async with serve([Probe()], "grpc://127.0.0.1:0", config=ServerConfig(compression=Compression.ZSTD)):
            pytest.fail("it serves")


def loan() -> Loan:
    return ExpansionBudget(ByteCounter(), 1_000_000, None).loan()


@pytest.mark.parametrize("compression", PACKING)
@given(data=st.binary(max_size=100) | st.integers(0, 100_000).map(lambda size: b"xy" * (size // 2)))
@example(data=bytes.fromhex("fa ff ff ff 0f"))
@example(data=bytes.fromhex("fa ff ff ff 0f 02 01 00"))
@settings(max_examples=30)
def test_round_trip(compression: Compression, data: bytes) -> None:
    assert unpack(pack(data, compression, 0), max(1, len(data)), loan()) == data


def test_the_form_of_a_packed_message() -> None:
    form = pack(bytes(1000), Compression.SNAPPY, 0)
    # Field 2**29 - 1, a length, the algorithm's id.
    assert form[:7] == bytes.fromhex("fa ff ff ff 0f") + bytes([len(form) - 6, 2])
    assert len(wrappers_pb2.BytesValue.FromString(form).value) == 0  # anybody's protobuf takes it for an unknown field
    assert pack(bytes(1000), Compression.ZSTD, 1001) == bytes(1000)


@pytest.mark.parametrize(
    "form", ["fa ff ff ff 0f", "fa ff ff ff 0f 00", "fa ff ff ff 0f 02 01", "fa ff ff ff 0f 01 09"]
)
def test_forms_that_are_none(form: str) -> None:
    with pytest.raises(CodecError):
        unpack(bytes.fromhex(form), 1000, loan())


def test_what_is_accepted() -> None:
    assert accepted_by([acceptance()]) == frozenset(PACKING)
    assert accepted_by([("a", "b"), (ACCEPT_KEY, "lz4,brotli,gzip")]) == frozenset({Compression.LZ4})
    assert accepted_by([(ACCEPT_KEY, "")]) == frozenset()
    assert accepted_by([("a", "b")]) is None
    assert accepted_by(None) is None
    assert set(PACKING) == packed.PACKING
