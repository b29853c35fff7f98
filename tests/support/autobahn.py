"""Autobahn's test suite for WebSocket against our pipes: an echo on either side, without our subprotocol."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.client import connect as connect_library
from websockets.uri import parse_uri

from eventflux_runtime import ClientConfig, ServerConfig
from eventflux_runtime.carrier.api import Pipe, Relay
from eventflux_runtime.carrier.tcp import CARRIER
from eventflux_runtime.carrier.websocket.pipe import WebSocketPipe
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.rpc.endpoint import parse_endpoint

PYTHON: Final = os.environ.get("EVENTFLUX_AUTOBAHN_PYTHON", "")
"""A Python 2.7, which the suite needs."""
LIBRARIES: Final = os.environ.get("EVENTFLUX_AUTOBAHN", "")
"""Where the suite was installed for it."""
AGENT: Final = "eventflux"
CASES: Final = ["*"]
NOT_RUN: Final = ["12.*", "13.*"]
"""Compression, which is never negotiated."""
END_OF_HEAD: Final = b"\r\n\r\n"

_LAUNCHER: Final = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; sys.exit(run())"
)
"""A directory of packages that need the files which only a site directory's are looked at for."""

Results = dict[str, dict[str, Any]]


class Echo:
    """The handler of a WebSocket that sends each message back as one, though a pipe knows none."""

    def __init__(self, pipe: WebSocketPipe) -> None:
        self._pipe = pipe
        self._parts: list[bytes] = []

    def receive(self, data: bytes) -> None:
        """What the pipe below brings. The last fragment of a message may bring no bytes, of which no pipe tells."""
        self._pipe.on_data(data)
        machine = self._pipe._machine
        if self._parts and not machine._left and not machine._is_within:
            self._pipe.write(b"".join(self._parts))
            self._parts.clear()

    def on_data(self, data: bytes) -> None:
        self._parts.append(data)

    def on_eof(self) -> None:
        self._pipe.close()

    def on_lost(self, error: Exception | None) -> None:
        pass

    def on_congested(self) -> None:
        pass

    def on_writable(self) -> None:
        pass


class Opening:
    """The handler of a pipe until the head of a request, or of an answer, has come."""

    def __init__(self, lower: Pipe, reactor: Reactor, protocol: ServerProtocol | ClientProtocol) -> None:
        self._lower = lower
        self._reactor = reactor
        self._protocol = protocol
        self._head = b""
        self.relay = Relay(self)

    def on_data(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(END_OF_HEAD)
        if not end:
            return
        self._protocol.receive_data(head + end)
        if isinstance(self._protocol, ServerProtocol):
            (request,) = self._protocol.events_received()
            assert isinstance(request, Request)
            self._protocol.send_response(self._protocol.accept(request))
            self._lower.write(b"".join(self._protocol.data_to_send()))
        is_client = isinstance(self._protocol, ClientProtocol)
        pipe = WebSocketPipe(self._lower, self._reactor, self._lower.peer, is_client=is_client)
        echo = Echo(pipe)
        self.relay.forward_to(pipe)
        self.relay.on_data = echo.receive
        pipe.start(echo)
        if rest:
            echo.receive(rest)

    def on_eof(self) -> None:
        pass

    def on_lost(self, error: Exception | None) -> None:
        pass

    def on_congested(self) -> None:
        pass

    def on_writable(self) -> None:
        pass


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A server that echoes; its port."""
    async with open_reactor() as reactor:
        listener = await CARRIER.bind(parse_endpoint("tcp://127.0.0.1:0"), ServerConfig(), (), reactor)
        listener.start(lambda pipe: pipe.start(Opening(pipe, reactor, ServerProtocol()).relay))
        try:
            yield listener.endpoint.port
        finally:
            await listener.aclose()


async def echo_client(port: int, resource: str) -> None:
    """A client that echoes until the server has closed."""
    async with open_reactor() as reactor:
        pipe = await CARRIER.connect(parse_endpoint(f"tcp://127.0.0.1:{port}"), ClientConfig(), (), reactor)
        protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{resource}"))
        protocol.send_request(protocol.connect())
        pipe.start(Opening(pipe, reactor, protocol).relay)
        pipe.write(b"".join(protocol.data_to_send()))
        await pipe.wait_closed()


def _command(mode: str, folder: Path, specification: dict[str, Any]) -> list[str]:
    spec = folder / f"{mode}.json"
    spec.write_text(json.dumps({"outdir": str(folder), "cases": CASES, "exclude-cases": NOT_RUN} | specification))
    return [PYTHON, "-c", _LAUNCHER, LIBRARIES, "-m", mode, "-s", str(spec)]


def _results(folder: Path) -> Results:
    found: Results = json.loads((folder / "index.json").read_text())[AGENT]
    return found


async def judge_server(folder: Path) -> Results:
    """What the suite's client says of our server."""
    async with echo_server() as port:
        servers = [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}]
        command = _command("fuzzingclient", folder, {"servers": servers})
        await anyio.run_process(command, cwd=folder, check=True)
    return _results(folder)


@contextmanager
def fuzzing_server(folder: Path, port: int) -> Iterator[None]:
    """The suite's server."""
    command = _command("fuzzingserver", folder, {"url": f"ws://127.0.0.1:{port}", "webport": 0})
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def ask(port: int, resource: str) -> str:
    """What the suite's server says to the library's client."""
    with connect_library(f"ws://127.0.0.1:{port}{resource}", compression=None, open_timeout=60) as socket:
        try:
            return str(socket.recv())
        except Exception:  # noqa: BLE001 - closed without a word
            return ""


async def judge_client(folder: Path, port: int) -> Results:
    """What the suite's server says of our client."""
    with fuzzing_server(folder, port):
        for _ in range(300):
            try:
                count = int(await run_sync(ask, port, "/getCaseCount"))
                break
            except OSError:
                await anyio.sleep(0.1)  # a process of others, which does not say when it listens
        else:
            raise TimeoutError("the suite's server does not listen")
        for number in range(1, count + 1):
            await echo_client(port, f"/runCase?case={number}&agent={AGENT}")
        await run_sync(ask, port, f"/updateReports?agent={AGENT}")
    return _results(folder)
