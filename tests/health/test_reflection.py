"""Server reflection: a client that knows nothing of a server's IDL makes a call of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2 as pb

from eventflux_runtime import ServerConfig, Service, serve
from tests.support.probe import Probe

SERVICE = "eventflux.transport.Transport"
VERSIONS = ("v1", "v1alpha")
LONG_S = 20


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """grpcio's side is asyncio's; how a server on trio runs it is the listener's, and tested there."""
    name: str = request.param
    return name


@asynccontextmanager
async def reflecting(
    config: ServerConfig | None = None, services: Sequence[Service] | None = None
) -> AsyncIterator[aio.Channel]:
    """A channel of grpcio's to our server."""
    config = config if config is not None else ServerConfig(drain_grace_s=0)
    services = [Probe()] if services is None else services
    with anyio.fail_after(LONG_S):
        async with (
            serve(services, "grpc://127.0.0.1:0", config=config) as server,
            aio.insecure_channel(server.endpoints[0].removeprefix("grpc://")) as channel,
        ):
            yield channel


async def ask(channel: aio.Channel, version: str, **question: Any) -> pb.ServerReflectionResponse:
    """One question to the reflection service, one answer."""
    call: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )()
    await call.write(pb.ServerReflectionRequest(**question))
    await call.done_writing()
    answer: pb.ServerReflectionResponse = await call.read()
    assert await call.code() is grpc.StatusCode.OK
    return answer


def pool_of(answer: pb.ServerReflectionResponse) -> descriptor_pool.DescriptorPool:
    """The files of an answer in a pool of their own, each after those that it imports."""
    files = {}
    for serialized in answer.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        files[file.name] = file
    pool = descriptor_pool.DescriptorPool()

    def add(name: str) -> None:
        file = files.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            pool.Add(file)

    for name in list(files):
        add(name)
    return pool


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_service_is_listed(version: str) -> None:
    async with reflecting() as channel:
        answer = await ask(channel, version, list_services="")
        assert [service.name for service in answer.list_services_response.service] == [
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_calls_what_it_has_only_been_told_of(version: str) -> None:
    async with reflecting() as channel:
        answer = await ask(channel, version, file_containing_symbol=SERVICE)
        method = pool_of(answer).FindServiceByName(SERVICE).methods_by_name["Heartbeat"]
        request = message_factory.GetMessageClass(method.input_type)(timestamp=17)
        response_class: Any = message_factory.GetMessageClass(method.output_type)
        call: Any = channel.unary_unary(f"/{SERVICE}/Heartbeat")
        assert response_class.FromString(await call(request.SerializeToString())).server_timestamp == 17


async def test_the_health_service_is_described_though_its_pool_is_our_own() -> None:
    async with reflecting() as channel:
        answer = await ask(channel, "v1", file_containing_symbol="grpc.health.v1.Health")
        methods = pool_of(answer).FindServiceByName("grpc.health.v1.Health").methods_by_name
        assert sorted(methods) == ["Check", "Watch"]
        by_name = await ask(channel, "v1", file_by_filename="grpc/health/v1/health.proto")
        assert by_name.file_descriptor_response == answer.file_descriptor_response


async def test_what_is_not_there_is_not_found() -> None:
    async with reflecting() as channel:
        for question in ({"file_containing_symbol": "no.Such"}, {"file_by_filename": "no_such.proto"}):
            answer = await ask(channel, "v1", **question)
            assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_it_can_be_switched_off() -> None:
    async with reflecting(ServerConfig(reflection=False, drain_grace_s=0)) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await ask(channel, "v1", list_services="")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("reflection", "outcome"),
    [
        ("None", "serves"),
        ("False", "serves"),
        (
            "True",
            "ServerConfig.reflection needs an extra: run pip install 'eventflux-transport[reflection]'",
        ),
    ],
)
def test_without_the_library_only_asking_for_it_is_an_error(reflection: str, outcome: str) -> None:
    program = f"""
import sys
sys.modules["grpc_reflection"] = None
import anyio
from eventflux_runtime import MissingExtraError, ServerConfig, serve

async def main():
    try:
        async with serve([], "grpc://127.0.0.1:0", config=ServerConfig(reflection={reflection})):
            print("serves")
    except MissingExtraError as error:
        print(error)

anyio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == outcome


DESCRIBES = """
import anyio, grpc
from eventflux_runtime import serve
from grpc_reflection.v1alpha import reflection_pb2 as pb
from tests.support.probe import Probe

def ask(target):
    with grpc.insecure_channel(target) as channel:
        call = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=pb.ServerReflectionRequest.SerializeToString,
            response_deserializer=pb.ServerReflectionResponse.FromString,
        )
        answer = next(call(iter([pb.ServerReflectionRequest(file_containing_symbol="eventflux.transport.Transport")])))
        print(len(answer.file_descriptor_response.file_descriptor_proto))

async def main():
    async with serve([Probe()], "grpc://127.0.0.1:0") as server:
        await anyio.to_thread.run_sync(ask, server.endpoints[0].removeprefix("grpc://"))

anyio.run(main, backend="trio")
"""


def test_a_server_that_nobody_has_called_yet_describes_itself() -> None:
    # In a process of its own, so that nothing has loaded the protobuf form of the messages; on trio to boot.
    done = subprocess.run([sys.executable, "-c", DESCRIBES], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
