"""Unix sockets to listen on: taking a path and letting go of it, without harm to what somebody else has there.

Invariants: nothing here waits for a peer; a path is never taken from a socket that a process holds, listening or not;
what is removed is what was looked at, because it is moved aside and looked at again before it goes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from eventflux_runtime.net.socket import BACKLOG, listening_error
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["SocketFile", "bind_unix", "hand_down"]

_TRIES: Final = 3
"""How often a path that somebody else takes in the moment it is free is tried for."""
_LOCK_WAIT_S: Final = 1.0
"""Seconds to wait for other servers that start in the same directory. Each holds its lock for less than a millisecond,
so whoever has it for longer is no server of ours."""
_LOCK_PAUSE_S: Final = 0.01


_handed_down: Final[dict[str, socket.socket]] = {}
"""Listening sockets that the parent process has made, by their paths, until they are asked for."""


def hand_down(path: str, sock: socket.socket) -> None:
    """Has the next `bind_unix` of a path take a listening socket that the parent process has made, and keeps."""
    _handed_down[path] = sock


class SocketFile:
    """The file that a listening socket has made."""

    def __init__(self, path: str, *, is_ours: bool = True) -> None:
        """The file at a path, as it is now; it stays where it is if another process has made it."""
        self.path = path
        self._made: os.stat_result | None = os.lstat(path) if is_ours else None

    def remove(self) -> None:
        """Removes the file unless another has taken its place.

        Call it before the socket is closed: until then no other file can have its number.
        """
        made, self._made = self._made, None
        if made is None:
            return
        with suppress(OSError):  # the file is gone, or its directory may not be written any more
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino):
                _remove(self.path, found)


async def bind_unix(endpoint: Endpoint) -> tuple[socket.socket, SocketFile]:
    """A listening Unix socket and its file. A socket file that no process holds any more is replaced.

    Raises:
        ConfigError: something else is at that path, a process holds it, or it may not be made.
    """
    inherited = _handed_down.pop(endpoint.path, None)
    if inherited is not None:
        inherited.setblocking(False)
        return inherited, SocketFile(endpoint.path, is_ours=False)
    try:
        async with _alone_in(os.path.dirname(endpoint.path)):
            return _listen(endpoint)
    except OSError as error:
        raise ConfigError(f"cannot listen on {endpoint}: {_reason(error)}") from None


def _listen(endpoint: Endpoint) -> tuple[socket.socket, SocketFile]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _bind(sock, endpoint)
        sock.listen(BACKLOG)
        return sock, SocketFile(endpoint.path)
    except BaseException:
        sock.close()
        raise


def _bind(sock: socket.socket, endpoint: Endpoint) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            sock.bind(endpoint.path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries_left:
                raise
            _clear(endpoint)
        else:
            return


def _clear(endpoint: Endpoint) -> None:
    """Removes a socket file that no process holds.

    Raises:
        ConfigError: something else is there.
    """
    path = endpoint.path
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(f"cannot listen on {endpoint}: a symbolic link is there; name the path it leads to")
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"cannot listen on {endpoint}: a file that is not a socket is there; choose another path")
    if _is_held(path) or not _remove(path, found):
        raise ConfigError(
            f"cannot listen on {endpoint}: another server listens there, or is about to; stop it or choose another path"
        )


def _is_held(path: str) -> bool:
    """Whether a process holds the socket at a path, even one that does not listen yet.

    A datagram socket is asked to connect first. It cannot, because the other is of another kind, but where no process
    has a socket there the system says so instead; and it neither waits nor shows up at a server.

    Raises:
        OSError: the system does not say.
    """
    return _refusal(path, socket.SOCK_DGRAM) != errno.ECONNREFUSED or (
        _refusal(path, socket.SOCK_STREAM) != errno.ECONNREFUSED
    )


def _refusal(path: str, kind: int) -> int:
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(path)
    if code in (errno.EACCES, errno.EPERM):
        raise OSError(code, os.strerror(code))
    return code


def _remove(path: str, seen: os.stat_result) -> bool:
    """Removes the file at a path if it is the one that was seen; False: another has taken its place, and stays."""
    aside = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}")
    os.rename(path, aside)
    found = os.lstat(aside)
    # Numbers of files are given out again, so the time counts too.
    is_same = (found.st_dev, found.st_ino, found.st_mtime_ns) == (seen.st_dev, seen.st_ino, seen.st_mtime_ns)
    if not is_same:
        _put_back(aside, path)
    with suppress(FileNotFoundError):
        os.unlink(aside)
    return is_same


def _put_back(aside: str, path: str) -> None:
    try:
        os.link(aside, path)
    except FileExistsError:
        return  # a third one was quicker
    except OSError:  # a file system without links
        os.rename(aside, path)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "its directory does not exist; make it first"
    if error.errno == errno.EADDRINUSE:
        return "another server has just taken it; stop that one or choose another path"
    return listening_error(error)


@asynccontextmanager
async def _alone_in(directory: str) -> AsyncIterator[None]:
    """Keeps other servers of ours that start in a directory out of the way, for as long as they let us."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # files may be made in it, and it may not be read
        yield
        return
    try:
        with anyio.move_on_after(_LOCK_WAIT_S):
            while not _lock(descriptor):  # noqa: ASYNC110 - no event of ours tells when another process lets go
                await anyio.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
