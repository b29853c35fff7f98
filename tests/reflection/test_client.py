"""`ReflectionClient`: what it learns of a server, in whichever version that has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eventflux_runtime import NotFound, ReflectionClient, ServerConfig, Unimplemented, connect, serve
from tests.support.probe import Probe
from tests.support.shop import SERVICE as SHOP
from tests.support.shop import grpcio_shop
from tests.support.wires import address

SERVICE = "eventflux.transport.Transport"


@asynccontextmanager
async def client_of(wire: str, tmp_path: Path, *, reflection: bool | None = None) -> AsyncIterator[ReflectionClient]:
    config = ServerConfig(drain_grace_s=0, reflection=reflection)
    async with (
        serve([Probe()], address(wire, tmp_path), config=config) as server,
        connect(server.endpoints[0]) as channel,
    ):
        yield ReflectionClient(channel)


def names(files: tuple[bytes, ...]) -> list[str]:
    return [FileDescriptorProto.FromString(data).name for data in files]


@pytest.mark.parametrize("wire", ["tcp", "memory", "grpc", "grpcio"])
async def test_each_question_is_answered(wire: str, tmp_path: Path) -> None:
    async with client_of(wire, tmp_path) as client:
        assert SERVICE in await client.services()
        assert names(await client.file_of_symbol(f"{SERVICE}.Heartbeat"))[0] == "transport.proto"
        assert names(await client.file_by_name("transport.proto"))[0] == "transport.proto"
        with pytest.raises(NotFound, match=r"the symbol 'no\.Such' is not known here"):
            await client.file_of_symbol("no.Such")
        with pytest.raises(NotFound):
            await client.file_by_name("no_such.proto")
        with pytest.raises(NotFound):
            await client.file_of_extension(f"{SERVICE}Message", 7)
        assert await client.extension_numbers("eventflux.transport.TransportMessage") == ()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_server_of_another_maker_is_asked_in_its_version(version: str) -> None:
    with grpcio_shop(version) as (url, _):
        async with connect(url) as channel:
            client = ReflectionClient(channel)
            assert await client.services() == (f"grpc.reflection.{version}.ServerReflection", SHOP)
            assert "inventory.proto" in names(await client.file_of_symbol(SHOP))


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
async def test_a_server_without_it_says_so(wire: str, tmp_path: Path) -> None:
    async with client_of(wire, tmp_path, reflection=False) as client:
        with pytest.raises(Unimplemented, match=r"no version of grpc\.reflection\.v1"):
            await client.services()
