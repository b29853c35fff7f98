"""A line for each call: what it says, at which level, and how many there are."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    CallEnd,
    CancelCause,
    ClientAccessLog,
    ConfigError,
    NotFound,
    RpcError,
    ServerAccessLog,
    ServerConfig,
    Status,
    StatusCode,
    Unavailable,
    Unknown,
    connect,
    serve,
)
from eventflux_runtime.access_log.line import LINES_PER_S, usual_level
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.probe import Probe

NAME = "eventflux_runtime.access"
SEND = "/eventflux.transport.Transport/SendMessage"


@asynccontextmanager
async def logged(
    client_log: ClientAccessLog | None = None, server_log: ServerAccessLog | None = None
) -> AsyncIterator[tuple[TransportClient, Probe]]:
    service, url = Probe(), memory_endpoint()
    client_logs = [client_log] if client_log is not None else []
    server_logs = [server_log] if server_log is not None else []
    with anyio.fail_after(20):
        async with (
            serve([service], url, config=ServerConfig(drain_grace_s=0), interceptors=server_logs),
            connect(url, interceptors=client_logs) as channel,
        ):
            yield TransportClient(channel), service


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record has beyond what every record has."""
    usual = vars(logging.makeLogRecord({}))
    return {name: value for name, value in vars(record).items() if name not in usual and name != "message"}


async def test_a_line_says_who_called_what_and_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, NAME):
        async with logged(ClientAccessLog(), ServerAccessLog()) as (client, _):
            await client.send_message(Message(id="a"))
            async with client.stream_events(EventRequest(batch_size=3)) as events:
                assert len([event async for event in events]) == 3
            with pytest.raises(NotFound):
                await client.send_message(Message(headers={"do": "fail", "code": "NOT_FOUND"}))
            with pytest.raises(Unknown):
                await client.send_message(Message(headers={"do": "crash"}))
    records = [record for record in caplog.records if record.name == NAME]
    servers = [record for record in records if fields(record)["side"] == "server"]
    clients = [record for record in records if fields(record)["side"] == "client"]
    assert len(servers) == len(clients) == 4
    for side in (servers, clients):
        assert [record.levelno for record in side] == [logging.INFO] * 3 + [logging.ERROR]
        assert [fields(record)["code"] for record in side] == ["OK", "OK", "NOT_FOUND", "UNKNOWN"]
        assert fields(side[0])["method"] == SEND
    stream = fields(servers[1])
    assert (stream["received_messages"], stream["sent_messages"]) == (1, 3)
    assert 0 < stream["duration_s"] < 20
    assert stream["peer"].startswith("memory://")
    assert fields(clients[1])["attempts"] == 1
    assert fields(clients[1])["sent_bytes"] == stream["received_bytes"]
    text = servers[2].getMessage()
    line = rf"{stream['peer']} {SEND} NOT_FOUND \d+\.\d\d\d ms, received 1 \(\d+ B\), sent 0 \(0 B\): as asked"
    assert re.fullmatch(line, text)


