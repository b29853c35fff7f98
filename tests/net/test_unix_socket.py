"""Unix sockets to listen on: what is in the way is told apart, nothing waits, and nobody else's socket is touched."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import ConfigError, ServerConfig, connect, serve
from eventflux_runtime.net import unix_socket
from eventflux_runtime.net.unix_socket import SocketFile, bind_unix
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe

AT_ONCE = ServerConfig(drain_grace_s=0)
SOON_S = 0.5
"""A start that waits for nobody takes milliseconds; a machine that is busy may take this long."""


@contextmanager
def held(path: Path, kind: int = socket.SOCK_STREAM, backlog: int | None = None) -> Iterator[socket.socket]:
    """A socket of somebody else's at a path; without a backlog it does not listen yet."""
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(str(path))
        if backlog is not None:
            sock.listen(backlog)
        yield sock


async def refusal(path: Path) -> str:
    """Why a server cannot start at a path; it is to be said at once, and with the file as it was."""
    before = os.lstat(path)
    with anyio.fail_after(10):
        with pytest.raises(ConfigError) as caught:
            async with serve([Probe()], f"unix://{path}", config=AT_ONCE):
                pytest.fail("it started")
    after = os.lstat(path)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert os.listdir(path.parent) == [path.name]
    return str(caught.value)


async def answers(path: Path) -> bool:
    async with connect(f"unix://{path}") as channel:
        return (await TransportClient(channel).send_message(Message(id="a"))).id == "a"


async def test_a_server_whose_backlog_is_full_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "busy.sock"
    with held(path, backlog=0) as holder:
        waiting = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            if client.connect_ex(str(path)) == errno.EAGAIN:
                break
        started = anyio.current_time()
        assert "another server listens there" in await refusal(path)
        assert anyio.current_time() - started < SOON_S
        for client in waiting:
            client.close()
        assert holder.fileno() >= 0


async def test_a_server_that_is_looked_at_is_not_connected_to(tmp_path: Path) -> None:
    path = tmp_path / "quiet.sock"
    with held(path, backlog=5) as holder:
        await refusal(path)
        holder.setblocking(False)
        with pytest.raises(BlockingIOError):
            holder.accept()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
async def test_a_socket_that_does_not_listen_yet_is_somebodys(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "soon.sock"
    with held(path, kind):
        assert "or is about to" in await refusal(path)


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "folder").mkdir()
    assert "not a socket" in await refusal(tmp_path / "a" / "folder")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / "pipe")
    assert "not a socket" in await refusal(tmp_path / "b" / "pipe")


@pytest.mark.parametrize("leads_to", ["nowhere", "link", "../stale"])
async def test_a_link_is_left_alone(leads_to: str, tmp_path: Path) -> None:
    with held(tmp_path / "stale"):
        pass
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "link"
    path.symlink_to(leads_to)
    assert "symbolic link" in await refusal(path)
    assert (tmp_path / "stale").is_socket()


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory does not exist; make it first"):
        await bind_unix(parse_endpoint(f"unix://{tmp_path}/none/a.sock"))


