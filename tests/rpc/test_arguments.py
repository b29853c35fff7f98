"""What `connect`, `serve` and a monitor are given: one clear ConfigError for each mistake, before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    Context,
    HealthClient,
    ServerConfig,
    ServingStatus,
    TlsConfig,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import HeartbeatMonitor, MonitorConfig
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, serve

URL = "tcp://127.0.0.1:1"
TLS = TlsConfig(insecure_skip_verify=True)


async def around(context: Context, proceed: Callable[[], Any]) -> None:
    await proceed()


def sync_around(context: Any, proceed: Any) -> None: ...


async def around_less(proceed: Callable[[], Any]) -> None: ...


class Around:
    """An interceptor that is an object."""

    async def __call__(self, context: Context, proceed: Callable[[], Any]) -> None:
        await proceed()


SERVE: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (Probe(), (URL,), {}, r"services is a list and comes first: write serve\(\[service\], url\)"),
    (URL, ([Probe()],), {}, "services is a list and comes first"),
    (None, (URL,), {}, "services is a list and comes first"),
    ([Probe], (URL,), {}, r"services\[0\] must be a service, not the class Probe: make an instance, Probe\(...\)"),
    ([Probe(), object()], (URL,), {}, r"services\[1\] must be a service, not <object"),
    ([None], (URL,), {}, r"services\[0\] must be a service, not None"),
    ([], (URL,), {"config": ServerConfig(health=False)}, "nothing to serve"),
    ([Probe()], (), {}, "no endpoint given"),
    ([Probe()], (5,), {}, "an address is a URL"),
    ([Probe()], ([URL],), {}, "an address is a URL"),
    ([Probe()], (URL,), {"config": ClientConfig()}, "config must be a eventflux_runtime.ServerConfig"),
    ([Probe()], (URL,), {"config": ServerConfig}, "not the class ServerConfig: make an instance"),
    ([Probe()], (URL,), {"config": {}}, "config must be a eventflux_runtime.ServerConfig, not {}"),
    ([Probe()], (URL,), {"interceptors": around}, "interceptors is a list"),
    ([Probe()], (URL,), {"interceptors": 5}, "interceptors is a list"),
    ([Probe()], (URL,), {"interceptors": [None]}, r"interceptors\[0\] is not callable"),
    ([Probe()], (URL,), {"interceptors": [Around]}, r"interceptors\[0\] is the class Around: pass an instance"),
    ([Probe()], (URL,), {"interceptors": [around, sync_around]}, r"interceptors\[1\] is a plain 'def'"),
    ([Probe()], (URL,), {"interceptors": [around_less]}, r"is called with \(context, proceed\)"),
    ([Probe()], (URL, "unix:///tmp/a"), {"config": ServerConfig(tls=TLS)}, "tcp:// and unix:// is not encrypted"),
]


@pytest.mark.parametrize(("services", "urls", "options", "words"), SERVE)
async def test_serve_refuses(services: Any, urls: Any, options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        async with serve(services, *urls, **options):
            pytest.fail("served")


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        (5, {}, "a target is a URL such as"),
        (None, {}, "a target is a URL such as"),
        (b"tcp://127.0.0.1:1", {}, "a target is a URL such as"),
        ([], {}, "no address given"),
        ([5], {}, "an address is a URL"),
        (URL, {"config": TLS}, "config must be a eventflux_runtime.ClientConfig, not eventflux_runtime.TlsConfig"),
        (URL, {"interceptors": [around]}, r"interceptors\[0\] takes .* is called with \(method, head, proceed\)"),
        (URL, {"interceptors": AsyncMock()}, "interceptors is a list"),
    ],
)
def test_connect_refuses(target: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        connect(target, **options)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (URL, "tls is set, and tcp:// is not encrypted: write tcps://, or leave tls out"),
        ("grpc://127.0.0.1:1", "write grpcs://"),
        ("grpc+dns:///localhost:1", r"write grpcs\+dns://"),
        ("grpc+xds:///localhost:1", r"write grpcs\+xds://"),
        ("unix:///tmp/a", "there is no TLS on unix://: write tcps:// or grpcs://"),
        (memory_endpoint(), "there is no TLS on memory://"),
    ],
)
async def test_certificates_for_a_wire_without_tls_are_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        connect(url, config=ClientConfig(tls=TLS))
    with pytest.raises(ConfigError, match=words):
        async with serve([Probe()], url, config=ServerConfig(tls=TLS)):
            pytest.fail("served")


def test_certificates_are_for_those_that_have_tls() -> None:
    connect("tcps://127.0.0.1:1", config=ClientConfig(tls=TLS))
    connect("grpcs+dns:///localhost:1", config=ClientConfig(tls=TLS))
    HeartbeatMonitor([URL, "tcps://127.0.0.1:1"], client=ClientConfig(tls=TLS))
    HeartbeatMonitor(client=ClientConfig(tls=TLS))


@pytest.mark.parametrize(
    ("nodes", "options", "words"),
    [
        (URL, {}, "nodes is a list of URLs"),
        (5, {}, "nodes is a list of URLs"),
        ([5], {}, "a target is a URL"),
        ([URL], {"client": ClientConfig(tls=TLS)}, "tcp:// is not encrypted"),
        ([URL], {"client": MonitorConfig()}, "client must be a eventflux_runtime.ClientConfig"),
        ([URL], {"config": ClientConfig()}, "config must be a .*MonitorConfig"),
    ],
)
def test_a_monitor_refuses(nodes: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HeartbeatMonitor(nodes, **options)


@pytest.mark.parametrize("grace_s", ["5", True, -1, float("nan"), [5]])
async def test_a_drain_refuses_what_is_no_time_and_does_not_begin(grace_s: Any) -> None:
    async with serve([Probe()], memory_endpoint()) as server, connect(server.endpoints[0]) as channel:
        with pytest.raises(ConfigError, match=r"grace_s must be (a number, )?at least 0, not "):
            await server.drain(grace_s)
        assert await HealthClient(channel).check(timeout_s=5) is ServingStatus.SERVING


@pytest.mark.parametrize("grace_s", [0, 0.5, 1e300, float("inf"), None])
async def test_a_drain_takes_any_time(grace_s: float | None) -> None:
    async with serve([Probe()], memory_endpoint()) as server:
        assert await server.drain(grace_s)


@pytest.mark.parametrize("wire", WIRES)
async def test_no_services_are_the_health_service_alone(wire: str, tmp_path: Path) -> None:
    async with serve([], address(wire, tmp_path)) as server, connect(server.endpoints[0]) as channel:
        assert await HealthClient(channel).check(timeout_s=5) is ServingStatus.SERVING


async def test_interceptors_and_services_may_be_any_iterable() -> None:
    interceptors = (each for each in (Around(), around, functools.partial(around)))
    services = (each for each in (Probe(),))
    serving: Any = serve
    async with (
        serving(services, memory_endpoint(), interceptors=interceptors) as server,
        connect(server.endpoints[0]) as channel,
    ):
        assert await HealthClient(channel).check(timeout_s=5) is ServingStatus.SERVING
