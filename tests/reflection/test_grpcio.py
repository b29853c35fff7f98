"""grpcio-reflection's client on our server, by its stubs and as the source of a protobuf pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest
from anyio.to_thread import run_sync
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from eventflux_runtime import ServerConfig, TlsConfig, serve
from tests.support.authority import Authority
from tests.support.probe import Probe

WIRES = ("grpc", "grpcs", "grpcio")
SERVICE = "eventflux.transport.Transport"
LONG_S = 20


@asynccontextmanager
async def reflecting(wire: str, tmp_path: Path) -> AsyncIterator[grpc.Channel]:
    """A channel of grpcio's to our server, for a thread of its own: it blocks."""
    authority = Authority(tmp_path)
    tls = TlsConfig(**authority.server().files) if wire == "grpcs" else None
    config = ServerConfig(drain_grace_s=0, tls=tls)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], f"{wire}://127.0.0.1:0", config=config) as server:
            target = server.endpoints[0].removeprefix(f"{wire}://")
            with grpc.insecure_channel(target) if tls is None else secure_channel(target, authority) as channel:
                yield channel


def secure_channel(target: str, authority: Authority) -> grpc.Channel:
    """One that trusts an authority."""
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(Path(authority.ca_file).read_bytes()))


@pytest.mark.parametrize("wire", WIRES)
async def test_its_stub_asks_several_questions(wire: str, tmp_path: Path) -> None:
    questions = [
        pb.ServerReflectionRequest(host="h", list_services=""),
        pb.ServerReflectionRequest(host="h", file_containing_symbol=f"{SERVICE}.Heartbeat"),
        pb.ServerReflectionRequest(host="h", file_by_filename="no_such.proto"),
    ]
    async with reflecting(wire, tmp_path) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = await run_sync(lambda: list(stub.ServerReflectionInfo(iter(questions), timeout=LONG_S)))
    assert [answer.original_request for answer in answers] == questions
    assert [answer.valid_host for answer in answers] == ["h", "h", "h"]
    assert [service.name for service in answers[0].list_services_response.service] == [
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    assert len(answers[1].file_descriptor_response.file_descriptor_proto) == 1
    assert answers[2].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("wire", WIRES)
async def test_its_database_fills_a_pool_that_makes_calls(wire: str, tmp_path: Path) -> None:
    def call_by_what_is_told(channel: grpc.Channel) -> list[str]:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        for service in database.get_services():
            for method in pool.FindServiceByName(service).methods_by_name.values():
                found.append(f"{service}/{method.name}")
        heartbeat = pool.FindServiceByName(SERVICE).methods_by_name["Heartbeat"]
        request: Any = GetMessageClass(heartbeat.input_type)(timestamp=17)
        response_class: Any = GetMessageClass(heartbeat.output_type)
        plain: Any = channel.unary_unary(f"/{SERVICE}/Heartbeat")
        assert response_class.FromString(plain(request.SerializeToString())).server_timestamp == 17
        return found

    found: list[str] = []
    async with reflecting(wire, tmp_path) as channel:
        await run_sync(call_by_what_is_told, channel)
    assert sorted(found) == [
        f"{SERVICE}/Heartbeat",
        f"{SERVICE}/SendMessage",
        f"{SERVICE}/StreamEvents",
        f"{SERVICE}/StreamMessages",
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/List",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ]
