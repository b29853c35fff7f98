"""Listening for connections by libfabric: requests become links, and links pipes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.rdma.address import peer_at
from eventflux_runtime.carrier.rdma.frame import FrameError, Hello, decode_hello, encode_hello
from eventflux_runtime.carrier.rdma.library import FFI
from eventflux_runtime.carrier.rdma.link import Link
from eventflux_runtime.carrier.rdma.opening import Opening, in_thread
from eventflux_runtime.carrier.rdma.pipe import RdmaPipe
from eventflux_runtime.carrier.rdma.port import Port
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle

__all__ = ["RdmaListener", "poll_s_of"]

_MOST_OPENING: Final = 256
"""Connections that come about at a time; one more is refused."""
_log: Final = logging.getLogger("eventflux_runtime.server")


def poll_s_of(endpoint: Endpoint) -> float:
    """Seconds for which queues are looked at before the event loop sleeps, as the URL says."""
    return int(endpoint.parameter("poll") or 0) / 1_000_000


class RdmaListener:
    """A `CarrierListener` over ports that listen. Owns them.

    Invariants: a request stands in `_asked` until its task begins, and the task in `_opening` until the pipe is handed
    over; so `aclose` finds those that are not.
    """

    def __init__(self, endpoint: Endpoint, ports: list[Port], config: ServerConfig, reactor: Reactor) -> None:
        self.endpoint = endpoint
        self._ports = ports
        self._timeout_s = config.handshake_timeout_s
        self._reactor = reactor
        self._log = LimitedLog(_log, reactor.now)
        self._opening: dict[object, TaskHandle] = {}
        self._asked: dict[object, tuple[Port, Any]] = {}
        self._is_stopped = False
        self._on_pipe: Callable[[Pipe], None]

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        """See `CarrierListener.start`."""
        self._on_pipe = on_pipe
        for port in self._ports:
            port.start(self._reactor, partial(self._on_request, port))

    def _on_request(self, port: Port, info: Any, data: bytes) -> None:
        if self._is_stopped:
            self._refuse(port, info)
            return
        peer = peer_at(self.endpoint.scheme, bytes(FFI.buffer(info.dest_addr, info.dest_addrlen)))
        try:
            hello = decode_hello(data)
        except FrameError as error:
            self._log.warning("refused a connection on %s from %s: %s", self.endpoint, peer.address, error)
            self._refuse(port, info)
            return
        if len(self._opening) >= _MOST_OPENING:
            self._log.warning("refused a connection on %s: %d are coming about", self.endpoint, _MOST_OPENING)
            self._refuse(port, info)
            return
        key = object()
        self._asked[key] = port, info
        self._opening[key] = self._reactor.spawn(self._open, key, port, info, hello, peer)

    def _refuse(self, port: Port, info: Any) -> None:
        try:
            port.refuse(info)
        except OSError as error:
            self._log.warning("cannot refuse a connection on %s: %s", self.endpoint, error)

    async def _open(self, key: object, port: Port, info: Any, hello: Hello, peer: Peer) -> None:
        if self._asked.pop(key, None) is None:  # refused meanwhile
            return
        link: Link | None = None
        pipe: RdmaPipe | None = None
        try:
            with anyio.fail_after(self._timeout_s):
                link = await in_thread(lambda: Link(port, info), Link.close)
                opening = Opening(self._reactor)
                port.tell(link.fid, opening)
                link.accept(encode_hello(link.hello))
                await opening.connected()
            pipe = RdmaPipe(link, hello, peer, self._reactor, poll_s_of(self.endpoint))
        except OSError as error:  # TimeoutError is one
            reason = str(error) or f"not connected within handshake_timeout_s={self._timeout_s:g}"
            self._log.warning("a connection on %s from %s failed: %s", self.endpoint, peer.address, reason)
        finally:
            self._opening.pop(key, None)
            if pipe is None and link is not None:
                link.close()
        if pipe is not None:
            self._on_pipe(pipe)

    def stop_accepting(self) -> None:
        """See `CarrierListener.stop_accepting`."""
        self._is_stopped = True
        for port in self._ports:
            port.stop_listening()

    async def aclose(self) -> None:
        """See `CarrierListener.aclose`."""
        for port, info in self._asked.values():
            self._refuse(port, info)
        self._asked.clear()
        self.stop_accepting()
        for task in list(self._opening.values()):
            task.cancel()
        self._opening.clear()
        ports, self._ports = self._ports, []
        for port in ports:
            port.release()
