"""A provider of libfabric in memory, which asserts what RDMA hardware demands and software does not punish.

Every function of its tables is Python. What breaks a rule stands in `FakeFabric.faults`: a message for which the other
side has no buffer posted, a buffer that changes while it is posted, memory that is used without its registration, an
injected message that is too long, a context that names two operations, a queue that runs over, a wrong order of
closing. Completions come late and in any order, and any operation may be told to be tried again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from eventflux_runtime.carrier.rdma import declaration as d
from eventflux_runtime.carrier.rdma.library import FFI, Library
from tests.support.fake_operation import Endpoint, Operations, Queue, number_of

__all__ = ["FakeFabric"]


class FakeFabric(Operations):
    """The provider ``fake``: any number of listeners and endpoints in one process."""

    def __init__(
        self,
        seed: int = 0,
        *,
        mr_mode: int = d.MR_LOCAL | d.MR_VIRT_ADDR | d.MR_ALLOCATED | d.MR_PROV_KEY,
        inject_bytes: int = 64,
        again: float = 0.1,
        capabilities: int = d.MSG | d.RMA,
        depth: int = 64,
    ) -> None:
        super().__init__(seed, mr_mode, inject_bytes, again)
        self.open: set[str] = set()
        self.most_registered = 0
        self.refuses_memory = False
        """Whether no memory is registered for the peer to read."""
        self.refusals = 0
        """How often yet no memory is registered to read into."""
        self._capabilities = capabilities
        self._depth = depth
        self._keep: list[Any] = []
        self._things: dict[int, Any] = {}
        self._standing: dict[str, str] = {}
        """What each object was opened on."""
        self._count = 0
        self._make_tables()
        self.library = Library(self)

    # -- functions of the library

    def fi_version(self) -> int:
        return d.API_VERSION

    def fi_strerror(self, number: int) -> Any:
        return self._kept("char[]", os.strerror(number).encode())

    def fi_dupinfo(self, info: Any) -> Any:
        made = self._kept("struct fi_info *")
        for name in ("tx_attr", "rx_attr", "ep_attr", "domain_attr", "fabric_attr"):
            part = self._kept(f"struct fi_{name} *")
            setattr(made, name, part)
        if info != FFI.NULL:
            for name in ("caps", "mode", "dest_addr", "dest_addrlen", "src_addr", "src_addrlen", "handle"):
                setattr(made, name, getattr(info, name))
            for name in ("tx_attr", "rx_attr", "ep_attr", "domain_attr", "fabric_attr"):
                FFI.memmove(getattr(made, name), getattr(info, name), FFI.sizeof(f"struct fi_{name}"))
        return made

    def fi_freeinfo(self, info: Any) -> None:
        pass

    def fi_getinfo(self, version: int, host: Any, service: Any, flags: int, hints: Any, found: Any) -> int:
        if hints.fabric_attr.prov_name != FFI.NULL and FFI.string(hints.fabric_attr.prov_name) != b"fake":
            return -61
        if hints.caps & ~self._capabilities:
            return -61
        info = self._info()
        info.caps = hints.caps or self._capabilities
        if service != FFI.NULL:
            address = self._kept("char[16]")
            FFI.memmove(address, b"\x02\x00" + int(service).to_bytes(2, "big") + b"\x7f\0\0\1", 8)
            info.dest_addr, info.dest_addrlen = address, 16
        found[0] = info
        return 0

    def _info(self) -> Any:
        info = self.fi_dupinfo(FFI.NULL)
        info.caps = self._capabilities
        info.ep_attr.type = d.EP_MSG
        info.ep_attr.max_msg_size = 1 << 30
        info.tx_attr.size = info.rx_attr.size = self._depth
        info.tx_attr.inject_size = self._inject_bytes
        info.domain_attr.mr_mode = self._mr_mode
        info.domain_attr.name = self._kept("char[]", b"card")
        info.fabric_attr.prov_name = self._kept("char[]", b"fake")
        return info

    def fi_fabric(self, attributes: Any, made: Any, context: Any) -> int:
        made[0] = self._thing("fid_fabric", "fabric", ops=self._fabric_ops)
        return 0

    def _request(self, handle: int) -> Any:
        info = self._info()
        info.handle = FFI.cast("struct fid *", handle)
        address = self._kept("char[16]", b"\x02\x00\x12\x34\x7f\x00\x00\x02")
        info.dest_addr, info.dest_addrlen = address, 16
        return info

    def _endpoint_of(self, queue: Queue) -> Endpoint | None:
        for name, thing in self._things.values():
            if isinstance(thing, Endpoint) and thing.queue is queue and name in self.open:
                return thing
        return None

    def _getname(self, fid: Any, address: Any, size: Any) -> int:
        FFI.memmove(address, b"\x02\x00" + self._of(fid).to_bytes(2, "big") + b"\x7f\0\0\1" + bytes(8), 16)
        size[0] = 16
        return 0

    # -- what the tables have in common

    def _kept(self, kind: str, *value: Any) -> Any:
        made = FFI.new(kind, *value)
        self._keep.append(made)
        return made

    def _thing(self, kind: str, name: str, thing: Any = None, on: Any = None, **parts: Any) -> Any:
        made = self._kept(f"struct {kind} *")
        made.fid.ops = self._fid_ops
        for part, value in parts.items():
            setattr(made, part, value)
        self._count += 1
        self.open.add(f"{name} {self._count}")
        if on is not None:
            self._standing[f"{name} {self._count}"] = self._things[number_of(on)][0]
        self._things[number_of(made)] = (f"{name} {self._count}", thing)
        return made

    def _of(self, pointer: Any) -> Any:
        name, thing = self._things[number_of(pointer)]
        if name not in self.open:
            self.faults.append(f"{name} is used after it was closed")
        return thing

    def _function(self, signature: str, function: Callable[..., int]) -> Any:
        @wraps(function)
        def guarded(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except Exception as error:  # noqa: BLE001 - cffi would print it and go on
                self.faults.append(f"{function.__name__}: {error!r}")
                return -errno.EIO

        made = FFI.callback(signature, guarded)
        self._keep.append(made)
        return made

    def _table(self, kind: str, **functions: Callable[..., int]) -> Any:
        table = self._kept(f"struct {kind} *")
        table.size = FFI.sizeof(f"struct {kind}")
        fields = dict(FFI.typeof(f"struct {kind}").fields)
        for name, function in functions.items():
            setattr(table, name, self._function(FFI.getctype(fields[name].type), function))
        return table

    def _make_tables(self) -> None:
        self._fid_ops = self._table("fi_ops", close=self._close, bind=self._bind, control=self._control)
        self._fabric_ops = self._table(
            "fi_ops_fabric",
            domain=self._domain,
            passive_ep=self._passive,
            eq_open=self._open_events,
            trywait=self._trywait,
        )
        self._domain_ops = self._table("fi_ops_domain", cq_open=self._open_queue, endpoint=self._endpoint)
        self._mr_ops = self._table("fi_ops_mr", reg=self._register)
        self._cm = self._table(
            "fi_ops_cm",
            getname=self._getname,
            connect=self._connect,
            listen=lambda pep: 0,
            accept=self._accept,
            reject=self._reject,
            shutdown=self._shutdown,
        )
        self._msg = self._table("fi_ops_msg", recv=self._recv, send=self._send, inject=self._inject)
        self._rma = self._table("fi_ops_rma", read=self._read)
        self._eq_ops = self._table("fi_ops_eq", read=self._read_events, readerr=self._read_event_error)
        self._cq_ops = self._table("fi_ops_cq", read=self._read_queue, readerr=self._read_queue_error)

    # -- objects

    def _close(self, fid: Any) -> int:
        name, thing = self._things[number_of(fid)]
        if name not in self.open:
            raise AssertionError(f"{name} is closed twice")
        kind = name.partition(" ")[0]
        if kind in ("queue", "events") and any(
            not other.is_closed and (thing is other.queue or thing is other.events)
            for _, other in self._things.values()
            if isinstance(other, Endpoint)
        ):
            raise AssertionError(f"{name} is closed before an endpoint that uses it")
        on_it = [one for one in self.open if self._standing.get(one) == name]
        if on_it:
            raise AssertionError(f"{name} is closed before what stands on it: {on_it}")
        self.open.discard(name)
        if isinstance(thing, Queue):
            thing.is_closed = True
            os.close(thing.descriptor)
        elif isinstance(thing, Endpoint):
            self._end(thing)
            thing.is_closed = True
        elif kind == "passive":
            self._ports.pop(thing, None)
        elif kind == "region":
            del self._regions[thing]
        return 0

    def _bind(self, fid: Any, other: Any, flags: int) -> int:
        thing, queue = self._of(fid), self._of(other)
        if isinstance(thing, Endpoint):
            if flags:
                thing.queue = queue
            else:
                thing.events = queue
        else:
            self._ports[thing] = queue
        return 0

    def _control(self, fid: Any, command: int, argument: Any) -> int:
        if command == d.GETWAIT:
            FFI.cast("int *", argument)[0] = self._of(fid).descriptor
        return 0

    def _domain(self, fabric: Any, info: Any, made: Any, context: Any) -> int:
        made[0] = self._thing("fid_domain", "domain", on=fabric, ops=self._domain_ops, mr=self._mr_ops)
        return 0

    def _open_events(self, fabric: Any, attributes: Any, made: Any, context: Any) -> int:
        made[0] = self._thing("fid_eq", "events", Queue(1 << 20), on=fabric, ops=self._eq_ops)
        return 0

    def _open_queue(self, domain: Any, attributes: Any, made: Any, context: Any) -> int:
        made[0] = self._thing("fid_cq", "queue", Queue(attributes.size), on=domain, ops=self._cq_ops)
        return 0

    def _passive(self, fabric: Any, info: Any, made: Any, context: Any) -> int:
        port = int.from_bytes(bytes(FFI.buffer(info.dest_addr, 4))[2:], "big") or 40_000 + len(self._ports)
        if port in self._ports:
            return -errno.EADDRINUSE
        made[0] = self._thing("fid_pep", "passive", port, on=fabric, cm=self._cm)
        return 0

    def _endpoint(self, domain: Any, info: Any, made: Any, context: Any) -> int:
        rma = self._rma if self._capabilities & d.RMA else FFI.NULL
        made[0] = self._thing("fid_ep", "endpoint", Endpoint(), on=domain, cm=self._cm, msg=self._msg, rma=rma)
        endpoint = self._of(made[0])
        endpoint.pointer = FFI.cast("struct fid *", made[0])
        endpoint.domain = number_of(domain)
        if info.handle != FFI.NULL:
            endpoint.peer = self._handles.pop(number_of(info.handle))[0]
        return 0

    def _register(  # noqa: PLR0917 - as libfabric has it
        self, fid: Any, start: Any, size: int, access: int, offset: int, key: int, flags: int, made: Any, context: Any
    ) -> int:
        if self.refuses_memory and access & d.REMOTE_READ:
            return -errno.ENOMEM
        if self.refusals and access & d.READ:
            self.refusals -= 1
            return -errno.ENOMEM
        region = self._thing("fid_mr", "region", self._count + 1, on=fid)
        region.key = self._count if self._mr_mode & d.MR_PROV_KEY else key
        region.mem_desc = FFI.cast("void *", self._count)
        self._regions[self._count] = (number_of(start), size, access, region.key, number_of(fid))
        self.most_registered = max(self.most_registered, sum(one[1] for one in self._regions.values()))
        made[0] = region
        return 0
