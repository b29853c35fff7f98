"""A listening server: its address, its limits, and what it refuses to begin with."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from grpc import aio

from eventflux_runtime.rpc.config import ClientConfig, ServerConfig, TlsConfig
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import Unavailable
from eventflux_transport import Message
from tests.support.grpc_harness import CHAT, ECHO, HEAD, Note, Notes, connected, listening, remaining_head
from tests.support.wires import linked

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 10


async def test_port_0_becomes_the_port_really_bound() -> None:
    async with listening(Notes()) as first, listening(Notes()) as second:
        assert 0 < first.endpoint.port != second.endpoint.port > 0
        assert first.endpoint.scheme == "grpcio"


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with listening(Notes()) as first:
        with pytest.raises(ConfigError, match=r"cannot listen on grpcio://.* Is the port in use\?"):
            async with listening(Notes(), str(first.endpoint)):
                pass


async def test_a_port_that_is_free_again_can_be_had_at_once() -> None:
    notes = Notes()
    async with listening(notes) as first:
        url = str(first.endpoint)
        async with connected(url) as connection:
            await connection.unary(ECHO, Note("a"), HEAD)
    async with listening(notes, url), connected(url) as connection:
        await connection.unary(ECHO, Note("b"), HEAD)
    assert notes.received == ["a", "b"]


async def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigError, match="cannot listen on grpcio://192.0.2.1:50051"):
        async with listening(Notes(), "grpcio://192.0.2.1:50051"):
            pass


async def test_tls_needs_a_certificate() -> None:
    with pytest.raises(ConfigError, match="cert_file"):
        async with listening(Notes(), "grpcios://127.0.0.1:0"):
            pass


async def test_a_broken_certificate_is_an_error_before_anything_is_bound(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    tls = TlsConfig(cert_file=str(broken), key_file=str(broken))
    with pytest.raises(ConfigError, match="cannot be used"):
        async with listening(Notes(), "grpcios://127.0.0.1:0", ServerConfig(tls=tls)):
            pass


async def test_one_connection_too_many_is_refused() -> None:
    config = ServerConfig(max_connections=1)
    async with listening(Notes(), config=config) as listener:
        url = str(listener.endpoint)
        async with connected(url) as connection:
            await connection.unary(ECHO, Note("a"), HEAD)
            with pytest.raises(Unavailable), anyio.fail_after(LONG_S):
                async with connected(url, ClientConfig(connect_timeout_s=1)) as second:
                    await second.unary(ECHO, Note("b"), remaining_head(1))
            await connection.unary(ECHO, Note("c"), HEAD)


async def test_calls_above_the_limit_of_a_connection_wait_for_their_turn() -> None:
    notes = Notes()
    config = ServerConfig(max_calls_per_connection=2)
    async with listening(notes, config=config) as listener, connected(str(listener.endpoint)) as connection:
        calls = [connection.start(CHAT, HEAD) for _ in range(2)]
        for call in calls:
            await call.send(Note("a"))
            await call.receive()
        with anyio.move_on_after(0.3) as scope:
            await connection.unary(ECHO, Note("waits"), HEAD)
        assert scope.cancelled_caught
        assert "waits" not in notes.received
        calls[0].cancel()
        with anyio.fail_after(LONG_S):
            assert await connection.unary(ECHO, Note("runs"), HEAD) == Note("runs")
        calls[1].cancel()


async def test_a_wildcard_address_serves_all() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
    async with listening(Notes(), "grpcio://[::]:0") as listener:
        for host in ("[::1]", "127.0.0.1"):
            async with connected(f"grpcio://{host}:{listener.endpoint.port}") as connection:
                assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")


def test_without_grpcio_the_error_names_the_extra() -> None:
    script = """
import sys
sys.modules["grpc"] = None
from eventflux_runtime import connect
from eventflux_runtime.rpc.errors import MissingExtraError
try:
    connect("grpcio://127.0.0.1:1")
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "the grpcio:// wire needs an extra: run pip install 'eventflux-transport[grpcio]'"


async def test_it_listens_for_no_resolver() -> None:
    with pytest.raises(ConfigError, match="a server listens on grpcio://host:port or grpcios://host:port"):
        async with listening(Notes(), "grpc+dns:///localhost:50051"):
            pass


async def test_grpcio_is_stopped_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two that stop a server the later may find it freed, and ends the process."""
    under_way = most = 0
    make = aio.server

    class Counted:
        """A server of grpcio's, and how often it is being stopped."""

        def __init__(self, **told: Any) -> None:
            self._server = make(**told)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._server, name)

        async def stop(self, grace: float | None) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                await self._server.stop(grace)
            finally:
                under_way -= 1

    monkeypatch.setattr(aio, "server", Counted)
    async with linked("grpcio", tmp_path, server_config=ServerConfig(drain_grace_s=0)) as link:
        await link.client.send_message(Message())
    assert (most, under_way) == (1, 0)
