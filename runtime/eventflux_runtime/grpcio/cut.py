"""Cuts a grpcio server's connections where grpcio itself would wait for its clients to read.

grpcio's core closes a connection when all that was written to it has left, however long that takes, and has no way to
be told otherwise. Its sockets are files of this process, though, and one that was shut down takes no more writing.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from contextlib import suppress
from typing import Final

from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["cut_connections"]

_FILES: Final = "/dev/fd"
"""Where Linux and macOS list the open files of a process."""


def cut_connections(endpoint: Endpoint) -> int:
    """Shuts down the connections of a server of this process on `endpoint`; how many there were."""
    cut = 0
    with suppress(OSError):  # a system without such a list
        for name in os.listdir(_FILES):
            with suppress(OSError):  # closed by now, no connection, or no file is left for looking at it
                cut += _cut(int(name), endpoint)
    return cut


def _cut(file: int, endpoint: Endpoint) -> bool:
    if not stat.S_ISSOCK(os.fstat(file).st_mode):
        return False
    with socket.socket(fileno=os.dup(file)) as sock:
        if not _is_accepted_on(sock, endpoint):
            return False
        sock.shutdown(socket.SHUT_RDWR)
        return True


def _is_accepted_on(sock: socket.socket, endpoint: Endpoint) -> bool:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        return False
    sock.getpeername()  # raises for one that listens
    host, port = sock.getsockname()[:2]
    return port == endpoint.port and _covers(endpoint.host, host)


def _covers(listening: str, host: str) -> bool:
    """Whether a connection to the address `host` can have come to a server that listens on `listening`."""
    try:
        wanted = ipaddress.ip_address(listening)
    except ValueError:  # a name, or all addresses
        return True
    found = ipaddress.ip_address(host.partition("%")[0])
    return wanted.is_unspecified or wanted in (found, getattr(found, "ipv4_mapped", None))
