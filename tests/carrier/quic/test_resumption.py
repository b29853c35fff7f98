"""Clients that come back to a QUIC server: without certificates where they may, and with them elsewhere."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventflux_runtime import ClientConfig, ServerConfig, TlsConfig
from tests.support.authority import Authority

pytest.importorskip("qh3", reason="the extra quic is not installed")

from qh3.tls import CipherSuite, SessionTicket

from eventflux_runtime.carrier.quic.tickets import MAX_TICKETS, ClientTickets, ServerTickets
from eventflux_runtime.carrier.quic.tls import client_credentials
from eventflux_runtime.carrier.quic.trunk import Trunk
from tests.carrier.quic.test_lanes import ALPN, SERVER, Hearer, Port, port, until


def has_resumed(trunk: Trunk) -> bool:
    tls = trunk._quic.tls
    return tls is not None and tls.session_resumed


async def visit(there: Port, config: ClientConfig) -> bool:
    """Makes a connection, is answered, and leaves: whether it was resumed, as both sides know it."""
    there.echoes = True
    pipe: Any = await there.connect(config)
    hearer = Hearer()
    pipe.start(hearer)
    pipe.write(b"here")
    await hearer.bytes(4)
    (trunk,) = there.listener._trunks
    sides = [has_resumed(side) for side in (pipe._owner, trunk)]
    pipe.close()
    await pipe.wait_closed()
    await until(lambda: not there.trunks)
    assert sides[0] is sides[1]
    return sides[0]


def kept(config: ClientConfig) -> ClientTickets:
    assert config.tls is not None
    return client_credentials(config.tls, ALPN).current().client_tickets


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def client(authority: Authority) -> ClientConfig:
    return ClientConfig(tls=authority.trusting())


def serving(authority: Authority) -> ServerConfig:
    return replace(SERVER, tls=TlsConfig(**authority.server().files))


async def test_who_comes_back_shakes_hands_without_certificates(authority: Authority, client: ClientConfig) -> None:
    async with port(serving(authority)) as there:
        assert [await visit(there, client) for _ in range(4)] == [False, True, True, True]
        assert len(kept(client)) == 1
        assert len(there.listener._source.current().server_tickets) == 1


async def test_so_does_who_has_a_certificate_of_its_own(authority: Authority) -> None:
    client = ClientConfig(tls=authority.trusting(**authority.client().files))
    async with port(serving(authority)) as there:
        assert [await visit(there, client) for _ in range(2)] == [False, True]


async def test_a_ticket_that_is_shown_again_leads_to_a_whole_handshake(
    authority: Authority, client: ClientConfig
) -> None:
    async with port(serving(authority)) as there:
        await visit(there, client)
        ((place, (ticket,)),) = kept(client)._kept.items()
        assert await visit(there, client)
        kept(client)._kept[place] = [ticket]
        assert not await visit(there, client)
        assert await visit(there, client)


@pytest.mark.filterwarnings("ignore:insecure_skip_verify")
async def test_a_ticket_stays_with_its_configuration(
    authority: Authority, client: ClientConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = ClientConfig(tls=Authority(tmp_path_factory.mktemp("other")).trusting())
    careless = ClientConfig(tls=TlsConfig(insecure_skip_verify=True))
    named = ClientConfig(tls=authority.trusting(server_name="localhost"))
    async with port(serving(authority)) as there:
        for config in (careless, named, client):
            assert not await visit(there, config)
        with pytest.raises(ssl.SSLCertVerificationError):
            await visit(there, stranger)
        assert await visit(there, client)


async def test_an_authority_that_is_replaced_is_not_believed_any_more(
    authority: Authority, client: ClientConfig, tmp_path: Path
) -> None:
    async with port(serving(authority)) as there:
        await visit(there, client)
        Authority(tmp_path)  # which writes its own file there
        with pytest.raises(ssl.SSLCertVerificationError):
            await visit(there, client)


async def test_a_server_with_another_certificate_shows_it(authority: Authority, client: ClientConfig) -> None:
    async with port(serving(authority)) as there:
        await visit(there, client)
        authority.issue("server", "127.0.0.1", "a-longer-name.test")
        assert [await visit(there, client) for _ in range(2)] == [False, True]
        authority.issue("server", "elsewhere.test")
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await visit(there, client)


async def test_another_server_in_the_same_place_does_not_know_the_ticket(
    authority: Authority, client: ClientConfig
) -> None:
    config = serving(authority)
    async with port(config) as there:
        await visit(there, client)
        url = there.url
    async with port(config, url) as there:
        assert [await visit(there, client) for _ in range(2)] == [False, True]


async def test_a_handshake_that_fails_leaves_no_ticket(authority: Authority, client: ClientConfig) -> None:
    async with port(serving(authority)) as there:
        await visit(there, client)
        await there.listener.aclose()
        store = kept(client)
        ((place, (ticket,)),) = store._kept.items()
        store._kept[place] = [ticket, ticket]
        with pytest.raises(OSError, match="refused"):
            await there.connect(client)
        assert not store._kept


async def test_a_certificate_is_asked_for_again_when_the_one_that_was_shown_is_over(authority: Authority) -> None:
    client = ClientConfig(tls=authority.trusting())
    until_s = int(time.time()) + 3600
    pair = authority.issue("server", "127.0.0.1", not_after=datetime.fromtimestamp(until_s, UTC))
    async with port(replace(SERVER, tls=TlsConfig(**pair.files))) as there:
        for resumed in (False, True, True):
            assert await visit(there, client) is resumed
            ((ticket,),) = kept(client)._kept.values()
            assert ticket.trusted_until == until_s


# -- what is kept, and for how long

PLACE = ("127.0.0.1", 1, "a.test")


def made(name: bytes = b"ticket", *, lifetime: timedelta = timedelta(hours=1)) -> SessionTicket:
    now = datetime.now(UTC).replace(tzinfo=None)
    return SessionTicket(
        age_add=0,
        cipher_suite=CipherSuite.AES_128_GCM_SHA256,
        not_valid_after=now + lifetime,
        not_valid_before=now - timedelta(hours=2),
        resumption_secret=b"secret",
        server_name="a.test",
        ticket=name,
        max_early_data_size=0xFFFFFFFF,
    )


def test_a_client_keeps_the_newest_tickets_of_those_it_spoke_with_last() -> None:
    store = ClientTickets()
    for index in range(200):
        for number in range(10):
            name = b"%d" % number
            store.keep(("127.0.0.1", index, ""), made(name), certified_until=time.time() + 9, resumed=None)
    assert len(store) == 64 * 4
    assert store.take(("127.0.0.1", 135, "")) is None
    names = []
    while (ticket := store.take(("127.0.0.1", 136, ""))) is not None:
        names.append(ticket.ticket.ticket)
    assert names == [b"9", b"8", b"7", b"6"]
    assert len(store._kept) == 63


def test_a_client_shows_no_ticket_that_is_over() -> None:
    store = ClientTickets()
    store.keep(PLACE, made(lifetime=timedelta(seconds=-1)), certified_until=time.time() + 9, resumed=None)
    assert store.take(PLACE) is None
    store.keep(PLACE, made(), certified_until=time.time() - 1, resumed=None)
    assert store.take(PLACE) is None
    store.keep(PLACE, made(), certified_until=None, resumed=None)
    assert store.take(PLACE) is None


def test_what_a_certificate_has_shown_is_believed_for_a_day() -> None:
    store = ClientTickets()
    store.keep(PLACE, made(), certified_until=time.time() + 1e6, resumed=None)
    first = store.take(PLACE)
    assert first is not None
    assert abs(first.trusted_until - time.time() - 86400) < 60
    store.keep(PLACE, made(), certified_until=None, resumed=replace(first, trusted_until=time.time() + 5))
    second = store.take(PLACE)
    assert second is not None
    assert second.trusted_until < time.time() + 6


def test_a_server_keeps_the_newest_tickets_once() -> None:
    store = ServerTickets()
    for index in range(MAX_TICKETS + 10):
        store.keep(made(b"%d" % index))
    assert len(store) == MAX_TICKETS
    assert store.take(b"9") is None
    ticket = store.take(b"10")
    assert ticket is not None
    assert ticket.ticket == b"10"
    assert store.take(b"10") is None
