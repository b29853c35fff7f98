"""The log of a server tells its life, and at DEBUG that of its connections."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import ServerConfig, Unavailable, Unknown, connect, serve
from eventflux_runtime.testing import AutojumpEventLoop, memory_endpoint
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe

SERVER = "eventflux_runtime.server"


def told(caplog: pytest.LogCaptureFixture, name: str = SERVER) -> list[tuple[str, str]]:
    """The level and the text of each line of one logger."""
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == name]


async def test_the_life_of_a_server(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    service, path = Probe(), tmp_path / "a.sock"
    with caplog.at_level(logging.INFO, SERVER), anyio.fail_after(20):
        server = await serve(
            [service], "tcp://127.0.0.1:0", f"unix://{path}", config=ServerConfig(drain_grace_s=0.05)
        ).open()
        tcp, unix = server.endpoints
        async with connect(tcp) as channel, anyio.create_task_group() as tasks:
            client = TransportClient(channel)

            async def call() -> None:
                with pytest.raises(Unavailable):
                    await client.send_message(Message(headers={"do": "linger"}))

            tasks.start_soon(call)
            await service.started.wait()
            await server.aclose()
    assert told(caplog) == [
        ("INFO", f"listening on {tcp}"),
        ("INFO", f"listening on {unix}"),
        ("INFO", f"draining {tcp}, {unix}: 1 calls in flight"),
        ("INFO", "a drain of 0.05 s is over with 1 calls in flight"),
        ("INFO", f"stopped {tcp}, {unix}"),
    ]


@pytest.mark.parametrize("scheme", ["tcp", "grpc"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_connections_come_and_go_at_debug(caplog: pytest.LogCaptureFixture, scheme: str) -> None:
    with caplog.at_level(logging.DEBUG, SERVER), anyio.fail_after(20):
        async with serve([Probe()], f"{scheme}://127.0.0.1:0") as server:
            async with connect(server.endpoints[0]) as channel:
                await TransportClient(channel).send_message(Message())
            stranger = await anyio.connect_tcp("127.0.0.1", int(server.endpoints[0].rpartition(":")[2]))
            await stranger.send(b"\x16\x03\x01 what is no protocol of ours" * 4)
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                while True:
                    await stranger.receive()
            await stranger.aclose()
    lines = [text for level, text in told(caplog) if level == "DEBUG"]
    begun = [match[1] for text in lines if (match := re.match(r"a connection from (\S+) on ", text))]
    ends = (re.match(r"the connection from (\S+) ended: (.*)", text) for text in lines)
    ended = {match[1]: match[2] for match in ends if match is not None}
    assert len(begun) == 2
    assert set(begun) == set(ended)
    assert ended[begun[0]] != ended[begun[1]], "why it ended differs"
    assert "Error" in ended[begun[1]]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_handler_that_fails_often_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    url = memory_endpoint()
    with caplog.at_level(logging.ERROR, SERVER), anyio.fail_after(20):
        async with serve([Probe()], url), connect(url) as channel:
            client = TransportClient(channel)
            for _ in range(50):
                with pytest.raises(Unknown):
                    await client.send_message(Message(headers={"do": "crash"}))
            with pytest.raises(Unknown):  # another failure of the same method
                await client.send_message(Message(headers={"do": "fail"}))
    failed = [record for record in caplog.records if "SendMessage failed" in record.getMessage()]
    kinds = [record.exc_info[0].__name__ for record in failed if record.exc_info and record.exc_info[0]]
    assert 10 <= kinds.count("ZeroDivisionError") <= 12
    assert kinds.count("KeyError") == 1


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"loop_factory": AutojumpEventLoop})], ids=["asyncio"])
async def test_many_connections_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    url = memory_endpoint()
    with caplog.at_level(logging.DEBUG, SERVER), anyio.fail_after(20):
        async with serve([Probe()], url):
            for _ in range(300):
                async with connect(url) as channel:
                    await TransportClient(channel).send_message(Message())
    assert 200 <= len([text for _, text in told(caplog) if text.startswith("a connection from")]) < 290
