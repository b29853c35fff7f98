"""TCP and Unix sockets: binding them, and setting their options so that they really hold."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any

import anyio

from eventflux_runtime.config import KeepaliveConfig, SocketConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.errors import ConfigError

__all__ = ["apply_options", "bind_tcp", "bind_unix", "unlink_unix"]

BACKLOG = 1024


def apply_options(sock: socket.socket | Any, options: SocketConfig, keepalive: KeepaliveConfig | None) -> None:
    """Sets the options of one connected TCP socket."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.nodelay))
    if options.send_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer_bytes)
    if options.receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer_bytes)
    if options.keepalive and keepalive is not None:
        _apply_keepalive(sock, keepalive)


def _apply_keepalive(sock: socket.socket, keepalive: KeepaliveConfig) -> None:
    # The kernel's probes back up the protocol's pings, so that even a peer that stops in mid-handshake is noticed.
    probes = 3
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", max(1, round(keepalive.interval_s))),
        ("TCP_KEEPINTVL", max(1, round(keepalive.timeout_s / probes))),
        ("TCP_KEEPCNT", probes),
        ("TCP_USER_TIMEOUT", round((keepalive.interval_s + keepalive.timeout_s) * 1000)),
    ):
        option = getattr(socket, name, None)
        if option is not None:  # macOS and Windows lack some of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def bind_tcp(endpoint: Endpoint) -> list[socket.socket]:
    """Listening sockets on every address of the endpoint's host, all with one port.

    Raises:
        ConfigError: the host is unknown, or the address is taken or not allowed.
    """
    host = None if endpoint.host == "*" else endpoint.host
    try:
        infos = await anyio.getaddrinfo(host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"cannot listen on {endpoint}: the host is not known ({error.strerror or error})") from None
    sockets: list[socket.socket] = []
    port = endpoint.port
    try:
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(BACKLOG)
            port = sock.getsockname()[1]
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ConfigError(f"cannot listen on {endpoint}: {_reason(error)}") from None
    return sockets


def bind_unix(endpoint: Endpoint) -> socket.socket:
    """A listening Unix socket. A socket file that nobody listens on any more is replaced.

    Raises:
        ConfigError: something else is at that path, or a server listens there.
    """
    path = endpoint.path
    try:
        if os.path.exists(path):
            _remove_stale(endpoint)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.bind(path)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise ConfigError(f"cannot listen on {endpoint}: {_reason(error)}") from None
    return sock


def unlink_unix(path: str, inode: int) -> None:
    """Removes the socket file that a listener made, unless another has taken its place."""
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        return


def _remove_stale(endpoint: Endpoint) -> None:
    path = endpoint.path
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise ConfigError(f"cannot listen on {endpoint}: a file that is not a socket is there; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise ConfigError(f"cannot listen on {endpoint}: another server listens there; stop it or choose another path")


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop the other server or choose another port"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 and foreign directories need more rights"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return error.strerror or str(error)
