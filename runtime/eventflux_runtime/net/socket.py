"""Sockets with a port: connecting and binding them, and setting their options so that they really hold."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import anyio

from eventflux_runtime.net.resolve import SocketAddress, look_up
from eventflux_runtime.rpc.checked import MAX_COUNT
from eventflux_runtime.rpc.config import KeepaliveConfig, SocketConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.host import is_any

__all__ = [
    "BACKLOG",
    "addresses_to_bind",
    "apply_buffers",
    "apply_options",
    "bind_each",
    "bind_port",
    "bind_tcp",
    "bind_udp",
    "connect_tcp",
    "connect_unix",
    "listening_error",
]

T = TypeVar("T")

BACKLOG: Final = 1024
"""Connections that wait to be accepted: a burst of clients after a restart gets in; the kernel may allow fewer."""
LONGEST_PROBE_S: Final = 32_767
"""The longest time that Linux takes for TCP_KEEPIDLE and TCP_KEEPINTVL (``MAX_TCP_KEEPIDLE`` in its ``net/tcp.h``)."""
KEEPALIVE_PROBES: Final = 3
"""Probes of the kernel's keepalive within its timeout: two may be lost."""
_FULL_BACKLOG_S: Final = 0.01
"""Seconds between two tries to connect to a Unix socket whose backlog is full."""
_PORT_TRIES: Final = 32
"""Ports that the system may choose for the first of several addresses until one is free on all of them."""
_EVERYWHERE: Final[Sequence[SocketAddress]] = ((socket.AF_INET6, ("::", 0, 0, 0)), (socket.AF_INET, ("0.0.0.0", 0)))
"""Where to listen for every address; the second only where the first cannot be had."""
_MISSING: Final = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL)
"""What the system says of an address or a family that it does not have."""


def apply_options(sock: socket.socket | Any, options: SocketConfig, keepalive: KeepaliveConfig | None) -> None:
    """Sets the options of one TCP socket.

    The buffers should be set before the socket connects or listens: the scale of TCP's window is agreed on in the
    first packets (RFC 7323, 2.2), so a larger buffer set later is not used in full.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.nodelay))
    apply_buffers(sock, options)
    if options.keepalive and keepalive is not None:
        _apply_keepalive(sock, keepalive)


def apply_buffers(sock: socket.socket, options: SocketConfig) -> None:
    """Sets the sizes of a socket's buffers, as far as they are given."""
    if options.send_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer_bytes)
    if options.receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer_bytes)


def _apply_keepalive(sock: socket.socket, keepalive: KeepaliveConfig) -> None:
    # The kernel's probes back up the protocol's pings, so that even a peer that stops in mid-handshake is noticed. The
    # kernel's intervals have a limit; where pings are rarer than that, its probes come sooner, which costs nothing.
    probes = KEEPALIVE_PROBES
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _within(keepalive.interval_s, LONGEST_PROBE_S)),
        ("TCP_KEEPINTVL", _within(keepalive.timeout_s / probes, LONGEST_PROBE_S)),
        ("TCP_KEEPCNT", probes),
        ("TCP_USER_TIMEOUT", _within((keepalive.interval_s + keepalive.timeout_s) * 1000, MAX_COUNT)),
    ):
        option = getattr(socket, name, None)
        if option is not None:  # macOS and Windows lack some of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _within(value: float, most: int) -> int:
    return max(1, min(most, round(value)))


async def connect_tcp(endpoint: Endpoint, options: SocketConfig, keepalive: KeepaliveConfig | None) -> socket.socket:
    """A connected socket, with its options set before it connected. A host's addresses are tried one after another.

    Raises:
        OSError: no address of the host answers, or the host is unknown (`socket.gaierror`).
    """
    failure: OSError | None = None
    for family, address in await look_up(endpoint.host, endpoint.port):
        try:
            return await _connect_one(family, address, options, keepalive)
        except OSError as error:
            failure = failure or error
    raise failure if failure is not None else socket.gaierror(socket.EAI_NONAME, "the host has no address")


