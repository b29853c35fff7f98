"""What the fake provider does with messages, reads and connections; see `fake_fabric`."""

from __future__ import annotations

import errno
import os
import random
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from eventflux_runtime.carrier.rdma import declaration as d
from eventflux_runtime.carrier.rdma.library import FFI

__all__ = ["Endpoint", "Operations", "Queue", "number_of"]


def number_of(pointer: Any) -> int:
    return int(FFI.cast("uintptr_t", pointer))


def bytes_at(start: int, size: int) -> bytes:
    return bytes(FFI.buffer(FFI.cast("char *", start), size))


@dataclass(eq=False)
class Operation:
    kind: str
    context: int
    start: int
    size: int
    kept: bytes
    """What its memory had in it when it was posted."""
    address: int = 0
    key: int = 0


@dataclass(eq=False)
class Queue:
    """A queue of events or of completions, with a descriptor that can be read while something is due."""

    size: int
    descriptor: int = field(default_factory=lambda: os.eventfd(0, os.EFD_NONBLOCK))
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    errors: deque[tuple[Any, ...]] = field(default_factory=deque)
    is_closed: bool = False

    def wake(self) -> None:
        if not self.is_closed:
            os.eventfd_write(self.descriptor, 1)

    def calm(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)


@dataclass(eq=False)
class Endpoint:
    pointer: Any = None
    events: Queue | None = None
    queue: Queue | None = None
    peer: Endpoint | None = None
    domain: int = 0
    was_connected: bool = False
    is_connected: bool = False
    is_closed: bool = False
    receives: deque[Operation] = field(default_factory=deque)
    outgoing: deque[Operation] = field(default_factory=deque)
    reads: list[Operation] = field(default_factory=list)
    live: set[int] = field(default_factory=set)


