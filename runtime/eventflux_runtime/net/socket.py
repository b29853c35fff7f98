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

__all__ = ["apply_options", "bind_tcp", "bind_unix", "connect_tcp", "unlink_unix"]

BACKLOG = 1024
"""Connections that wait to be accepted: a burst of clients after a restart gets in; the kernel may allow fewer."""
KEEPALIVE_PROBES = 3
"""Probes of the kernel's keepalive within its timeout: two may be lost."""


def apply_options(sock: socket.socket | Any, options: SocketConfig, keepalive: KeepaliveConfig | None) -> None:
    """Sets the options of one TCP socket.

    The buffers should be set before the socket connects or listens: the scale of TCP's window is agreed on in the
    first packets (RFC 7323, 2.2), so a larger buffer set later is not used in full.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.nodelay))
    _apply_buffers(sock, options)
    if options.keepalive and keepalive is not None:
        _apply_keepalive(sock, keepalive)


def _apply_buffers(sock: socket.socket, options: SocketConfig) -> None:
    if options.send_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer_bytes)
    if options.receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer_bytes)


def _apply_keepalive(sock: socket.socket, keepalive: KeepaliveConfig) -> None:
    # The kernel's probes back up the protocol's pings, so that even a peer that stops in mid-handshake is noticed.
    probes = KEEPALIVE_PROBES
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


async def connect_tcp(endpoint: Endpoint, options: SocketConfig, keepalive: KeepaliveConfig | None) -> socket.socket:
    """A connected socket, with its options set before it connected. A host's addresses are tried one after another.

    Raises:
        OSError: no address of the host answers, or the host is unknown (`socket.gaierror`).
    """
    infos = await anyio.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(infos):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            apply_options(sock, options, keepalive)
            await _connect_one(sock, address)
        except OSError as error:
            sock.close()
            failure = failure or error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    assert failure is not None
    raise failure


async def _connect_one(sock: socket.socket, address: Any) -> None:
    code = sock.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        await anyio.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def bind_tcp(endpoint: Endpoint, options: SocketConfig | None = None) -> list[socket.socket]:
    """Listening sockets on every address of the endpoint's host, all with one port.

    Connections inherit the buffers that `options` names.

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
            if options is not None:
                _apply_buffers(sock, options)
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
