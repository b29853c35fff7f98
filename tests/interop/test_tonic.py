"""gRPC's interoperability cases between us and tonic, each as client and as server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from eventflux_runtime import Compression, ServerConfig, connect, serve
from tests.interop.conftest import Program, required
from tests.support.http2_tap import Tap
from tests.support.interop_cases import CASES
from tests.support.interop_service import Interop

THEIR_SERVERS_CASES = [name for name in CASES if name != "custom_metadata"]
"""A handler of tonic's cannot say what trailers follow a success."""
THEIR_CLIENTS_CASES = [name for name in CASES if name != "unimplemented_method"]
"""Generated code of tonic's cannot call a method that the IDL lacks."""
FLAGS = {
    "client_compressed_unary": [([False], []), ([True], [False]), ([False], [False])],
    "server_compressed_unary": [([False], [True]), ([False], [False])],
}
"""How requests and responses travel in each call of a case, where our server compresses all it may."""


PEER = Program([required("EVENTFLUX_TONIC_PEER", "the tonic peer", "interop-rust")])


@pytest.fixture(scope="module")
def their_server() -> Iterator[str]:
    """Their server, one for all tests; its URL."""
    with subprocess.Popen(PEER.line("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"grpc://{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.parametrize("name", THEIR_SERVERS_CASES)
async def test_our_client_and_their_server(their_server: str, name: str) -> None:
    async with connect(their_server) as channel:
        await CASES[name](channel)


@pytest.mark.parametrize("name", THEIR_CLIENTS_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        assert await PEER.run("case", server.endpoints[0].removeprefix("grpc://"), name) == name


@pytest.mark.parametrize("name", FLAGS)
async def test_their_client_and_our_server_compressing(name: str) -> None:
    tap = Tap()
    config = ServerConfig(drain_grace_s=0, compression=Compression.GZIP)
    service = Interop(tap.last_request_flags)
    async with serve([service], "grpc://127.0.0.1:0", config=config) as server, tap.before(*server.endpoints) as url:
        assert await PEER.run("case", url.removeprefix("grpc://"), name) == name
    assert [(call.request_flags, call.response_flags) for call in tap.calls] == FLAGS[name]
