"""Certificates that are renewed while a server or a client runs: new connections have them, old ones go on."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

import anyio
import pytest
import trustme

from eventflux_runtime import ClientConfig, ServerConfig, TlsConfig, Unavailable, connect, serve
from eventflux_runtime.net import tls as tls_module
from eventflux_runtime.net.tls import client_source, server_source
from eventflux_transport import Message, TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe

WIRES = ("tcp", "grpc", "grpcio")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("wire", [*WIRES, "quic"])
async def test_a_servers_certificate(wire: str, authority: Authority) -> None:
    scheme = wire if wire == "quic" else f"{wire}s"
    tls = TlsConfig(**authority.issue("server", "old.example").files)
    old = ClientConfig(tls=authority.trusting(server_name="old.example"))
    new = ClientConfig(tls=authority.trusting(server_name="new.example"))
    with anyio.fail_after(10):
        async with (
            serve([Probe()], f"{scheme}://127.0.0.1:0", config=ServerConfig(tls=tls, drain_grace_s=0)) as server,
            connect(server.endpoints[0], config=old) as channel,
            TransportClient(channel).stream_messages() as stream,
        ):
            await stream.send(Message(id="before"))
            assert (await stream.receive()).id == "before"
            async with connect(server.endpoints[0], config=new) as early:
                with pytest.raises(Unavailable, match=r"another (host|name)"):
                    await TransportClient(early).send_message(Message())
            authority.issue("server", "new.example")
            async with connect(server.endpoints[0], config=new) as late:
                assert (await TransportClient(late).send_message(Message(id="late"))).id == "late"
            await stream.send(Message(id="after"))
            assert (await stream.receive()).id == "after"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_clients_certificate(wire: str, authority: Authority) -> None:
    service = Probe()
    pair = authority.issue("client", "old.test")
    config = ClientConfig(tls=authority.trusting(**pair.files))
    server_config = ServerConfig(tls=authority.mutual(), drain_grace_s=0)
    with anyio.fail_after(10):
        async with serve([service], f"{wire}s://127.0.0.1:0", config=server_config) as server:
            async with connect(server.endpoints[0], config=config) as channel:
                client = TransportClient(channel)
                await client.send_message(Message())
                authority.issue("client", "new.test")
                await client.send_message(Message())
            async with connect(server.endpoints[0], config=config) as channel:
                await TransportClient(channel).send_message(Message())
    names = [context.peer.identity.alternative_names for context in service.contexts if context.peer.identity]
    assert names == [("old.test",), ("old.test",), ("new.test",)]


@pytest.mark.parametrize("wire", WIRES)
async def test_the_authority_of_clients(wire: str, authority: Authority, tmp_path: Path) -> None:
    other = trustme.CA()
    clients_ca = str(tmp_path / "clients.pem")
    authority.ca.cert_pem.write_to_path(clients_ca)
    server_tls = TlsConfig(ca_file=clients_ca, require_client_cert=True, **authority.server().files)
    old = ClientConfig(tls=authority.trusting(**authority.client("old").files))
    new = ClientConfig(tls=authority.trusting(**authority.issue("new", "client.test", ca=other).files))
    with anyio.fail_after(10):
        server_config = ServerConfig(tls=server_tls, drain_grace_s=0)
        async with serve([Probe()], f"{wire}s://127.0.0.1:0", config=server_config) as server:
            for is_renewed in (False, True):
                for config, is_welcome in ((old, not is_renewed), (new, is_renewed)):
                    async with connect(server.endpoints[0], config=config) as channel:
                        if is_welcome:
                            await TransportClient(channel).send_message(Message())
                        else:
                            with pytest.raises(Unavailable, match="authority that the server does not know"):
                                await TransportClient(channel).send_message(Message())
                other.cert_pem.write_to_path(clients_ca)


@pytest.mark.parametrize("wire", WIRES)
async def test_half_a_renewal_changes_nothing(wire: str, authority: Authority) -> None:
    pair = authority.server()
    key = anyio.Path(pair.key_file)
    server_config = ServerConfig(tls=TlsConfig(**pair.files), drain_grace_s=0)
    config = ClientConfig(tls=authority.trusting())
    with anyio.fail_after(10):
        async with serve([Probe()], f"{wire}s://127.0.0.1:0", config=server_config) as server:
            await key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
            async with connect(server.endpoints[0], config=config) as channel:
                assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"


def test_a_source_keeps_its_context_until_the_files_fit_together(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    source = server_source(TlsConfig(**authority.server().files), ())
    first = source.current()
    assert source.current() is first
    pair = authority.client("server")  # another certificate in the same files
    with caplog.at_level(logging.INFO, "eventflux_runtime.tls"):
        second = source.current()
        assert source.current() is second
    assert second is not first
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert pair.key_file in caplog.text, "the log says which files were read"
    caplog.clear()
    key = Path(pair.key_file).read_bytes()
    Path(pair.key_file).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert source.current() is second
        assert source.current() is second
    assert len(caplog.records) == 1
    assert "stay in use" in caplog.text
    os.unlink(pair.key_file)
    assert source.current() is second
    Path(pair.key_file).write_bytes(key)
    third = source.current()
    assert third is not second
    assert source.current() is third


def test_equal_configurations_share_a_source(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    builds: list[TlsConfig] = []
    original = tls_module._build_client

    def counting(tls: TlsConfig, protocols: tuple[str, ...]) -> ssl.SSLContext:
        builds.append(tls)
        return original(tls, protocols)

    monkeypatch.setattr(tls_module, "_build_client", counting)
    one, other = authority.trusting(), authority.trusting(server_name="other")
    assert client_source(one, ()).current() is client_source(authority.trusting(), ()).current()
    assert client_source(other, ()).current() is not client_source(one, ()).current()
    assert builds == [one, other]
