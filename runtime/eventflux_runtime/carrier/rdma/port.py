"""What connections of one address share: libfabric's fabric, domains and the queue of events, and who hears of them.

Invariants: objects are closed in the order in which libfabric asks for it, each after all that stands on it, and none
in a forked child, whose they are not. A port outlives the links that use it, and is closed by the last of its users.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from eventflux_runtime.carrier.rdma.declaration import CONNECTED, CONNREQ, EAVAIL, SHUTDOWN, WAIT_FD
from eventflux_runtime.carrier.rdma.library import FFI, Library
from eventflux_runtime.carrier.rdma.queue_watch import QueueWatch

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["ConnectionEvents", "Domain", "Fids", "Port"]

_EVENT_BYTES: Final = 512
_EVENTS: Final = 64
"""Events that are read in a row, before everything else gets a turn."""


class ConnectionEvents(Protocol):
    """Who hears of one endpoint."""

    def on_connected(self, data: bytes) -> None:
        """Both sides may send; what the other side sent along with its consent. Must not raise."""

    def on_shutdown(self, error: OSError | None) -> None:
        """The connection did not come about, or has ended. Must not raise."""


class Fids:
    """Objects of libfabric, closed in the reverse order."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._fids: list[Any] = []

    @property
    def is_here(self) -> bool:
        """Whether they are this process's, and it goes on."""
        return self._process == os.getpid() and not sys.is_finalizing()

    def add(self, made: Any) -> Any:
        """Takes over what an opening function has put into the first element of an array."""
        self._fids.append(FFI.cast("struct fid *", made[0]))
        return made[0]

    def close(self) -> None:
        """Closes them; a second time does nothing."""
        fids, self._fids = self._fids, []
        if self.is_here:
            for fid in reversed(fids):
                fid.ops.close(fid)

    def __del__(self) -> None:
        self.close()  # the run of an event loop may end without any other end


class Domain:
    """One card, and the memory that it may touch."""

    def __init__(self, library: Library, fid: Any, mr_mode: int) -> None:
        self.fid = fid
        self.mr_mode = mr_mode
        self._library = library
        self._keys = 0

    def register(self, pointer: Any, size: int, access: int) -> Any:
        """A ``struct fid_mr`` of some memory, for its caller to close.

        Raises:
            OSError: more memory than may be locked, or than the card has room for.
        """
        made = FFI.new("struct fid_mr **")
        self._keys += 1  # each its own, where the provider leaves that to its users
        fid = FFI.cast("struct fid *", self.fid)
        code = self.fid.mr.reg(fid, pointer, size, access, 0, self._keys, 0, made, FFI.NULL)
        self._library.check(code, f"cannot register {size} bytes of memory (see ulimit -l)")
        return made[0]


