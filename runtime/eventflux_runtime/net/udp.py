"""UDP sockets on any event loop: datagrams are read and sent in batches, and what the system does not take waits.

Where the kernel can, it gathers datagrams of one sender and one size into one read (UDP_GRO) and splits one write into
many (UDP_SEGMENT; both in udp(7)). Elsewhere each is read and sent by itself.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from eventflux_runtime.net.socket import apply_buffers
from eventflux_runtime.net.watch import Watch, watch_readable, watch_writable
from eventflux_runtime.rpc.config import SocketConfig

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Address", "DatagramHandler", "Origin", "UdpSocket", "branch_off", "connected_socket", "prepare_udp"]

Address: TypeAlias = tuple[Any, ...]
"""Of a socket, as the system has it: host and port, and with IPv6 flow and zone."""

_BUFFER_BYTES: Final = 1024 * 1024
"""Of each of a socket's buffers where the configuration names none: what comes while others have their turn has to find
room there, and Linux's own 208 KiB are a few milliseconds of a fast link. The system may allow less."""
_READ_BYTES: Final = 64 * 1024
_READS_A_TURN: Final = 16
_MAX_WAITING: Final = 1024
"""Datagrams that wait for the system to take them; what comes beyond is dropped, as on a full link."""
_CONTROL_BYTES: Final = 128

# From Linux' include/uapi/linux: udp.h, in.h and in6.h. Python has no names for most of them.
_IS_LINUX: Final = sys.platform == "linux"
_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_MAX_SEGMENTS: Final = 64
_MAX_SEGMENTED_BYTES: Final = 65_000
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3
_IP_PKTINFO: Final = 8
_IN_PKTINFO: Final = struct.Struct("@I4s4s")
_IN6_PKTINFO: Final = struct.Struct("@16sI")

_Control: TypeAlias = tuple[tuple[int, int, bytes], ...]


class _Buffer(threading.local):
    """What is read into; one for each thread, because what was read is copied out at once."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_READ_BYTES))


_BUFFER: Final = _Buffer()


class Origin(NamedTuple):
    """Where datagrams came from, and so where answers go."""

    address: Address
    control: _Control = ()
    """Names the address of ours that they were sent to, where the socket has several."""

    @property
    def local_host(self) -> bytes | None:
        """That address, packed."""
        if not self.control:
            return None
        level, _, data = self.control[0]
        return data[4:8] if level == socket.IPPROTO_IP else data[:16]


class DatagramHandler(Protocol):
    """Who owns a UDP socket. Callbacks run on the event loop and must not raise."""

    def on_datagrams(self, sock: UdpSocket, data: bytes, size: int, origin: Origin) -> None:
        """Datagrams of one sender: each has `size` bytes of `data`, the last one maybe fewer."""

    def on_batch_end(self) -> None:
        """Nothing more is read in this turn."""

    def on_writable(self, sock: UdpSocket) -> None:
        """A socket that was blocked takes datagrams again."""

    def on_refused(self, sock: UdpSocket, error: OSError) -> None:
        """The system says that a connected socket's datagrams do not reach anybody. Anyone may have made it say so."""


class UdpSocket:
    """A socket that is bound or connected. Owns it and closes it.

    Invariant: `_waiting` has something only while `_writing` watches.
    """

    def __init__(self, sock: socket.socket, reactor: Reactor, handler: DatagramHandler) -> None:
        """Begins to read.

        Args:
            sock: does not block; see `prepare_udp`.
            reactor: of the running event loop.
            handler: gets what is read.

        Raises:
            ConfigError: this event loop cannot watch a descriptor.
        """
        self.sock = sock
        self.is_blocked = False
        self.is_closed = False
        self._reactor = reactor
        self._handler = handler
        self._can_segment = _IS_LINUX
        self._waiting: deque[tuple[bytes, Origin | None]] = deque()
        self._writing: Watch | None = None
        self._reading = watch_readable(sock.fileno(), self.read, reactor)

    # -- in

    def read(self) -> None:
        """Takes what is there, up to a number of reads."""
        sock, view, handler = self.sock, _BUFFER.view, self._handler
        for _ in range(_READS_A_TURN):
            if self.is_closed:
                break
            try:
                count, control, flags, address = sock.recvmsg_into([view], _CONTROL_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                handler.on_refused(self, error)
                continue
            if not count or flags & socket.MSG_TRUNC:
                continue
            size = count
            answer: _Control = ()
            for level, kind, data in control:
                if level == _SOL_UDP and kind == _UDP_GRO:
                    size = int.from_bytes(data[:4], sys.byteorder)
                elif level in (socket.IPPROTO_IP, socket.IPPROTO_IPV6):
                    answer = ((level, kind, _from_there(level, data)),)
            handler.on_datagrams(self, bytes(view[:count]), size, Origin(address, answer))
        handler.on_batch_end()

    # -- out

    def send(self, datagrams: Sequence[bytes], origin: Origin | None = None) -> None:
        """Sends datagrams, or keeps them until the system takes them.

        Args:
            datagrams: those of one size, one after another, leave in one step.
            origin: where they go; None: where the socket is connected to.
        """
        if self.is_closed:
            return
        if self.is_blocked:
            self._keep(datagrams, origin)
            return
        index = 0
        while index < len(datagrams):
            count = _run_of_one_size(datagrams, index) if self._can_segment else 1
            try:
                self._send_run(datagrams[index : index + count], origin)
            except (BlockingIOError, InterruptedError):
                self._keep(datagrams[index:], origin)
                return
            except OSError as error:
                if count > 1:
                    self._can_segment = False  # this interface cannot; they leave one by one
                    continue
                self._on_send_error(error)
            index += count

    def _send_run(self, run: Sequence[bytes], origin: Origin | None) -> None:
        if len(run) == 1 and origin is None:
            self.sock.send(run[0])
        elif len(run) == 1 and origin is not None and not origin.control:
            self.sock.sendto(run[0], origin.address)
        else:
            control: list[tuple[int, int, bytes]] = [] if origin is None else list(origin.control)
            if len(run) > 1:
                control.append((_SOL_UDP, _UDP_SEGMENT, len(run[0]).to_bytes(2, sys.byteorder)))
            if origin is None:
                self.sock.sendmsg(run, control)
            else:
                self.sock.sendmsg(run, control, 0, origin.address)

    def _on_send_error(self, error: OSError) -> None:
        # The datagram is lost. One that is longer than the path takes was a probe for that.
        if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS, errno.EPERM):
            self._reactor.call_soon(lambda: None if self.is_closed else self._handler.on_refused(self, error))

    def _keep(self, datagrams: Sequence[bytes], origin: Origin | None) -> None:
        room = _MAX_WAITING - len(self._waiting)
        self._waiting.extend((datagram, origin) for datagram in datagrams[: max(room, 0)])
        if not self.is_blocked:
            self.is_blocked = True
            self._writing = watch_writable(self.sock.fileno(), self._send_waiting, self._reactor)

    def _send_waiting(self) -> None:
        while self._waiting:
            datagram, origin = self._waiting[0]
            try:
                self._send_run([datagram], origin)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._on_send_error(error)
            self._waiting.popleft()
        self.is_blocked = False
        if self._writing is not None:
            self._writing.stop()
            self._writing = None
        self._handler.on_writable(self)

    def close(self) -> None:
        """Closes; a second time does nothing. What waits is offered to the system once more."""
        if self.is_closed:
            return
        self.is_closed = True
        self._reading.stop()
        if self._writing is not None:
            self._writing.stop()
            for datagram, origin in self._waiting:
                try:
                    self._send_run([datagram], origin)
                except OSError:
                    break
        self._waiting.clear()
        self.sock.close()


