"""buf and grpcurl, which know nothing of our IDL, on our server: what they list, describe and call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import ServerConfig, serve
from tests.interop.conftest import PATIENCE_S
from tests.support.probe import Probe

SERVICE = "eventflux.transport.Transport"
REQUEST = '{"timestamp": 17}'
METHODS = [
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


@asynccontextmanager
async def reflecting(wire: str) -> AsyncIterator[str]:
    """The address of a server."""
    with anyio.fail_after(PATIENCE_S):
        async with serve([Probe()], f"{wire}://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
            yield server.endpoints[0].removeprefix(f"{wire}://")


async def printed(*command: str) -> str:
    """What a command prints that has to succeed."""
    done = await anyio.run_process(command, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_buf_lists_all_methods(wire: str, version: str, buf: str) -> None:
    async with reflecting(wire) as address:
        options = ("--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", version)
        listed = await printed(buf, "curl", *options, "--list-methods", f"http://{address}")
        assert sorted(listed.split()) == METHODS


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_buf_calls_what_it_was_told_of(wire: str, buf: str) -> None:
    async with reflecting(wire) as address:
        options = ("--http2-prior-knowledge", "--protocol", "grpc", "--data", REQUEST)
        answer = await printed(buf, "curl", *options, f"http://{address}/{SERVICE}/Heartbeat")
        assert json.loads(answer)["serverTimestamp"] == "17"


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_grpcurl_lists_describes_and_calls(wire: str, grpcurl: str) -> None:
    async with reflecting(wire) as address:
        services = sorted({method.partition("/")[0] for method in METHODS})
        assert (await printed(grpcurl, "-plaintext", address, "list")).split() == services
        listed = await printed(grpcurl, "-plaintext", address, "list", SERVICE)
        assert sorted(listed.split()) == [name.replace("/", ".") for name in METHODS[:4]]
        method = await printed(grpcurl, "-plaintext", address, "describe", f"{SERVICE}.Heartbeat")
        assert "rpc Heartbeat ( .eventflux.transport.HeartbeatRequest )" in method
        for command in ("describe", f"{SERVICE}.NoSuch"), ("list", "no.Such"):
            done = await anyio.run_process((grpcurl, "-plaintext", address, *command), check=False)
            assert done.returncode != 0
            assert b"not found" in done.stderr or b"not expose" in done.stderr, done.stderr
        answer = await printed(grpcurl, "-plaintext", "-d", REQUEST, address, f"{SERVICE}/Heartbeat")
        assert int(json.loads(answer)["server_timestamp"]) == 17
