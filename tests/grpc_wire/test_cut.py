"""Which of a process' connections are cut for the sake of a server that cannot stop."""

from __future__ import annotations

import os
import socket

import pytest

from eventflux_runtime.endpoint import parse_endpoint
from eventflux_runtime.transports.grpc_wire.cut import cut_connections


def connected(host: str) -> tuple[socket.socket, socket.socket, socket.socket]:
    """A listening socket, and both ends of a connection to it."""
    listening = socket.create_server((host, 0))
    client = socket.create_connection(listening.getsockname())
    server, _ = listening.accept()
    return listening, client, server


@pytest.mark.parametrize(
    ("listens_on", "count"), [("127.0.0.1", 1), ("0.0.0.0", 1), ("localhost", 1), ("127.0.0.2", 0)]
)
def test_connections_to_a_server_are_cut_and_nothing_else(listens_on: str, count: int) -> None:
    sockets = connected("127.0.0.1")
    others = connected("127.0.0.1")
    try:
        listening, client, _ = sockets
        port = listening.getsockname()[1]
        files = os.listdir("/dev/fd")
        assert cut_connections(parse_endpoint(f"grpc://{listens_on}:{port}")) == count
        assert len(os.listdir("/dev/fd")) == len(files)
        client.setblocking(False)
        if count:
            assert client.recv(1) == b""
        else:
            with pytest.raises(BlockingIOError):
                client.recv(1)
        socket.create_connection(listening.getsockname()).close()  # it still listens
        others[1].sendall(b"x")
        assert others[2].recv(1) == b"x"
    finally:
        for sock in (*sockets, *others):
            sock.close()