def _run_of_one_size(datagrams: Sequence[bytes], start: int) -> int:
    """How many can leave in one step: those of one size, and a shorter one behind them."""
    size = len(datagrams[start])
    limit = min(len(datagrams), start + _MAX_SEGMENTS, start + max(1, _MAX_SEGMENTED_BYTES // size))
    index = start + 1
    while index < limit:
        length = len(datagrams[index])
        if length > size:
            break
        index += 1
        if length < size:
            break
    return index - start


def _from_there(level: int, data: bytes) -> bytes:
    """What has an answer leave from the address that was written to, made of what says which that was."""
    if level == socket.IPPROTO_IP:
        _, local, _ = _IN_PKTINFO.unpack_from(data)
        return _IN_PKTINFO.pack(0, local, bytes(4))
    host, interface = _IN6_PKTINFO.unpack_from(data)
    return _IN6_PKTINFO.pack(host, interface if host[:2] == b"\xfe\x80" else 0)


# -- options


def prepare_udp(sock: socket.socket, options: SocketConfig) -> None:
    """Sets what a socket of datagrams needs beyond what it was bound with: buffers, no fragments, batches."""
    for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, name, _BUFFER_BYTES)
    apply_buffers(sock, options)
    if not _IS_LINUX:
        return
    _try(lambda: sock.setsockopt(_SOL_UDP, _UDP_GRO, 1))
    _try(lambda: sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE))
    if sock.family == socket.AF_INET6:
        _try(lambda: sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE))
    host = sock.getsockname()[0]
    if host == "0.0.0.0":
        _try(lambda: sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1))
    elif host == "::":
        _try(lambda: sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1))


def _try(setting: Callable[[], object]) -> None:
    try:
        setting()
    except OSError:
        return  # an older kernel; it works without, if slower


def connected_socket(family: int, address: Address, options: SocketConfig) -> socket.socket:
    """A socket that does not block, whose datagrams go to one address and come from there.

    Raises:
        OSError: the system has no way there.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(address)
        prepare_udp(sock, options)
    except BaseException:
        sock.close()
        raise
    return sock


def branch_off(sock: socket.socket, origin: Origin, options: SocketConfig) -> socket.socket:
    """A socket on the same port that gets what comes from one address, in the place of a socket that gets everything.

    What came to either in between is still read from it.

    Raises:
        OSError: the system has no such socket.
    """
    local = sock.getsockname()
    host = origin.local_host
    if host is not None:
        family = socket.AF_INET6 if len(host) == 16 else socket.AF_INET
        local = (socket.inet_ntop(family, host), *local[1:])
    branch = socket.socket(sock.family, socket.SOCK_DGRAM)
    is_shared = hasattr(socket, "SO_REUSEPORT") and sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
    try:
        branch.setblocking(False)
        branch.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            branch.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sock.family == socket.AF_INET6:
            only = sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            branch.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        # Both have to allow it, and the first one does for this moment only; see `bind_udp`.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            branch.bind(local)
        finally:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        if is_shared and _IS_LINUX:
            # Linux 6.18 takes a connected socket out of the group among whose members it spreads strangers. A socket
            # that is bound later would found another group with it, and one of the groups would get all of them.
            branch.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        branch.connect(origin.address)
        prepare_udp(branch, options)
    except BaseException:
        branch.close()
        raise
    return branch