async def _connect_one(
    family: int, address: Any, options: SocketConfig, keepalive: KeepaliveConfig | None
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        apply_options(sock, options, keepalive)
        code = sock.connect_ex(address)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            await anyio.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


async def connect_unix(path: str) -> socket.socket:
    """A connected Unix socket. Where the server's backlog is full, it waits for room without an end.

    Raises:
        OSError: nobody listens there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:  # EAGAIN: no event tells when there is room (connect(2))
                await anyio.sleep(_FULL_BACKLOG_S)
            else:
                return sock
    except BaseException:
        sock.close()
        raise


async def bind_tcp(
    endpoint: Endpoint,
    options: SocketConfig | None = None,
    *,
    is_listening: bool = True,
    is_shared: bool = False,
) -> list[socket.socket]:
    """Sockets on every address of the endpoint's host, all with one port.

    Addresses that this machine does not have are left out, as long as one is left. Every address of the machine is one
    socket for both families, or for IPv4 where there is no other.

    Args:
        endpoint: where; of port 0 the system chooses one that is free on all of the addresses.
        options: whose buffers connections inherit.
        is_listening: False: the addresses are only held.
        is_shared: other processes of this user may bind them as well, if they say so, too.

    Raises:
        ConfigError: the host is unknown, the address is taken or not allowed, or the system cannot share it.
    """
    return await _bind(endpoint, options, socket.SOCK_STREAM, is_listening=is_listening, is_shared=is_shared)


async def bind_udp(
    endpoint: Endpoint, options: SocketConfig | None = None, *, is_shared: bool = False
) -> list[socket.socket]:
    """Sockets for datagrams on every address of the endpoint's host, all with one port; as `bind_tcp`."""
    return await _bind(endpoint, options, socket.SOCK_DGRAM, is_listening=False, is_shared=is_shared)


async def bind_port(
    endpoint: Endpoint, options: SocketConfig | None = None, *, is_shared: bool = False
) -> list[socket.socket]:
    """Holds the port of an endpoint, of the kind that its scheme has, without listening; as `bind_tcp`."""
    if not endpoint.is_udp:
        return await _bind(endpoint, options, socket.SOCK_STREAM, is_listening=False, is_shared=is_shared)
    sockets = await bind_udp(endpoint, options, is_shared=is_shared)
    for sock in sockets:
        sock.connect(sock.getsockname())  # to itself, so that it takes nothing of what is sent to the others
    return sockets


async def _bind(
    endpoint: Endpoint, options: SocketConfig | None, kind: int, *, is_listening: bool, is_shared: bool
) -> list[socket.socket]:
    if is_shared and not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigError(
            f"cannot listen on {endpoint}: processes share no port on this system, it has no SO_REUSEPORT"
        )
    addresses = await addresses_to_bind(endpoint)

    def bind(address: SocketAddress, port: int) -> tuple[socket.socket, int]:
        family, (host, _, *rest) = address
        sock = _bound(family, (host, port, *rest), options, kind, is_shared=is_shared)
        return sock, sock.getsockname()[1]

    def begin(sock: socket.socket) -> None:
        if is_listening:
            sock.listen(BACKLOG)

    return bind_each(endpoint, addresses, bind, socket.socket.close, begin)[0]


async def addresses_to_bind(endpoint: Endpoint) -> Sequence[SocketAddress]:
    """Those of an endpoint's host, for `bind_each`.

    Raises:
        ConfigError: the host is unknown.
    """
    try:
        return _EVERYWHERE if is_any(endpoint.host) else await look_up(endpoint.host, endpoint.port)
    except OSError as error:
        raise ConfigError(f"cannot listen on {endpoint}: the host is not known ({error.strerror or error})") from None


def bind_each(
    endpoint: Endpoint,
    addresses: Sequence[SocketAddress],
    bind: Callable[[SocketAddress, int], tuple[T, int]],
    close: Callable[[T], object],
    begin: Callable[[T], object] = lambda bound: None,
) -> tuple[list[T], int]:
    """Whatever is bound, on each of some addresses that this machine has, and the port that all of them have.

    Args:
        endpoint: where; of port 0 the system chooses one that is free on all of the addresses.
        addresses: as `addresses_to_bind` has them.
        bind: what is bound to an address, and the port that it has then. Raises OSError.
        close: gives that up.
        begin: is called for each once all are bound. Raises OSError.

    Raises:
        ConfigError: an address is taken or not allowed, or this machine has none of them.
    """
    tries_left = 1 if endpoint.port else _PORT_TRIES
    while True:
        tries_left -= 1
        bound: list[T] = []
        try:
            port = _bind_those_here(bound, endpoint.port, addresses, bind)
            for one in bound:
                begin(one)
        except BaseException as error:
            for one in bound:
                close(one)
            if not isinstance(error, OSError):
                raise
            if not (error.errno == errno.EADDRINUSE and tries_left and bound):
                raise ConfigError(f"cannot listen on {endpoint}: {listening_error(error)}") from None
            # Somebody has the port that the system chose for the first address on another one.
        else:
            return bound, port


def _bind_those_here(
    bound: list[T],
    port: int,
    addresses: Sequence[SocketAddress],
    bind: Callable[[SocketAddress, int], tuple[T, int]],
) -> int:
    """Adds to `bound` what is bound to each address that this machine has, and tells the port.

    Raises:
        OSError: it has none of them, or one cannot be had.
    """
    missing: OSError | None = None
    for address in addresses:
        try:
            one, port = bind(address, port)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            missing = missing or error
            continue
        bound.append(one)
        if addresses is _EVERYWHERE:
            break
    if not bound:
        raise missing if missing is not None else OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return port


def _bound(
    family: int, address: tuple[Any, ...], options: SocketConfig | None, kind: int, *, is_shared: bool
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        if options is not None:
            apply_buffers(sock, options)
        sock.bind(address)
        if kind == socket.SOCK_DGRAM:
            # A port of UDP with this option could be taken over at any time. Set for a moment it does what it does for
            # TCP: sockets that connections of others have on this port, who are there or gave it up, are no hindrance.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except BaseException:
        sock.close()
        raise
    return sock


def listening_error(error: OSError) -> str:
    """What keeps a server from an address, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop the other server or choose another port"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 and foreign directories need more rights"
    if error.errno in _MISSING:
        return "this machine does not have that address"
    return error.strerror or str(error)