class Operations(ABC):
    """The part of a `FakeFabric` that moves bytes."""

    def __init__(self, seed: int, mr_mode: int, inject_bytes: int, again: float) -> None:
        self.faults: list[str] = []
        self.kinds: list[int] = []
        """The kind of each message, as it left."""
        self.injected = 0
        self.is_stuck = False
        """Whether nothing that is under way moves on."""
        self._random = random.Random(seed)
        self._mr_mode = mr_mode
        self._inject_bytes = inject_bytes
        self._again = again
        self._ports: dict[int, Queue] = {}
        self._regions: dict[int, tuple[int, int, int, int, int]] = {}
        """By number: where the memory begins, its size, what it may be used for, its key, and its domain."""
        self._handles: dict[int, tuple[Endpoint, bytes]] = {}
        self._handle = 0

    @abstractmethod
    def _of(self, pointer: Any) -> Any: ...

    @abstractmethod
    def _request(self, handle: int) -> Any:
        """A ``struct fi_info`` for whoever wants to connect."""

    # -- posting

    def _begin(self, pointer: Any, kind: str, start: Any, size: int, descriptor: Any, context: Any) -> Operation | None:
        """The operation, where it breaks no rule; None: it is to be tried again."""
        endpoint: Endpoint = self._of(pointer)
        number = number_of(context) if context is not None else 0
        memory = number_of(start)
        if context is not None:
            assert number, "an operation without a context"
            assert number not in endpoint.live, "a context names two operations"
            assert endpoint.queue is not None
            under_way = len(endpoint.live) + len(endpoint.queue.entries)
            assert under_way < endpoint.queue.size, "more is under way than the queue has room for"
            if self._mr_mode & d.MR_LOCAL:
                access = {"recv": d.RECV, "send": d.SEND, "read": d.READ}[kind]
                region = self._regions.get(number_of(descriptor))
                assert region is not None, f"{kind} with memory that is not registered"
                assert region[4] == endpoint.domain, f"{kind} with memory that is registered elsewhere"
                is_within = region[0] <= memory <= memory + size <= region[0] + region[1]
                assert is_within, f"{kind} beyond its region"
                assert region[2] & access, f"{kind} with memory that is registered for something else"
        for other in (*endpoint.receives, *endpoint.outgoing, *endpoint.reads):
            apart = memory + size <= other.start or other.start + other.size <= memory
            assert apart or other.kind == "inject", f"{kind} with memory that {other.kind} has"
        if self._random.random() < self._again:
            return None
        operation = Operation(kind, number, memory, size, bytes_at(memory, size))
        if context is not None:
            endpoint.live.add(number)
        return operation

    def _recv(self, pointer: Any, start: Any, size: int, descriptor: Any, source: int, context: Any) -> int:
        operation = self._begin(pointer, "recv", start, size, descriptor, context)
        if operation is None:
            if not self._of(pointer).is_connected:  # nothing is under way yet that could be in the way
                operation = self._retried(pointer, "recv", start, size, descriptor, context)
            else:
                return -errno.EAGAIN
        self._of(pointer).receives.append(operation)
        return 0

    def _retried(self, *arguments: Any) -> Operation:
        while True:
            operation = self._begin(*arguments)
            if operation is not None:
                return operation

    def _send(self, pointer: Any, start: Any, size: int, descriptor: Any, target: int, context: Any) -> int:
        return self._leave(pointer, self._begin(pointer, "send", start, size, descriptor, context))

    def _inject(self, pointer: Any, start: Any, size: int, target: int) -> int:
        assert size <= self._inject_bytes, f"{size} bytes are injected, and {self._inject_bytes} are the most"
        self.injected += 1
        return self._leave(pointer, self._begin(pointer, "inject", start, size, None, None))

    def _leave(self, pointer: Any, operation: Operation | None) -> int:
        endpoint: Endpoint = self._of(pointer)
        assert endpoint.was_connected, "a message before the connection"
        if not endpoint.is_connected:
            return -errno.ENOTCONN
        if operation is None:
            return -errno.EAGAIN
        peer = endpoint.peer
        if peer is not None and not peer.is_closed and peer.is_connected:
            on_the_way = len(endpoint.outgoing)
            assert on_the_way < len(peer.receives), "a message for which the peer has no buffer"
        self.kinds.append(operation.kept[0])
        endpoint.outgoing.append(operation)
        self._wake_both(endpoint)
        return 0

    def _read(  # noqa: PLR0917 - as libfabric has it
        self, pointer: Any, start: Any, size: int, descriptor: Any, source: int, address: int, key: int, context: Any
    ) -> int:
        operation = self._begin(pointer, "read", start, size, descriptor, context)
        if operation is None:
            return -errno.EAGAIN
        operation.address, operation.key = address, key
        endpoint: Endpoint = self._of(pointer)
        if not endpoint.is_connected:
            return -errno.ENOTCONN
        endpoint.reads.append(operation)
        self._wake_both(endpoint)
        return 0

    def _wake_both(self, endpoint: Endpoint) -> None:
        for side in (endpoint, endpoint.peer):
            if side is not None and side.queue is not None:
                side.queue.wake()

    # -- moving on

    def _move(self, endpoint: Endpoint) -> None:
        """Brings some of what is under way to or from an endpoint to its end."""
        if self.is_stuck:
            return
        for side in (endpoint, endpoint.peer):
            if side is None or side.peer is None or not side.is_connected:
                continue
            for _ in range(self._random.randrange(4)):
                if side.outgoing and side.peer.receives and side.peer.is_connected:
                    self._deliver(side, side.peer)
            if side.reads and self._random.random() < 0.5:
                self._fetch(side, side.reads.pop(self._random.randrange(len(side.reads))))
            if (side.outgoing or side.reads) and side.queue is not None:
                self._wake_both(side)

    def _deliver(self, source: Endpoint, sink: Endpoint) -> None:
        sent, receive = source.outgoing.popleft(), sink.receives.popleft()
        if sent.kind != "inject":
            assert bytes_at(sent.start, sent.size) == sent.kept, "a buffer changed while it was sent"
            self._complete(source, sent, 0)
        assert bytes_at(receive.start, receive.size) == receive.kept, "a buffer changed while it was posted"
        assert sent.size <= receive.size, "a message is longer than the buffer for it"
        FFI.memmove(FFI.cast("char *", receive.start), sent.kept, sent.size)
        self._complete(sink, receive, sent.size)

    def _fetch(self, endpoint: Endpoint, read: Operation) -> None:
        assert endpoint.peer is not None
        wanted = (read.key, endpoint.peer.domain)
        region = next((one for one in self._regions.values() if one[3:] == wanted), None)
        assert region is not None, "a read of memory that is registered no more"
        assert region[2] & d.REMOTE_READ, "a read of memory that is not registered for it"
        start = read.address if self._mr_mode & d.MR_VIRT_ADDR else region[0] + read.address
        is_within = region[0] <= start <= start + read.size <= region[0] + region[1]
        assert is_within, "a read beyond its region"
        assert bytes_at(read.start, read.size) == read.kept, "a buffer changed while it was read into"
        FFI.memmove(FFI.cast("char *", read.start), FFI.cast("char *", start), read.size)
        self._complete(endpoint, read, 0)

    def _complete(self, endpoint: Endpoint, operation: Operation, size: int) -> None:
        endpoint.live.discard(operation.context)
        assert endpoint.queue is not None
        assert len(endpoint.queue.entries) < endpoint.queue.size, "the completion queue runs over"
        place = self._random.randrange(len(endpoint.queue.entries) + 1)
        endpoint.queue.entries.insert(place, (operation.context, size))
        endpoint.queue.wake()

    # -- queues

    @abstractmethod
    def _endpoint_of(self, queue: Queue) -> Endpoint | None:
        """Whose completions a queue has."""

    def _trywait(self, fabric: Any, fids: Any, count: int) -> int:
        queue: Queue = self._of(fids[0])
        if queue.entries or queue.errors:
            return -errno.EAGAIN
        endpoint = self._endpoint_of(queue)
        queue.calm()
        if (
            endpoint is not None
            and not self.is_stuck
            and any(side is not None and (side.outgoing or side.reads) for side in (endpoint, endpoint.peer))
        ):
            queue.wake()
        return 0

    def _read_queue(self, pointer: Any, entries: Any, count: int) -> int:
        queue: Queue = self._of(pointer)
        endpoint = self._endpoint_of(queue)
        if endpoint is not None:
            self._move(endpoint)
        if not queue.entries:
            return -d.EAVAIL if queue.errors else -errno.EAGAIN
        taken = queue.entries[: self._random.randint(1, count)]
        del queue.entries[: len(taken)]
        cells = FFI.cast("struct fi_cq_msg_entry *", entries)
        for cell, (context, size) in enumerate(taken):
            cells[cell].op_context, cells[cell].len = FFI.cast("void *", context), size
        return len(taken)

    def _read_queue_error(self, pointer: Any, entry: Any, flags: int) -> int:
        queue: Queue = self._of(pointer)
        context, code = queue.errors.popleft()
        entry.op_context, entry.err = FFI.cast("void *", context), code
        return 1

    def _read_events(self, pointer: Any, event: Any, buffer: Any, size: int, flags: int) -> int:
        queue: Queue = self._of(pointer)
        if not queue.entries:
            return -d.EAVAIL if queue.errors else -errno.EAGAIN
        event[0], fid, info, data = queue.entries.pop(0)
        entry = FFI.cast("struct fi_eq_cm_entry *", buffer)
        entry.fid, entry.info = fid, info
        head: int = FFI.sizeof("struct fi_eq_cm_entry")
        FFI.memmove(FFI.cast("char *", buffer) + head, data, len(data))
        return head + len(data)

    def _read_event_error(self, pointer: Any, entry: Any, flags: int) -> int:
        queue: Queue = self._of(pointer)
        entry.fid, entry.err = queue.errors.popleft()
        return 1

    # -- connections

    def _tell(self, queue: Queue | None, event: int, fid: Any, info: Any = FFI.NULL, data: bytes = b"") -> None:
        if queue is not None and not queue.is_closed:
            queue.entries.append((event, fid, info, data))
            queue.wake()

    def _connect(self, pointer: Any, address: Any, data: Any, size: int) -> int:
        endpoint: Endpoint = self._of(pointer)
        port = int.from_bytes(bytes(FFI.buffer(address, 4))[2:], "big")
        queue = self._ports.get(port)
        if queue is None:
            assert endpoint.events is not None
            endpoint.events.errors.append((endpoint.pointer, errno.ECONNREFUSED))
            endpoint.events.wake()
            return 0
        self._handle += 8
        self._handles[self._handle] = (endpoint, b"")
        self._tell(queue, d.CONNREQ, FFI.NULL, self._request(self._handle), bytes(FFI.buffer(data, size)))
        return 0

    def _accept(self, pointer: Any, data: Any, size: int) -> int:
        endpoint: Endpoint = self._of(pointer)
        peer = endpoint.peer
        assert peer is not None
        if peer.is_closed:
            return -errno.ECONNRESET
        peer.peer = endpoint
        endpoint.is_connected = peer.is_connected = endpoint.was_connected = peer.was_connected = True
        self._tell(endpoint.events, d.CONNECTED, endpoint.pointer)
        self._tell(peer.events, d.CONNECTED, peer.pointer, data=bytes(FFI.buffer(data, size)) + bytes(40))
        return 0

    def _reject(self, pointer: Any, handle: Any, data: Any, size: int) -> int:
        endpoint, _ = self._handles.pop(number_of(handle))
        if endpoint.events is not None and not endpoint.events.is_closed:
            endpoint.events.errors.append((endpoint.pointer, errno.ECONNREFUSED))
            endpoint.events.wake()
        return 0

    def _shutdown(self, pointer: Any, flags: int) -> int:
        self._end(self._of(pointer))
        return 0

    def _end(self, endpoint: Endpoint) -> None:
        """Ends a connection: what has left arrives, what was posted is given up on both sides."""
        peer = endpoint.peer
        if not endpoint.is_connected:
            return
        if peer is not None and peer.is_connected:
            while endpoint.outgoing and peer.receives:
                self._deliver(endpoint, peer)
        for side in (endpoint, peer):
            if side is None or not side.is_connected:
                continue
            side.is_connected = False
            for operation in (*side.receives, *side.outgoing, *side.reads):
                if operation.kind != "inject" and side.queue is not None:
                    side.queue.errors.append((operation.context, errno.ECANCELED))
            side.receives.clear()
            side.outgoing.clear()
            side.reads.clear()
            side.live.clear()
            if side.queue is not None:
                side.queue.wake()
            self._tell(side.events, d.SHUTDOWN, side.pointer)
