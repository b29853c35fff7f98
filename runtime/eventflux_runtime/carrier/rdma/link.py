"""One endpoint of libfabric with its completion queue and its buffers: messages in order, and reads from the peer.

Invariants: a buffer is not touched from the moment it is posted until its completion, and belongs to one operation at
a time. So does a context, by whose number a completion tells which operation it ends: receives come first, then sends,
then reads. No more operations are under way than the queue has entries. Memory is given back to the system after the
endpoint is closed.
"""

from __future__ import annotations

import errno
from struct import Struct
from typing import Any, Final

from eventflux_runtime.carrier.rdma.declaration import (
    CONTEXT_BYTES,
    CQ_FORMAT_MSG,
    EAVAIL,
    ENABLE,
    ENTRY_BYTES,
    MR_LOCAL,
    READ,
    RECV,
    RMA,
    SEND,
    WAIT_FD,
)
from eventflux_runtime.carrier.rdma.frame import Hello
from eventflux_runtime.carrier.rdma.library import FFI
from eventflux_runtime.carrier.rdma.memory import Memory, blank_bytes
from eventflux_runtime.carrier.rdma.port import Fids, Port

__all__ = ["BUFFER_BYTES", "DEPTH", "MOST_TOLD", "OFFER_BYTES", "READS", "READ_BYTES", "SENDS", "Link"]

BUFFER_BYTES: Final = 16 * 1024
"""Bytes of a message, its header included: a turn's worth of small calls is one or two messages."""
DEPTH: Final = 32
"""Receive buffers of a connection; with `BUFFER_BYTES`, half a megabyte that is locked."""
SENDS: Final = 16
"""Messages under way to the peer, each in a buffer of its own."""
OFFER_BYTES: Final = 1024 * 1024
"""Bytes of one offer at most."""
READS: Final = 8
"""Reads from the peer's memory under way."""
READ_BYTES: Final = 256 * 1024
"""Bytes of one read at most: while one part of an offer is dealt with, the next ones arrive."""
MOST_TOLD: Final = 64
"""Operations that have ended which the queue tells at a time."""
_ENTRY: Final = Struct("=QQQ")


