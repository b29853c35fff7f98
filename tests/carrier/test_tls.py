"""TLS on both wires: what it lets through, whom it names, and that each way of failing says which it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from eventflux_runtime import ClientConfig, ConfigError, ServerConfig, TlsConfig, Unavailable, connect, serve
from eventflux_runtime.rpc.peer import PeerIdentity
from eventflux_transport import Message, TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe
from tests.support.wires import why_missing

WIRES = ("tcp", "grpc", "grpcio")
UDP = "quic"
"""Is always encrypted, and takes no certificates of clients."""
NEEDS_UDP = pytest.mark.skipif(bool(why_missing(UDP)), reason=why_missing(UDP) or "it is there")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def scheme(wire: str, suffix: str = "s") -> str:
    return wire if wire == UDP else f"{wire}{suffix}"


@asynccontextmanager
async def secured(
    wire: str, server_tls: TlsConfig | None, client_tls: TlsConfig | None, schemes: tuple[str, str] = ("s", "s")
) -> AsyncIterator[tuple[TransportClient, Probe]]:
    """A server and a client of it; `schemes` are what each appends to the wire's name."""
    service = Probe()
    with anyio.fail_after(10):
        server_config = ServerConfig(tls=server_tls, drain_grace_s=0)
        async with serve([service], f"{scheme(wire, schemes[0])}://127.0.0.1:0", config=server_config) as server:
            port = server.endpoints[0].rpartition(":")[2]
            async with connect(
                f"{scheme(wire, schemes[1])}://127.0.0.1:{port}", config=ClientConfig(tls=client_tls)
            ) as channel:
                yield TransportClient(channel), service


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_a_call_over_tls(wire: str, authority: Authority) -> None:
    payload = bytes(range(256)) * 2000
    async with secured(wire, TlsConfig(**authority.server().files), authority.trusting()) as (client, service):
        assert (await client.send_message(Message(payload=payload))).payload == payload
        peer = service.contexts[0].peer
        assert peer.address.startswith(f"{scheme(wire)}://127.0.0.1:")
        assert peer.identity is None
        async with client.stream_messages() as stream:
            for index in range(50):
                await stream.send(Message(id=str(index)))
                assert (await stream.receive()).id == str(index)


@pytest.mark.parametrize("wire", WIRES)
async def test_the_clients_identity(wire: str, authority: Authority) -> None:
    client_tls = authority.trusting(**authority.issue("node-7", "node-7.test", "alias.test").files)
    async with secured(wire, authority.mutual(), client_tls) as (client, service):
        await client.send_message(Message())
        assert service.contexts[0].peer.identity == PeerIdentity("node-7", ("node-7.test", "alias.test"))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_client_certificate_that_is_not_required(wire: str, authority: Authority) -> None:
    server_tls = authority.trusting(**authority.server().files)
    async with secured(wire, server_tls, authority.trusting()) as (client, service):
        await client.send_message(Message())
        assert service.contexts[0].peer.identity is None


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_the_name_in_the_certificate_may_be_another(wire: str, authority: Authority) -> None:
    server_tls = TlsConfig(**authority.issue("inner", "inner.example").files)
    async with secured(wire, server_tls, authority.trusting(server_name="inner.example")) as (client, _):
        assert (await client.send_message(Message(id="a"))).id == "a"


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_a_certificate_with_its_intermediate(wire: str, authority: Authority) -> None:
    pair = authority.issue("leaf", "127.0.0.1", ca=authority.ca.create_child_ca())
    async with secured(wire, TlsConfig(**pair.files), authority.trusting()) as (client, _):
        assert (await client.send_message(Message(id="a"))).id == "a"


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_skipping_verification_works_and_warns(wire: str, authority: Authority) -> None:
    pair = authority.issue("stranger", "elsewhere.example", ca=trustme.CA())
    async with secured(wire, TlsConfig(**pair.files), TlsConfig(insecure_skip_verify=True)) as (client, _):
        with pytest.warns(RuntimeWarning, match="accepts any certificate"):
            assert (await client.send_message(Message(id="a"))).id == "a"


# -- the matrix


@dataclass(frozen=True)
class Fault:
    """One way to fail: each side's configuration, and what the error has to say."""

    name: str
    server_tls: Callable[[Authority], TlsConfig | None]
    client_tls: Callable[[Authority], TlsConfig | None]
    says: str
    schemes: tuple[str, str] = ("s", "s")


def _good_server(authority: Authority) -> TlsConfig:
    return TlsConfig(**authority.server().files)


