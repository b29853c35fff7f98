"""Several processes on one port, from start to drain; each test starts some, so each shows several things."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from eventflux_runtime import Channel, ClientConfig, Unavailable
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.fleet import Load
from tests.support.wires import connect, server_config, why_missing

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 45
COUNT = 2
CONFIG = ClientConfig(retry=None, timeout_s=LONG_S)


@pytest.fixture(params=["trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """One loop for each test, and its workers: starting processes is too dear for more."""
    return request.param, {}


class Program:
    """A process of `tests.support.worked` in a process group of its own; what it printed is read line by line."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.support.worked", *arguments]
        self.popen = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.pids: list[int] = []
        self.urls: list[str] = []

    async def line(self) -> str:
        """The next line of its output; empty at its end."""
        assert self.popen.stdout is not None
        return (await run_sync(self.popen.stdout.readline)).strip()

    async def lines_until(self, wanted: str) -> list[str]:
        """The lines before one that starts so."""
        found: list[str] = []
        while not (line := await self.line()).startswith(wanted):
            assert line, found
            found.append(line)
        return found

    async def wait_started(self) -> None:
        """Takes what it says once all serve."""
        await self.lines_until("INFO <Workers")
        words = (await self.line()).split()
        self.pids = [int(word) for word in words if word.isdigit()]
        self.urls = [word.replace("tcp+grpc", "tcp") for word in words[len(self.pids) :]]

    async def end(self) -> tuple[int, list[str]]:
        """Its exit code, and the rest of its output."""
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        rest = await run_sync(self.popen.stdout.read)
        assert await run_sync(self.popen.stderr.read) == ""
        return await run_sync(self.popen.wait), rest.splitlines()


@asynccontextmanager
async def running(loop: str, folder: Path, *, grace_s: float = LONG_S) -> AsyncIterator[Program]:
    over_udp = () if why_missing("quic") else ("quic://127.0.0.1:0",)
    urls = ("tcp+grpc://127.0.0.1:0", f"unix://{folder}/workers.sock", *over_udp)
    server_config(None, *urls)  # makes the certificates that the children find
    program = Program(loop, str(COUNT), str(grace_s), "services", *urls)
    try:
        with anyio.fail_after(LONG_S):
            await program.wait_started()
            yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.popen.pid, signal.SIGKILL)
        program.popen.wait()
        for stream in (program.popen.stdout, program.popen.stderr):
            assert stream is not None
            stream.close()


async def who(url: str) -> int:
    """The worker that a new connection leads to."""
    async with connect(url, config=CONFIG) as channel:
        return int((await TransportClient(channel).heartbeat(HeartbeatRequest())).server_node_id)


async def all_of(url: str, count: int = COUNT, without: frozenset[int] = frozenset()) -> set[int]:
    """The workers that answer, once so many have, and none of those that are not to."""
    seen: set[int] = set()
    while len(seen) < count:
        with suppress(Unavailable):  # one that has just been killed held the connection
            seen.add(await who(url))
        seen -= without
    return seen


async def send(channel: Channel, headers: dict[str, str], outcomes: list[Message | Unavailable]) -> None:
    try:
        outcomes.append(await TransportClient(channel).send_message(Message(headers=headers)))
    except Unavailable as error:
        outcomes.append(error)


async def test_every_worker_answers_on_every_address_and_ctrl_c_drains_all(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    async with running(anyio_backend_name, tmp_path) as program:
        tcp, unix, *_ = program.urls
        assert len(set(program.pids)) == COUNT
        for url in program.urls:
            assert await all_of(url) == set(program.pids)
        outcomes: list[Message | Unavailable] = []
        channel = connect(tcp.replace("tcp", "grpc"), config=CONFIG)
        async with channel, anyio.create_task_group() as tasks:
            tasks.start_soon(send, channel, {"seconds": "0.5"}, outcomes)
            assert await program.line() == "begun"
            os.killpg(program.popen.pid, signal.SIGINT)  # as a terminal does: to the workers as well
        (reply,) = outcomes
        assert isinstance(reply, Message)
        assert int(reply.id) in program.pids
        code, lines = await program.end()
        assert (code, sorted(lines)) == (0, ["draining"] * COUNT + ["left"] * COUNT + ["stopped"])
        assert not await anyio.Path(unix.removeprefix("unix://")).exists()


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_a_worker_that_dies_is_replaced_and_all_are_renewed_without_a_lost_call(tmp_path: Path) -> None:
    async with running("uvloop", tmp_path) as program:
        tcp, unix, *over_udp = program.urls
        first = set(program.pids)
        os.kill(program.pids[0], signal.SIGKILL)
        died = f"WARNING worker {program.pids[0]} was ended by SIGKILL: another takes its place"
        assert await program.lines_until(died) == []
        second = await all_of(tcp, without=frozenset({program.pids[0]}))
        assert len(second & first) == COUNT - 1

        async with AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(connect(url, config=CONFIG)) for url in program.urls]
            loads = [Load(calling(TransportClient(channel)), workers=4) for channel in channels]
            async with anyio.create_task_group() as tasks:
                for load in loads:
                    tasks.start_soon(load.run)
                    await load.more(20)
                program.popen.send_signal(signal.SIGHUP)
                third = await all_of(unix, without=frozenset(first | second))
                for load in loads:
                    await load.more(20)
                    load.stop()
        assert [load.failures for load in loads] == [[]] * len(loads)
        for url in (tcp, *over_udp):
            assert await all_of(url, without=frozenset(first | second)) == third

        outcomes: list[Message | Unavailable] = []
        async with connect(unix, config=CONFIG) as channel, anyio.create_task_group() as tasks:
            tasks.start_soon(send, channel, {"seconds": str(LONG_S)}, outcomes)
            await program.lines_until("begun")
            program.popen.send_signal(signal.SIGTERM)
            await program.lines_until("draining")
            with anyio.fail_after(LONG_S / 6):
                program.popen.send_signal(signal.SIGTERM)
                code, lines = await program.end()
        assert isinstance(outcomes[0], Unavailable)
        assert (code, lines[-1]) == (0, "stopped")


def calling(client: TransportClient) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        return (await client.send_message(Message())).id

    return call


@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_workers_do_not_outlive_a_starter_that_is_killed(tmp_path: Path) -> None:
    async with running("asyncio", tmp_path) as program:
        program.popen.kill()
        assert program.popen.stdout is not None
        lines = (await run_sync(program.popen.stdout.read)).splitlines()  # ends with the last of them
        assert sorted(lines) == ["draining"] * COUNT + ["left"] * COUNT
        with pytest.raises(Unavailable):
            await who(program.urls[0])


def test_a_worker_that_cannot_serve_ends_all_with_the_reason() -> None:
    command = [sys.executable, "-m", "tests.support.worked", "asyncio", "2", "1", "no_services", "tcp://127.0.0.1:0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONG_S)
    assert (done.returncode, done.stderr) == (1, f"refused: there is no database on {sys.platform}\n")


def test_a_program_that_starts_workers_when_it_is_imported_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "unguarded.py"
    program.write_text(
        "import anyio\nfrom functools import partial\nfrom eventflux_runtime import serve_forever\n"
        "anyio.run(partial(serve_forever, [], workers=1), 'tcp://127.0.0.1:0')\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=LONG_S)
    assert "put the call of serve_forever below 'if __name__ == \"__main__\":'" in done.stderr
    assert "before it served; what it wrote to its standard error says why" in done.stderr
