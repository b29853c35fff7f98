"""gRPC's interoperability cases between us and grpc-go's own client and server, and h2spec against our server."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Final

import anyio
import pytest

from eventflux_runtime import ClientConfig, ServerConfig, connect, serve
from interop_package import Empty
from interop_package import TestServiceClient as Client
from tests.interop.conftest import required
from tests.support.authority import Authority
from tests.support.interop_cases import CASES
from tests.support.interop_service import Interop

PROGRAMS: Final = Path(required("EVENTFLUX_GO_PEERS", "what is written in Go", "interop-go"))
PATIENCE_S: Final = 60.0
GO_CASES: Final = (*CASES, "pick_first_unary", "rpc_soak", "channel_soak")
"""The cases that grpc-go's client knows, those that need an account or a balancer's server apart."""

H2SPEC_CASES: Final = 146
H2SPEC_PATH: Final = "/grpc.testing.TestService/StreamingInputCall"
"""A method that answers, with a head, a message and a status, when the request has ended."""

EXCEPTIONS: Final = {
    # h2spec is of the time of RFC 7540. Its successor RFC 9113 took the dependencies of streams away (5.3.2),
    ("http2/5.3.1", "Sends HEADERS frame that depend on itself"),
    ("http2/5.3.1", "Sends PRIORITY frame that depend on itself"),
    # and leaves it open what becomes of frames on a stream that has ended (5.1, "closed"). Ours are passed over, up to
    # a limit: they may have crossed a reset of ours, and an ended stream is not remembered.
    ("http2/5.1", "closed: Sends a DATA frame after sending RST_STREAM frame"),
    ("http2/5.1", "closed: Sends a DATA frame"),
}
"""What h2spec counts as failures of ours, and why each is meant to be so."""
RACES: Final = {
    # The same as of a closed stream, where the response has ended by the time that the frame is read.
    ("http2/5.1", "half closed (remote): Sends a DATA frame"),
    ("http2/6.1", 'Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state'),
    # Behind its GOAWAY it sends a PING, which may come after we have closed: its system says that we reset it then.
    ("generic/3.8", "Sends a GOAWAY frame"),
    ("http2/7", "Sends a GOAWAY frame with unknown error code"),
}
"""What it counts as failures of ours now and then, by which of two things came first."""


def program(name: str) -> str:
    """The path of a program in Go."""
    return str(PROGRAMS / name)


async def run(*command: str) -> str:
    """Runs a program to its end; what it printed. One that fails fails the test."""
    with anyio.fail_after(PATIENCE_S):
        done = await anyio.run_process(command, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@asynccontextmanager
async def go_server(*options: str) -> AsyncIterator[int]:
    """grpc-go's server; its port."""
    command = program("server")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    async with await anyio.open_process([command, f"--port={port}", *options], stdin=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()


async def check(name: str, url: str, config: ClientConfig | None = None) -> None:
    """Makes a case, once the server is up."""
    async with connect(url, config=config) as channel:
        await Client(channel).empty_call(Empty(), wait_for_ready=True, timeout_s=PATIENCE_S)
        await CASES[name](channel)


def go_client(endpoint: str, name: str, *options: str) -> list[str]:
    host, _, port = endpoint.partition("://")[2].rpartition(":")
    return [program("client"), f"--server_host={host}", f"--server_port={port}", f"--test_case={name}", *options]


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(name: str) -> None:
    async with go_server() as port:
        await check(name, f"grpc://127.0.0.1:{port}")


@pytest.mark.parametrize("name", ["large_unary", "ping_pong"])
async def test_our_client_and_their_server_by_tls(name: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    files = (f"--tls_cert_file={pair.cert_file}", f"--tls_key_file={pair.key_file}")
    async with go_server("--use_tls", *files) as port:
        await check(name, f"grpcs://127.0.0.1:{port}", ClientConfig(tls=authority.trusting()))


@pytest.mark.parametrize("name", GO_CASES)
async def test_their_client_and_our_server(name: str) -> None:
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        await run(*go_client(server.endpoints[0], name))


@pytest.mark.parametrize("name", ["large_unary", "ping_pong"])
async def test_their_client_and_our_server_by_tls(name: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    config = ServerConfig(drain_grace_s=0, tls=authority.trusting(**authority.server().files))
    async with serve([Interop()], "grpcs://127.0.0.1:0", config=config) as server:
        options = ("--use_tls", "--use_test_ca", f"--ca_file={authority.ca_file}")
        await run(*go_client(server.endpoints[0], name, *options))


async def test_h2spec(tmp_path: Path) -> None:
    report = tmp_path / "h2spec.xml"
    options = ["--strict", "--timeout", "1", "--path", H2SPEC_PATH, "--junit-report", str(report)]
    async with serve([Interop()], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        port = server.endpoints[0].rpartition(":")[2]
        with anyio.fail_after(PATIENCE_S):
            # It ends with an error where a case failed, so the report has to tell.
            await anyio.run_process([program("h2spec"), "--host", "127.0.0.1", "--port", port, *options], check=False)
    # By hand, because what h2spec writes into an <error> need not be XML.
    results = re.findall(
        r'<testcase package="(.*?)" classname="(.*?)".*?>(.*?)</testcase>', report.read_text(), re.DOTALL
    )
    failed = {(package, unescape(name)): text for package, name, text in results if text.strip()}
    assert len(results) == H2SPEC_CASES
    assert failed.keys() >= EXCEPTIONS
    assert failed.keys() <= EXCEPTIONS | RACES, failed
