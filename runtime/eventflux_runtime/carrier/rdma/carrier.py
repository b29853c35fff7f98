"""RDMA's `Carrier`: from an endpoint's address and provider to a connected pipe, or to a listener."""

from __future__ import annotations

import errno
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
from eventflux_runtime.net.resolve import SocketAddress, resolve, shown_host
from eventflux_runtime.net.socket import addresses_to_bind, bind_each
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "RdmaCarrier"]


class RdmaCarrier:
    """A `Carrier`."""

    def __init__(self, load: Callable[[], Library] = load_library) -> None:
        """Over the system's libfabric, or what stands in for it."""
        self._load = load

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """See `Carrier.connect`."""
        library = self._load()
        failure: OSError | None = None
        for host in await resolve(endpoint.host, endpoint.port):
            try:
                return await _connect(library, _wanted(endpoint, host), endpoint, reactor)
            except OSError as error:
                failure = failure or error
        raise failure if failure is not None else OSError(errno.EADDRNOTAVAIL, "the host has no address")

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> RdmaListener:
        """See `Carrier.bind`."""
        if config.reuse_port:
            raise ConfigError(f"cannot listen on {endpoint}: processes share no port on rdma://, give each its own")
        library = self._load()
        addresses = await addresses_to_bind(endpoint)

        def listen(address: SocketAddress, number: int) -> tuple[Port, int]:
            info = find_info(library, _wanted(endpoint, shown_host(address[1]), port=number))
            port = Port(library, info)
            try:
                return port, port_of(port.listen(info))
            except BaseException:
                port.release()
                raise

        def bind() -> tuple[list[Port], int]:
            return bind_each(endpoint, addresses, listen, Port.release)

        ports, number = await in_thread(bind, _release)
        return RdmaListener(endpoint.with_port(number), ports, config, reactor)


def _wanted(endpoint: Endpoint, host: str, *, port: int = -1) -> Wanted:
    is_listening = port >= 0
    return Wanted(host, port if is_listening else endpoint.port, endpoint.parameter("provider"), is_listening)


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


def _release(listening: tuple[list[Port], int]) -> None:
    for port in listening[0]:
        port.release()


CARRIER: Final = RdmaCarrier()