async def test_a_line_says_what_cut_a_call_short(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, NAME):
        async with logged(ClientAccessLog()) as (client, service), anyio.create_task_group() as tasks:
            tasks.start_soon(client.send_message, Message(headers={"do": "linger"}))
            await service.started.wait()
            tasks.cancel_scope.cancel()
        async with connect(memory_endpoint(), interceptors=[ClientAccessLog()]) as channel:
            with pytest.raises(Unavailable):
                await TransportClient(channel).send_message(Message())
    cancelled, unreachable = [record for record in caplog.records if record.name == NAME]
    assert fields(cancelled)["cancel_cause"] == CancelCause.CALLER.value
    assert "cut short: caller" in cancelled.getMessage()
    assert unreachable.getMessage().startswith(f"- {SEND} UNAVAILABLE")
    assert ", 0 attempts: " in unreachable.getMessage()
    assert unreachable.levelno == logging.WARNING


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_lines_beyond_the_rate_are_counted_and_the_next_one_says_so(caplog: pytest.LogCaptureFixture) -> None:
    time = 0.0
    log = ServerAccessLog(max_lines_per_s=2, now=lambda: time)
    with caplog.at_level(logging.INFO, NAME):
        async with logged(server_log=log) as (client, _):
            for _ in range(10):
                await client.send_message(Message())
            with pytest.raises(Unknown):
                await client.send_message(Message(headers={"do": "crash"}))
            time = 0.5
            await client.send_message(Message())
            await client.send_message(Message())
    lines = [record for record in caplog.records if record.name == NAME]
    assert [record.levelno for record in lines] == [logging.INFO, logging.INFO, logging.ERROR, logging.INFO]
    assert [getattr(record, "left_out", 0) for record in lines] == [0, 0, 0, 8]
    assert lines[3].getMessage().endswith("(8 lines before this one were left out)")
    assert log.left_out == 9


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_a_bound_every_call_has_its_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mine"):
        async with logged(server_log=ServerAccessLog(logger="mine", max_lines_per_s=None)) as (client, _):
            for _ in range(int(LINES_PER_S) + 50):
                await client.send_message(Message())
    assert len([record for record in caplog.records if record.name == "mine"]) == int(LINES_PER_S) + 50


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_levels_and_methods_are_the_programs_choice(caplog: pytest.LogCaptureFixture) -> None:
    log = ServerAccessLog(level_of=lambda end: logging.DEBUG, only=lambda method: method.name == "StreamEvents")
    with caplog.at_level(logging.DEBUG, NAME):
        async with logged(server_log=log) as (client, _):
            await client.send_message(Message())
            async with client.stream_events(EventRequest(batch_size=1)) as events:
                assert len([event async for event in events]) == 1
    (record,) = [record for record in caplog.records if record.name == NAME]
    assert (record.levelno, fields(record)["method"].rpartition("/")[2]) == (logging.DEBUG, "StreamEvents")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_a_peer_says_cannot_break_the_line(caplog: pytest.LogCaptureFixture) -> None:
    class Rude(Probe):
        async def send_message(self, request: Message, context: Any) -> Message:
            raise NotFound("gone\n2026 INFO all is well %s")

    url = memory_endpoint()
    with caplog.at_level(logging.INFO, NAME), anyio.fail_after(20):
        async with serve([Rude()], url), connect(url, interceptors=[ClientAccessLog()]) as channel:
            with pytest.raises(RpcError):
                await TransportClient(channel).send_message(Message())
    (record,) = [record for record in caplog.records if record.name == NAME]
    assert record.getMessage().endswith(r"gone\n2026 INFO all is well %s")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ServerAccessLog(max_lines_per_s=0), "max_lines_per_s must be above 0 and at most [0-9]+, not 0"),
        (lambda: ClientAccessLog(max_lines_per_s=True), "max_lines_per_s must be a number"),
        (lambda: ClientAccessLog(logger=7), "logger must be a logging.Logger or its name, not 7"),  # type: ignore[arg-type]  # is refused
        (lambda: ClientAccessLog(only="SendMessage"), "only must be a function, not 'SendMessage'"),  # type: ignore[arg-type]  # is refused
    ],
)
def test_a_wrong_option_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_level_says_whose_fault_it_was() -> None:
    def level(code: StatusCode) -> int:
        return usual_level(CallEnd(status=Status(code), duration_s=1))

    assert level(StatusCode.OK) == level(StatusCode.INVALID_ARGUMENT) == level(StatusCode.CANCELLED) == logging.INFO
    assert level(StatusCode.UNAVAILABLE) == level(StatusCode.DEADLINE_EXCEEDED) == logging.WARNING
    assert level(StatusCode.INTERNAL) == level(StatusCode.UNKNOWN) == logging.ERROR