class Port:
    """The objects behind one address, and the event queue of all endpoints there."""

    def __init__(self, library: Library, info: Any) -> None:
        """Opens the fabric and the event queue. May take long.

        Raises:
            OSError: the provider fails.
        """
        self.library = library
        self._lock = threading.Lock()
        self._users = 1
        self._domains: dict[str, Domain] = {}
        self._listening = Fids()
        self._passive: Any = None
        self._fids = Fids()
        self._handlers: dict[int, ConnectionEvents] = {}
        self._on_request: Callable[[Any, bytes], None] | None = None
        self._watch: QueueWatch | None = None
        self._is_closed = False
        self._reactor: Reactor | None = None
        self._thread = 0
        """The event loop's, once there is one."""
        self._event = FFI.new("uint32_t *")
        self._buffer = FFI.new("char[]", _EVENT_BYTES)
        try:
            made = FFI.new("struct fid_fabric **")
            library.check(library.functions.fi_fabric(info.fabric_attr, made, FFI.NULL), "cannot open the fabric")
            self.fabric = self._fids.add(made)
            attributes = FFI.new("struct fi_eq_attr *")
            attributes.wait_obj = WAIT_FD
            made = FFI.new("struct fid_eq **")
            code = self.fabric.ops.eq_open(self.fabric, attributes, made, FFI.NULL)
            library.check(code, "cannot open a queue of events")
            self.events = self._fids.add(made)
        except BaseException:
            self._fids.close()
            raise

    # -- who uses it

    def hold(self) -> None:
        """One user more; from any thread."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One user less; the last one closes everything. From any thread."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        if self._reactor is None or self._thread == threading.get_ident():
            self._close()
        else:  # whoever was given up in a thread is the last
            self._reactor.post(self._close)

    def _close(self) -> None:
        self._is_closed = True
        if self._watch is not None:
            self._watch.stop()
        self._listening.close()
        self._fids.close()

    def domain(self, info: Any) -> Domain:
        """The domain of the card that an endpoint is to use; from any thread.

        Raises:
            OSError: the provider fails.
        """
        name = FFI.string(info.domain_attr.name).decode() if info.domain_attr.name != FFI.NULL else ""
        with self._lock:
            domain = self._domains.get(name)
            if domain is None:
                made = FFI.new("struct fid_domain **")
                code = self.fabric.ops.domain(self.fabric, info, made, FFI.NULL)
                self.library.check(code, "cannot open the domain")
                domain = Domain(self.library, self._fids.add(made), info.domain_attr.mr_mode)
                self._domains[name] = domain
        return domain

    # -- listening

    def listen(self, info: Any) -> bytes:
        """Begins to listen; the address really bound, as the system writes it.

        Raises:
            OSError: it cannot be bound.
        """
        made = FFI.new("struct fid_pep **")
        check = self.library.check
        check(self.fabric.ops.passive_ep(self.fabric, info, made, FFI.NULL), "cannot bind")
        endpoint = self._listening.add(made)
        self._passive = endpoint
        fid = FFI.cast("struct fid *", endpoint)
        check(fid.ops.bind(fid, FFI.cast("struct fid *", self.events), 0), "cannot bind the queue of events")
        check(endpoint.cm.listen(endpoint), "cannot listen")
        address, size = FFI.new("char[128]"), FFI.new("size_t *", 128)
        check(endpoint.cm.getname(fid, address, size), "cannot tell the port")
        return bytes(FFI.buffer(address, size[0]))

    def stop_listening(self) -> None:
        """Lets nobody in any more, and gives the address up."""
        self._passive = None
        self._listening.close()

    def refuse(self, info: Any) -> None:
        """Answers a request with no."""
        if self._passive is not None:
            self._passive.cm.reject(self._passive, info.handle, FFI.NULL, 0)
            return
        # Who could say no is closed. An endpoint takes the request over, and its end is an answer as well.
        made = FFI.new("struct fid_ep **")
        domain = self.domain(info).fid
        if domain.ops.endpoint(domain, info, made, FFI.NULL) == 0:
            fid = FFI.cast("struct fid *", made[0])
            fid.ops.close(fid)

    # -- events

    def start(self, reactor: Reactor, on_request: Callable[[Any, bytes], None] | None = None) -> None:
        """Begins to tell of events, on the reactor's loop.

        Args:
            reactor: of the running event loop.
            on_request: is told of whoever wants to connect: a ``struct fi_info``, and what came along.

        Raises:
            ConfigError: this event loop cannot watch a descriptor.
        """
        self._on_request = on_request
        self._reactor = reactor
        self._thread = threading.get_ident()
        fid = FFI.cast("struct fid *", self.events)
        self._watch = QueueWatch(self.fabric, fid, self._read_events, reactor)
        self._watch.start()

    def tell(self, fid: Any, handler: ConnectionEvents | None) -> None:
        """Who hears of an endpoint from now on; None: nobody."""
        key = int(FFI.cast("uintptr_t", fid))
        if handler is None:
            self._handlers.pop(key, None)
        else:
            self._handlers[key] = handler

    def _read_events(self) -> bool:
        """Reads what is there; whether there may be more."""
        for _ in range(_EVENTS):
            if self._is_closed:  # by whoever heard of the last one
                return False
            size = self.events.ops.read(self.events, self._event, self._buffer, _EVENT_BYTES, 0)
            if size == -errno.EAGAIN:
                return False
            if size == -EAVAIL:
                self._read_error()
            elif size < 0:
                return False
            else:
                self._dispatch(self._event[0], size)
        return True

    def _dispatch(self, event: int, size: int) -> None:
        entry = FFI.cast("struct fi_eq_cm_entry *", self._buffer)
        data = bytes(FFI.buffer(self._buffer, size)[FFI.sizeof("struct fi_eq_cm_entry") :])
        if event == CONNREQ:
            info = FFI.gc(entry.info, self.library.functions.fi_freeinfo)
            if self._on_request is not None:
                self._on_request(info, data)
            return
        handler = self._handlers.get(int(FFI.cast("uintptr_t", entry.fid)))
        if handler is None:
            return
        if event == CONNECTED:
            handler.on_connected(data)
        elif event == SHUTDOWN:
            handler.on_shutdown(None)

    def _read_error(self) -> None:
        entry = FFI.new("struct fi_eq_err_entry *")
        if self.events.ops.readerr(self.events, entry, 0) < 0:
            return
        handler = self._handlers.get(int(FFI.cast("uintptr_t", entry.fid)))
        if handler is not None:
            handler.on_shutdown(self.library.error(-entry.err, "the connection failed"))
