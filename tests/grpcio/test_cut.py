"""Which of a process' connections are cut for the sake of a server that cannot stop."""

from __future__ import annotations

import os
import socket

import pytest

from eventflux_runtime.grpcio import cut
from eventflux_runtime.grpcio.cut import cut_connections
from eventflux_runtime.rpc.endpoint import parse_endpoint


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


@pytest.mark.parametrize(("listens_on", "count"), [("127.0.0.1", 1), ("[::]", 1), ("*", 1), ("127.0.0.2", 0)])
def test_a_connection_of_ipv4_may_have_come_to_a_socket_of_both_families(listens_on: str, count: int) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listening.accept()[0]:
            assert cut_connections(parse_endpoint(f"grpc://{listens_on}:{port}")) == count


def test_sockets_of_other_kinds_are_left_alone() -> None:
    listening, *tcp = connected("127.0.0.1")
    port = listening.getsockname()[1]
    here, there = socket.socketpair()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with listening, tcp[0], tcp[1], here, there, datagrams:
        datagrams.bind(("127.0.0.1", port))
        datagrams.connect(("127.0.0.1", port))
        assert cut_connections(parse_endpoint(f"grpc://127.0.0.1:{port}")) == 1
        here.sendall(b"x")
        assert there.recv(1) == b"x"
        datagrams.send(b"x")
        assert datagrams.recv(1) == b"x"


def test_a_connection_on_a_link_is_told_by_its_address() -> None:
    assert cut._covers("fe80::1", "fe80::1%lo")
    assert not cut._covers("fe80::2", "fe80::1%lo")


def test_nothing_is_cut_where_files_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_FILES", "/nowhere")
    sockets = connected("127.0.0.1")
    assert cut_connections(parse_endpoint(f"grpc://127.0.0.1:{sockets[0].getsockname()[1]}")) == 0
    for sock in sockets:
        sock.close()
