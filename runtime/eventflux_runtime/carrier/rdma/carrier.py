"""RDMA's `Carrier`: from an endpoint's address and provider to a connected pipe, or to a listener."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.rdma.address import port_of
from eventflux_runtime.carrier.rdma.frame import FrameError, decode_hello, encode_hello
from eventflux_runtime.carrier.rdma.library import Library, load_library
from eventflux_runtime.carrier.rdma.link import Link
from eventflux_runtime.carrier.rdma.listener import RdmaListener, poll_s_of
from eventflux_runtime.carrier.rdma.opening import Opening, in_thread
from eventflux_runtime.carrier.rdma.pipe import RdmaPipe
from eventflux_runtime.carrier.rdma.port import Port
from eventflux_runtime.carrier.rdma.provider import Wanted, find_info
from eventflux_runtime.net.resolve import look_up, shown_host
from eventflux_runtime.net.socket import listening_error
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.host import is_any
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "RdmaCarrier"]

_PORT_TRIES: Final = 32
"""Ports that the system may choose for the first of several addresses until one is free on all of them."""
_EVERYWHERE: Final = ("::", "0.0.0.0")
"""Where to listen for every address; the second only where the first cannot be had."""


class RdmaCarrier:
    """A `Carrier`."""

    def __init__(self, load: Callable[[], Library] = load_library) -> None:
        """Over the system's libfabric, or what stands in for it."""
        self._load = load

    async def connect(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> Pipe:
        """See `Carrier.connect`."""
        library = self._load()
        failure: OSError | None = None
        for host in await _hosts_of(endpoint):
            try:
                return await _connect(library, _wanted(endpoint, host), endpoint, reactor)
            except OSError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    async def bind(self, endpoint: Endpoint, config: ServerConfig, reactor: Reactor) -> RdmaListener:
        """See `Carrier.bind`."""
        if config.reuse_port:
            raise ConfigError(f"cannot listen on {endpoint}: processes share no port on rdma://, give each its own")
        library = self._load()
        try:
            hosts = _EVERYWHERE if is_any(endpoint.host) else await _hosts_of(endpoint)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"cannot listen on {endpoint}: the host is not known ({reason})") from None
        try:
            ports, number = await in_thread(lambda: _listen(library, endpoint, hosts), _release)
        except OSError as error:
            raise ConfigError(f"cannot listen on {endpoint}: {listening_error(error)}") from None
        return RdmaListener(endpoint.with_port(number), ports, config, reactor)


def _wanted(endpoint: Endpoint, host: str, *, port: int = -1) -> Wanted:
    is_listening = port >= 0
    return Wanted(host, port if is_listening else endpoint.port, endpoint.parameter("provider"), is_listening)


async def _hosts_of(endpoint: Endpoint) -> list[str]:
    """Every address of a host as text, each once."""
    found = await look_up(endpoint.host, endpoint.port)
    if not found:
        raise OSError(errno.EADDRNOTAVAIL, "the host has no address")
    return list(dict.fromkeys(shown_host(address) for _, address in found))


async def _connect(library: Library, wanted: Wanted, endpoint: Endpoint, reactor: Reactor) -> RdmaPipe:
    port, link, info = await in_thread(lambda: _opened(library, wanted), _discard)
    try:
        port.start(reactor)
        opening = Opening(reactor)
        port.tell(link.fid, opening)
        link.connect(info.dest_addr, encode_hello(link.hello))
        try:
            hello = decode_hello(await opening.connected())
        except FrameError as error:
            raise ConnectionError(f"{error}; check scheme and port") from None
        peer = Peer(f"{endpoint.scheme}://{endpoint.address}")
        pipe = RdmaPipe(link, hello, peer, reactor, poll_s_of(endpoint))
    except BaseException:
        link.close()
        raise
    finally:
        port.release()  # the link holds it
    return pipe


def _opened(library: Library, wanted: Wanted) -> tuple[Port, Link, Any]:
    info = find_info(library, wanted)
    port = Port(library, info)
    try:
        return port, Link(port, info), info
    except BaseException:
        port.release()
        raise


def _discard(opened: tuple[Port, Link, Any]) -> None:
    opened[1].close()
    opened[0].release()


def _listen(library: Library, endpoint: Endpoint, hosts: Sequence[str]) -> tuple[list[Port], int]:
    """A port that listens on each address that this machine has, all with the same number.

    Raises:
        OSError: it has none of them, or one cannot be had.
    """
    tries_left = 1 if endpoint.port else _PORT_TRIES
    while True:
        tries_left -= 1
        ports: list[Port] = []
        try:
            return ports, _listen_on_each(library, endpoint, hosts, ports)
        except OSError as error:
            is_first = not ports
            _release((ports, 0))
            if error.errno != errno.EADDRINUSE or not tries_left or is_first:
                raise
            # Somebody has the port that the system chose for the first address on another one.
        except BaseException:
            _release((ports, 0))
            raise


def _listen_on_each(library: Library, endpoint: Endpoint, hosts: Sequence[str], ports: list[Port]) -> int:
    number = endpoint.port
    missing: OSError | None = None
    for host in hosts:
        try:
            info = find_info(library, _wanted(endpoint, host, port=number))
            port = Port(library, info)
            try:
                number = port_of(port.listen(info))
            except BaseException:
                port.release()
                raise
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            missing = missing or error
            continue
        ports.append(port)
        if hosts is _EVERYWHERE:
            break
    if not ports:
        raise missing or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return number


def _release(listening: tuple[list[Port], int]) -> None:
    for port in listening[0]:
        port.release()


CARRIER: Final = RdmaCarrier()