@pytest.mark.usefixtures("anyio_backend")
async def test_a_server_that_comes_between_look_and_removal_keeps_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "race.sock"
    with held(path):
        pass
    move = os.rename
    with socket.socket(socket.AF_UNIX) as winner:

        def rename(source: str, target: str) -> None:
            monkeypatch.setattr(os, "rename", move)
            path.unlink()
            winner.bind(str(path))
            winner.listen()
            move(source, target)

        monkeypatch.setattr(os, "rename", rename)
        with pytest.raises(ConfigError, match="another server listens"):
            await bind_unix(parse_endpoint(f"unix://{path}"))
        assert os.listdir(tmp_path) == ["race.sock"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            winner.accept()[0].close()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_is_not_the_one_that_was_seen_is_put_back(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    path = tmp_path / "a.sock"
    with held(path):
        seen = os.lstat(path)
        os.utime(path, ns=(0, 0))  # as if it had the number of the one that was seen
        assert not unix_socket._remove(str(path), seen)
    assert os.listdir(tmp_path) == ["a.sock"]


def test_a_file_is_not_put_back_in_the_place_of_a_third(tmp_path: Path) -> None:
    (tmp_path / "aside").write_text("second")
    (tmp_path / "path").write_text("third")
    unix_socket._put_back(str(tmp_path / "aside"), str(tmp_path / "path"))
    assert (tmp_path / "path").read_text() == "third"


@pytest.mark.usefixtures("anyio_backend")
async def test_a_path_that_others_take_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_socket, "_clear", lambda _: None)
    path = tmp_path / "a.sock"
    with held(path), pytest.raises(ConfigError, match="another server has just taken it"):
        await bind_unix(parse_endpoint(f"unix://{path}"))


def failing(code: int) -> Callable[..., Any]:
    """A function of the system's that fails."""

    def fail(*_: Any, **_options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("module", "name", "code"),
    [(os, "open", errno.EACCES), (fcntl, "flock", errno.ENOLCK)],
    ids=["that may not be read", "without locks"],
)
async def test_a_directory_that_cannot_be_locked_is_used_all_the_same(
    module: Any, name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, anyio.fail_after(10):
        patch.setattr(module, name, failing(code))
        sock, file = await bind_unix(parse_endpoint(f"unix://{tmp_path}/a.sock"))
    file.remove()
    sock.close()


STARTER = """
import sys, anyio
from eventflux_runtime import ConfigError, ServerConfig, serve
from tests.support.probe import Probe

async def main(url: str) -> None:
    await anyio.to_thread.run_sync(sys.stdin.readline)
    try:
        async with serve([Probe()], url, config=ServerConfig(drain_grace_s=0)):
            print("serves", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)
    except ConfigError:
        print("refused", flush=True)

anyio.run(main, sys.argv[1], backend=sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_of_servers_that_start_together_one_has_the_path(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "start.sock"
    with held(path):
        pass
    command = [sys.executable, "-c", STARTER, f"unix://{path}", backend]
    starters = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(4)
    ]
    try:
        for one in starters:
            assert one.stdin is not None
            one.stdin.write("\n")
        said = [one.stdout.readline().strip() for one in starters if one.stdout is not None]
        assert sorted(said) == ["refused"] * 3 + ["serves"]
        assert anyio.run(answers, path)
    finally:
        for one in starters:
            one.communicate("\n")
    assert os.listdir(tmp_path) == []


async def test_a_start_waits_while_another_in_its_directory_is_at_it(tmp_path: Path) -> None:
    bound = anyio.Event()

    async def start() -> None:
        sock, file = await bind_unix(parse_endpoint(f"unix://{tmp_path}/a.sock"))
        bound.set()
        file.remove()
        sock.close()

    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await anyio.wait_all_tasks_blocked()
        assert not bound.is_set()
        os.close(descriptor)
        with anyio.fail_after(10):
            await bound.wait()


async def test_a_directory_that_somebody_locks_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_socket, "_LOCK_WAIT_S", 0.05)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with anyio.fail_after(10):
            async with serve([Probe()], f"unix://{tmp_path}/a.sock", config=AT_ONCE):
                assert await answers(tmp_path / "a.sock")
    finally:
        os.close(descriptor)


async def test_a_successor_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    async with serve([Probe()], f"unix://{path}", config=AT_ONCE) as first:
        await first.drain()
        assert not path.exists()
        async with serve([Probe()], f"unix://{path}", config=AT_ONCE):
            assert await answers(path)
            for listener in first._listeners:
                await listener.aclose()
            assert await answers(path)
    assert not path.exists()


def test_a_file_in_the_place_of_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with held(path, backlog=1):
        file = SocketFile(str(path))
        path.unlink()
        with held(path, backlog=1):
            file.remove()
            assert path.is_socket()
    path.unlink()
    file.remove()


def test_a_file_that_is_gone_already_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with held(path, backlog=1):
        file = SocketFile(str(path))
        path.unlink()
        file.remove()


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with serve([Probe()], f"unix://{path}", config=AT_ONCE):
            await anyio.lowlevel.checkpoint()
    assert os.listdir(tmp_path) == []


STRANGER = """
import os, sys, anyio
from eventflux_runtime import ConfigError
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.net.unix_socket import bind_unix

async def main(mine: str, foreign: str) -> None:
    sock, file = await bind_unix(parse_endpoint(mine))
    file.remove()
    os.seteuid(65534)
    try:
        await bind_unix(parse_endpoint(foreign))
    except ConfigError as error:
        print(error)

anyio.run(main, *sys.argv[1:])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_directory_without_the_right_to_write() -> None:
    # Not in the directory of the test, above which nobody else may look.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "a.sock"
        with held(path):
            pass
        command = [sys.executable, "-c", STRANGER, f"unix://{folder}/mine.sock", f"unix://{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "permission denied" in done.stdout
        assert path.is_socket()