FAULTS = [
    Fault(
        "expired",
        lambda authority: TlsConfig(**authority.expired("expired", "127.0.0.1").files),
        Authority.trusting,
        "the server's certificate has expired",
    ),
    Fault(
        "wrong-host",
        lambda authority: TlsConfig(**authority.issue("other", "other.example").files),
        Authority.trusting,
        r"the server's certificate is for another (host|name)",
    ),
    Fault(
        "wrong-name",
        _good_server,
        lambda authority: authority.trusting(server_name="other.example"),
        r"the server's certificate is for another (host|name)",
    ),
    Fault(
        "unknown-authority",
        lambda authority: TlsConfig(**authority.issue("foreign", "127.0.0.1", ca=trustme.CA()).files),
        Authority.trusting,
        r"the server's certificate .*(unknown|known) authority",
    ),
    Fault(
        "unknown-to-the-system",
        _good_server,
        lambda _: None,
        r"the server's certificate .*(unknown|known) authority",
    ),
    Fault(
        "missing-intermediate",
        lambda authority: TlsConfig(
            **authority.issue("leaf", "127.0.0.1", ca=authority.ca.create_child_ca(), has_chain=False).files
        ),
        Authority.trusting,
        "the server's certificate .*intermediate certificate is missing",
    ),
    Fault("no-client-certificate", Authority.mutual, Authority.trusting, r"requires a (client )?certificate"),
    Fault(
        "foreign-client-certificate",
        Authority.mutual,
        lambda authority: authority.trusting(**authority.issue("spy", "client.test", ca=trustme.CA()).files),
        "our certificate .*authority that the server does not know",
    ),
    Fault(
        "expired-client-certificate",
        Authority.mutual,
        lambda authority: authority.trusting(**authority.expired("late", "client.test").files),
        "our (own )?certificate has expired",
    ),
    Fault("plaintext-to-a-tls-port", _good_server, lambda _: None, r"TLS.*use (a )?(tcp|grpc)s://", ("s", "")),
    Fault("tls-to-a-plaintext-port", lambda _: None, Authority.trusting, r"TLS.*(tcp|grpc)://", ("", "s")),
]


def _can_be(fault: Fault, wire: str) -> bool:
    return wire != UDP or (fault.schemes == ("s", "s") and "client-certificate" not in fault.name)


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        pytest.param(wire, fault, id=f"{wire}-{fault.name}")
        for fault in FAULTS
        for wire in (*WIRES, UDP)
        if _can_be(fault, wire)
    ],
)
async def test_each_fault_says_which_it_was(fault: Fault, wire: str, authority: Authority) -> None:
    server_tls, client_tls = fault.server_tls(authority), fault.client_tls(authority)
    with anyio.fail_after(5):  # well before any timeout of ours
        async with secured(wire, server_tls, client_tls, fault.schemes) as (client, service):
            with pytest.raises(Unavailable, match=fault.says) as caught:
                await client.send_message(Message())
            assert service.seen == []
    assert caught.value.unprocessed


@pytest.mark.parametrize("wire", WIRES)
async def test_a_failed_handshake_harms_nobody_else(wire: str, authority: Authority) -> None:
    server_tls = authority.mutual()
    config = ServerConfig(tls=server_tls, drain_grace_s=0)
    good = ClientConfig(tls=authority.trusting(**authority.client().files))
    with anyio.fail_after(10):
        async with (
            serve([Probe()], f"{scheme(wire)}://127.0.0.1:0", config=config) as server,
            connect(server.endpoints[0], config=good) as channel,
        ):
            client = TransportClient(channel)
            await client.send_message(Message())
            async with connect(server.endpoints[0], config=ClientConfig(tls=authority.trusting())) as refused:
                with pytest.raises(Unavailable):
                    await TransportClient(refused).send_message(Message())
            assert (await client.send_message(Message(id="still"))).id == "still"


# -- configuration


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_a_server_needs_a_certificate(wire: str) -> None:
    with pytest.raises(ConfigError, match="needs ServerConfig\\(tls="):
        async with serve([Probe()], f"{scheme(wire)}://127.0.0.1:0"):
            pytest.fail("it serves")


@pytest.mark.parametrize("wire", [*WIRES, UDP])
async def test_files_that_do_not_fit_together(wire: str, authority: Authority) -> None:
    one, other = authority.server(), authority.client()
    tls = TlsConfig(cert_file=one.cert_file, key_file=other.key_file)
    with pytest.raises(ConfigError, match="cannot be used"):
        async with serve([Probe()], f"{scheme(wire)}://127.0.0.1:0", config=ServerConfig(tls=tls)):
            pytest.fail("it serves")


def _encrypt(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


async def test_an_encrypted_key_is_refused_rather_than_asked_for(authority: Authority) -> None:
    pair = authority.server()
    _encrypt(Path(pair.key_file))
    with pytest.raises(ConfigError, match="key_file is encrypted"):
        async with serve([Probe()], "tcps://127.0.0.1:0", config=ServerConfig(tls=TlsConfig(**pair.files))):
            pytest.fail("it serves")


@NEEDS_UDP
@pytest.mark.parametrize("requires", [True, False])
async def test_quic_asks_for_no_client_certificates(requires: bool, authority: Authority) -> None:
    tls = authority.trusting(require_client_cert=requires, **authority.server().files)
    with pytest.raises(ConfigError, match="quic:// server cannot ask for client certificates.*token.*tcps://"):
        async with serve([Probe()], "quic://127.0.0.1:0", config=ServerConfig(tls=tls)):
            pytest.fail("it serves")


@NEEDS_UDP
async def test_certificates_of_another_authority_are_nobody_elses(authority: Authority, tmp_path: Path) -> None:
    # Connections share a QUIC connection; never with who trusts somebody else.
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    with anyio.fail_after(10):
        config = ServerConfig(tls=_good_server(authority), drain_grace_s=0)
        async with serve([Probe()], "quic://127.0.0.1:0", config=config) as server:
            trusting = connect(server.endpoints[0], config=ClientConfig(tls=authority.trusting()))
            distrusting = connect(server.endpoints[0], config=ClientConfig(tls=stranger.trusting()))
            async with trusting, distrusting:
                await TransportClient(trusting).send_message(Message())
                with pytest.raises(Unavailable, match="unknown authority"):
                    await TransportClient(distrusting).send_message(Message())
                await TransportClient(trusting).send_message(Message())
