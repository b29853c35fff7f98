"""The log of channels at DEBUG tells the story of connections, retries and ejections."""

from __future__ import annotations

import logging
import re
from contextlib import suppress

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    EjectionConfig,
    PoolConfig,
    RetryPolicy,
    RpcError,
    ServerConfig,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.probe import Probe

CLIENT = "eventflux_runtime.client"
PATIENT = ClientConfig(
    retry=RetryPolicy(max_attempts=2, initial_backoff_s=0.001, max_backoff_s=0.002),
    pool=PoolConfig(reconnect_backoff_s=0.01, max_reconnect_backoff_s=0.01),
)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the logger, without times."""
    assert {record.levelname for record in caplog.records if record.name == CLIENT} <= {"DEBUG"}
    lines = [record.getMessage() for record in caplog.records if record.name == CLIENT]
    return [re.sub(r"\d+\.\d+ s", "T s", line) for line in lines]


async def test_a_server_that_goes_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    url = memory_endpoint()
    with caplog.at_level(logging.DEBUG, CLIENT), anyio.fail_after(20):
        async with connect(url, config=PATIENT) as channel:
            client = TransportClient(channel)
            async with serve([Probe()], url, config=ServerConfig(drain_grace_s=0)):
                await client.send_message(Message())
            with pytest.raises(Unavailable):
                await client.send_message(Message())
            async with serve([Probe()], url):
                await client.send_message(Message(), wait_for_ready=True)
    lines = told(caplog)
    assert lines[0] == f"connecting to {url}, after 0 failures in a row"
    assert lines[1] == f"connected to {url}, after 0 failures in a row"
    assert lines[2] == f"{url} is going away (server is draining): 0 calls in flight, of which 0 never ran"
    assert lines[3].startswith(f"the connection to {url} ended, and 0 calls with it: ")
    failed = next(line for line in lines if "cannot be reached" in line)
    assert failed.startswith(f"{url} cannot be reached, 1 times in a row; the next attempt is due in T s: UNAVAILABLE")
    assert any(
        re.match(r"/\S+/SendMessage failed, and is tried again in T s \(attempt 2\): UNAV", line) for line in lines
    )
    again = [line for line in lines if line.startswith("connected to")][1]
    assert int(re.findall(r"after (\d+) failures", again)[0]) >= 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_address_that_is_left_out_is_named(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Probe):
        async def heartbeat(self, request: HeartbeatRequest, context: object) -> object:  # type: ignore[override]  # always raises
            raise Unavailable("overloaded")

    good, bad = memory_endpoint(), memory_endpoint()
    config = ClientConfig(balancer="round_robin", ejection=EjectionConfig(consecutive_failures=2))
    with caplog.at_level(logging.DEBUG, CLIENT), anyio.fail_after(20):
        async with serve([Probe()], good), serve([Failing()], bad), connect([good, bad], config=config) as channel:
            for _ in range(20):
                with suppress(RpcError):
                    await TransportClient(channel).heartbeat(HeartbeatRequest())
    line = next(line for line in told(caplog) if line.startswith("left out"))
    assert line == f"left out {bad} for T s, because its calls fail: UNAVAILABLE: overloaded"
