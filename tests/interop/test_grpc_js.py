"""gRPC's interoperability cases between us and @grpc/grpc-js, each as client and as server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventflux_runtime import Compression, ServerConfig, connect, serve
from interop_package import TestServiceClient as Client
from tests.interop.conftest import ROOT, Program, required
from tests.support.http2_tap import Tap
from tests.support.interop_cases import CASES, empty_unary, large_request
from tests.support.interop_service import Interop

pytestmark = pytest.mark.slow  # what differs by loop is below what a peer sees: one a case

SCRIPT = Path(required("EVENTFLUX_NODE_PEER", "the Node.js node")).with_name("interop.mjs")
PEER = Program(["node", str(SCRIPT)], [str(ROOT / "tests/idl/interop.proto")])
FLAGS = {
    "client_compressed_unary": [([False], []), ([True], [True]), ([False], [True])],
    "server_compressed_unary": [([False], [True]), ([False], [False])],
    "server_compressed_streaming": [([False], [True, False])],
}
"""How requests and responses travel in each call of a case, where our server compresses all it may."""


@pytest.fixture(scope="module")
def their_server() -> Iterator[str]:
    """Their server, one for all tests: a process that starts takes longer than a case. Its URL."""
    command = PEER.line("serve")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"grpc://{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(their_server: str, name: str) -> None:
    async with connect(their_server) as channel:
        await CASES[name](channel)


async def test_their_server_takes_compressed_requests(their_server: str) -> None:
    tap = Tap()
    async with tap.before(their_server) as url, connect(url) as channel:
        await empty_unary(channel)
        await Client(channel).unary_call(large_request(), compression=Compression.GZIP, timeout_s=30)
    assert [call.request_flags for call in tap.calls] == [[False], [True]]


async def test_their_client_and_our_server() -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        address = server.endpoints[0].removeprefix("grpc://")
        assert (await PEER.run("case", address, *CASES)).split() == list(CASES)


@pytest.mark.parametrize("name", FLAGS)
async def test_their_client_and_our_server_compressing(name: str) -> None:
    tap = Tap()
    config = ServerConfig(drain_grace_s=0, compression=Compression.GZIP)
    service = Interop(tap.last_request_flags)
    async with serve([service], "grpc://127.0.0.1:0", config=config) as server, tap.before(*server.endpoints) as url:
        assert await PEER.run("case", url.removeprefix("grpc://"), name) == name
    assert [(call.request_flags, call.response_flags) for call in tap.calls] == FLAGS[name]