class Link:
    """One endpoint; made in any thread, used on its loop's."""

    def __init__(self, port: Port, info: Any) -> None:
        """Opens an endpoint and posts its receive buffers, but does not connect. May take long.

        Raises:
            OSError: the provider fails, or more memory cannot be locked.
        """
        self.depth: int = min(DEPTH, info.rx_attr.size)
        self.buffer_bytes: int = min(BUFFER_BYTES, info.ep_attr.max_msg_size)
        self.can_read = bool(info.caps & RMA)
        self.reads: int = min(READS, info.tx_attr.size // 2) if self.can_read else 0
        self.sends: int = min(SENDS, info.tx_attr.size - self.reads)
        self.inject_bytes: int = info.tx_attr.inject_size
        self.port = port
        self._library = port.library
        self._fids = Fids()
        self._regions: dict[int, Any] = {}
        self._memory: Memory | None = None
        self._targets: dict[int, tuple[bytes, Any, Any]] = {}
        """Of each read under way, the bytes that are filled, a pointer to them, and their registration or None."""
        self.is_flushed = False
        """Whether operations were given up by the provider, as they are when the connection has ended."""
        self._is_closed = False
        port.hold()
        try:
            self.domain = port.domain(info)
            self._open(info)
            self._allocate()
            for number in range(self.depth):
                self.check(self.post(number), "cannot post a receive buffer")
        except BaseException:
            self.close()
            raise

    @property
    def hello(self) -> Hello:
        """What this side says of itself."""
        return Hello(self.depth, self.buffer_bytes, OFFER_BYTES if self.can_read else 0)

    def check(self, code: int, what: str) -> int:
        """See `Library.check`."""
        return self._library.check(code, what)

    def _open(self, info: Any) -> None:
        domain = self.domain.fid
        attributes = FFI.new("struct fi_cq_attr *")
        attributes.size = self.depth + self.sends + self.reads + 1
        attributes.format = CQ_FORMAT_MSG
        attributes.wait_obj = WAIT_FD
        made = FFI.new("struct fid_cq **")
        code = domain.ops.cq_open(domain, attributes, made, FFI.NULL)
        self.check(code, "cannot open a completion queue")
        self.queue = self._fids.add(made)
        self.queue_fid = FFI.cast("struct fid *", self.queue)
        made = FFI.new("struct fid_ep **")
        self.check(domain.ops.endpoint(domain, info, made, FFI.NULL), "cannot open an endpoint")
        self.endpoint = self._fids.add(made)
        self.fid = FFI.cast("struct fid *", self.endpoint)
        self.check(self.fid.ops.bind(self.fid, self.queue_fid, SEND | RECV), "cannot bind the completion queue")
        events = FFI.cast("struct fid *", self.port.events)
        self.check(self.fid.ops.bind(self.fid, events, 0), "cannot bind the queue of events")
        self.check(self.fid.ops.control(self.fid, ENABLE, FFI.NULL), "cannot enable the endpoint")

    def _allocate(self) -> None:
        count = self.depth + self.sends
        size = self.buffer_bytes
        memory = self._memory = Memory(count * size)
        _, self._descriptor = self._register_own(memory.pointer, count * size, SEND | RECV)
        self.view = memory.view
        self._pointers = [memory.pointer + number * size for number in range(count)]
        contexts = FFI.new("struct fi_context2[]", count + self.reads)
        self._contexts = [FFI.addressof(contexts, number) for number in range(count + self.reads)]
        self._keep = contexts
        self._first_context = int(FFI.cast("uintptr_t", contexts))
        self._entries = FFI.new("struct fi_cq_msg_entry[]", MOST_TOLD)
        self._entry_bytes = FFI.buffer(self._entries)
        self._read_queue = self.queue.ops.read
        self._send = self.endpoint.msg.send
        self._inject = self.endpoint.msg.inject
        self._receive = self.endpoint.msg.recv
        if self.can_read:  # without, a provider may leave the table out
            self._rma_read = self.endpoint.rma.read

    def _register_own(self, pointer: Any, size: int, access: int) -> tuple[Any, Any]:
        """Memory of this side's own operations, and its descriptor: None and NULL where the provider asks for none."""
        if not self.domain.mr_mode & MR_LOCAL:
            return None, FFI.NULL
        region = self.register(pointer, size, access)
        return region, region.mem_desc

    def register(self, pointer: Any, size: int, access: int) -> Any:
        """A ``struct fid_mr`` of memory, until `unregister` or `close`.

        Raises:
            OSError: it cannot be registered.
        """
        region = self.domain.register(pointer, size, access)
        self._regions[int(FFI.cast("uintptr_t", region))] = region
        return region

    def unregister(self, region: Any) -> None:
        """Ends the registration of memory, which no operation uses any more."""
        if self._regions.pop(int(FFI.cast("uintptr_t", region)), None) is not None:
            fid = FFI.cast("struct fid *", region)
            fid.ops.close(fid)

    # -- operations; each returns 0, or a negative error, of which -EAGAIN says: later

    def post(self, number: int) -> int:
        """Gives a receive buffer to the endpoint."""
        code: int = self._receive(
            self.endpoint, self._pointers[number], self.buffer_bytes, self._descriptor, 0, self._contexts[number]
        )
        return code

    def offset(self, number: int) -> int:
        """Where in `view` the buffer of a receive or of a send begins."""
        return number * self.buffer_bytes

    def send(self, number: int, size: int) -> int:
        """Sends what begins in the buffer of a send."""
        code: int = self._send(self.endpoint, self._pointers[number], size, self._descriptor, 0, self._contexts[number])
        return code

    def inject(self, number: int, size: int) -> int:
        """The same for `inject_bytes` at most; the buffer is free at once, and no completion follows."""
        code: int = self._inject(self.endpoint, self._pointers[number], size, 0)
        return code

    def read(self, number: int, size: int, address: int, key: int) -> int:
        """Reads from the peer's memory into bytes that `taken` returns; `number` is from 0 to `reads`.

        Raises:
            OSError: no more memory can be registered.
        """
        data = blank_bytes(size)
        pointer = FFI.from_buffer("char[]", data)
        region, descriptor = self._register_own(pointer, size, READ)
        context = self._contexts[self.depth + self.sends + number]
        code: int = self._rma_read(self.endpoint, pointer, size, descriptor, 0, address, key, context)
        if code == 0:
            self._targets[number] = data, pointer, region
        elif region is not None:
            self.unregister(region)
        return code

    def taken(self, number: int) -> bytes:
        """What a read that has ended has brought."""
        data, _, region = self._targets.pop(number)
        if region is not None:
            self.unregister(region)
        return data

    # -- completions

    def completions(self) -> list[tuple[int, int]]:
        """The operations that have ended, `MOST_TOLD` at most: each one's number, and the bytes that a receive brought.

        Raises:
            OSError: one has failed, and with it the connection.
        """
        while True:
            count = self._read_queue(self.queue, self._entries, MOST_TOLD)
            if count > 0:
                first = self._first_context
                entries = _ENTRY.iter_unpack(self._entry_bytes[: count * ENTRY_BYTES])
                return [((context - first) // CONTEXT_BYTES, size) for context, _, size in entries]
            if count in (0, -errno.EAGAIN):
                return []
            if count != -EAVAIL:
                raise self._library.error(count, "the completion queue failed")
            self._read_error()

    def _read_error(self) -> None:
        entry = FFI.new("struct fi_cq_err_entry *")
        if self.queue.ops.readerr(self.queue, entry, 0) <= 0:
            return
        if entry.err != errno.ECANCELED:
            raise self._library.error(-entry.err, "the connection failed")
        self.is_flushed = True

    # -- the end

    def connect(self, address: Any, data: bytes) -> None:
        """Asks the other side for a connection.

        Raises:
            OSError: that cannot be asked.
        """
        self.check(self.endpoint.cm.connect(self.endpoint, address, data, len(data)), "cannot connect")

    def accept(self, data: bytes) -> None:
        """Answers a request with yes.

        Raises:
            OSError: whoever asked has gone already.
        """
        self.check(self.endpoint.cm.accept(self.endpoint, data, len(data)), "cannot accept")

    def close(self) -> None:
        """Ends the connection and gives everything back, what was not sent included. A second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._fids.is_here:
            return
        if hasattr(self, "fid"):
            self.port.tell(self.fid, None)
            self.endpoint.cm.shutdown(self.endpoint, 0)
        self._fids.close()
        for region in list(self._regions.values()):
            self.unregister(region)
        if self._memory is not None:
            self._memory.close()
        self.port.release()

    def __del__(self) -> None:
        self.close()
