"""Host names: looked up when there are calls, again on a timer and after failures, and never more often than that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime.client.pool.resolver import Resolver
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.endpoint import parse_target
from tests.support.jumping import anyio_backend
from tests.support.name_server import Directory

__all__ = ["anyio_backend"]


@asynccontextmanager
async def resolving(target: str, directory: Directory, refresh_s: float = 30.0) -> AsyncIterator[Resolver]:
    async with open_reactor() as reactor:
        resolver = Resolver(parse_target(target), refresh_s, reactor, lambda: None, directory.lookup)
        try:
            yield resolver
        finally:
            resolver.rest()


def urls(resolver: Resolver) -> list[str]:
    return [str(address) for address in resolver.addresses]


@pytest.mark.parametrize(
    "target", ["tcp://127.0.0.1:1", "grpc://[::1]:1", "unix:///a", "memory://a", "grpc+dns:///name:1"]
)
async def test_what_is_no_name_is_not_looked_up(target: str) -> None:
    directory = Directory()
    async with resolving(target, directory) as resolver:
        resolver.want()
        await anyio.sleep(100)
        assert list(resolver.addresses) == list(parse_target(target))
        assert not resolver.is_resolving
    assert directory.asked == []


@pytest.mark.parametrize("scheme", ["tcp", "tcps", "grpc", "grpcs"])
async def test_a_name_stands_for_all_its_addresses(scheme: str) -> None:
    directory = Directory(node=("10.0.0.1", "10.0.0.2", "::1"), other=("10.0.0.2",))
    async with resolving(f"{scheme}://node:7,10.0.0.9:7,other:8", directory) as resolver:
        assert urls(resolver) == [f"{scheme}://10.0.0.9:7"]
        resolver.want()
        assert resolver.is_resolving
        await anyio.sleep(0.1)
        assert urls(resolver) == [
            f"{scheme}://{address}" for address in ("10.0.0.1:7", "10.0.0.2:7", "[::1]:7", "10.0.0.9:7", "10.0.0.2:8")
        ]
        assert [address.name for address in resolver.addresses] == ["node"] * 3 + ["", "other"]
        names = ["node"] * 3 + ["10.0.0.9", "other"]
        assert [address.certificate_name for address in resolver.addresses] == names
        assert [address.authority for address in resolver.addresses] == [f"{name}:7" for name in names[:4]] + [
            "other:8"
        ]


async def test_looked_up_again_on_a_jittered_timer_while_wanted() -> None:
    directory = Directory(node=("10.0.0.1",))
    async with resolving("tcp://node:7", directory) as resolver:
        resolver.want()
        await anyio.sleep(1000)
        resolver.rest()
        await anyio.sleep(1000)
        count = len(directory.asked)
        assert 1000 / 36 <= count <= 1 + 1000 / 24
        steps = [later - earlier for earlier, later in zip(directory.asked, directory.asked[1:], strict=False)]
        assert all(23.9 <= step <= 36.1 for step in steps)
        assert len({round(step, 3) for step in steps}) > 5
        directory.hosts["node"] = ("10.0.0.2",)
        resolver.want()
        await anyio.sleep(1)
        assert len(directory.asked) == count + 1
        assert urls(resolver) == ["tcp://10.0.0.2:7"]


async def test_a_failure_brings_the_next_lookup_forward_but_not_each_failure() -> None:
    directory = Directory(node=("10.0.0.1",))
    async with resolving("tcp://node:7", directory) as resolver:
        resolver.want()
        await anyio.sleep(0.5)
        for _ in range(5):
            resolver.refresh_soon()
        await anyio.sleep(0.4)
        assert len(directory.asked) == 1
        await anyio.sleep(0.2)
        assert len(directory.asked) == 2
        await anyio.sleep(10)
        resolver.refresh_soon()
        await anyio.sleep(0.1)
        assert len(directory.asked) == 3


async def test_an_unknown_name_is_an_error_until_it_is_known() -> None:
    directory = Directory()
    async with resolving("tcp://nod:7", directory) as resolver:
        resolver.want()
        await anyio.sleep(0.1)
        errors = [resolver.error]
        assert "tcp://nod:7: the host name is not known" in str(errors[0])
        await anyio.sleep(200)
        assert 5 <= len(directory.asked) <= 20, "with backoff"
        directory.hosts["nod"] = ("10.0.0.1",)
        await anyio.sleep(40)
        errors.append(resolver.error)
        assert errors[1] is None
        assert urls(resolver) == ["tcp://10.0.0.1:7"]


async def test_a_name_server_that_fails_takes_no_address_away() -> None:
    directory = Directory(node=("10.0.0.1",))
    async with resolving("tcp://node:7", directory) as resolver:
        resolver.want()
        await anyio.sleep(1)
        directory.hosts.clear()
        await anyio.sleep(200)
        assert urls(resolver) == ["tcp://10.0.0.1:7"]
        assert resolver.error is None
