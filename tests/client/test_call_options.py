"""What one call is told: a wrong value is a ConfigError of that call alone, a timeout without end is no deadline."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    DeadlineExceeded,
    ResponseInfo,
)
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.protocol.native.core import Connection
from eventflux_runtime.protocol.native.driver.client import NativeClientConnection
from eventflux_runtime.rpc.call_head import CallHead
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.wire.registry import wire_of
from eventflux_transport import CompressionType, EventRequest, Message, TransportClient, methods
from tests.support.wires import WIRES, connect, linked

WRONG: Final[list[tuple[dict[str, Any], str]]] = [
    ({"timeout_s": "3"}, "timeout_s must be a number of seconds, 0 or more, or None, not '3'"),
    ({"timeout_s": math.nan}, "timeout_s must be a number of seconds, 0 or more, or None, not nan"),
    ({"timeout_s": -1}, "timeout_s must be a number of seconds, 0 or more, or None, not -1"),
    ({"timeout_s": -math.inf}, "timeout_s must be a number"),
    ({"timeout_s": True}, "timeout_s must be a number"),
    ({"timeout_s": Decimal(3)}, "timeout_s must be a number"),
    ({"timeout_s": timedelta(seconds=3)}, "timeout_s must be a number"),
    ({"compression": "gzip"}, "compression must be one of Compression.NONE, .*, not 'gzip'"),
    ({"compression": CompressionType.ZSTD}, "compression must be one of"),
    ({"compression": 0}, "compression must be one of"),
    ({"metadata": 5}, "metadata must be a mapping, or pairs of key and value, not int"),
    ({"metadata": "trace-id"}, "metadata must be a mapping"),
    ({"metadata": {"a": 5}}, "metadata key 'a' takes text, not int"),
    ({"metadata": {5: "a"}}, "metadata key 5 must be text, not int"),
    ({"metadata": ["ab"]}, "metadata must be pairs of key and value, not 'ab'"),
    ({"metadata": [("a",)]}, "metadata must be pairs"),
    ({"metadata": [5]}, "metadata must be pairs"),
    ({"wait_for_ready": "yes"}, "wait_for_ready must be True or False, not 'yes'"),
    ({"wait_for_ready": 0}, "wait_for_ready must be True or False, not 0"),
    ({"inherit": None}, "inherit must be True or False, not None"),
    ({"inherit": 1}, "inherit must be True or False, not 1"),
    ({"response": {}}, "response must be a ResponseInfo, not {}"),
]
ENCODE: Final = methods.TRANSPORT_SEND_MESSAGE.request.encode
ENDLESS: Final = [math.inf, 1e9, 1e10, 1e14, 1e300, sys.maxsize, 10**400]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_wrong_option_is_an_error_of_its_call_alone(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link, anyio.create_task_group() as tasks:
        client: Any = link.client
        done = anyio.Event()

        async def long_call() -> None:
            await link.client.send_message(Message(headers={"do": "linger"}))
            done.set()

        tasks.start_soon(long_call)
        await link.service.started.wait()
        for options, words in WRONG:
            with pytest.raises(ConfigError, match=words):
                await client.send_message(Message(), **options)
            with pytest.raises(ConfigError, match=words):
                client.stream_events(EventRequest(), **options)
            with pytest.raises(ConfigError, match=words):
                client.stream_messages(**options)
        link.service.release.set()
        await done.wait()
        assert await client.send_message(Message(id="a"), timeout_s=5) == Message(id="a")


async def test_an_option_that_there_is_not_is_named(tmp_path: Path) -> None:
    async with linked("memory", tmp_path) as link:
        client: Any = link.client
        with pytest.raises(TypeError, match="a call has no option 'timeout'"):
            client.stream_events(EventRequest(), timeout=5)
        with pytest.raises(TypeError, match="timeout"):
            await client.send_message(Message(), timeout=5)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_timeout_without_end_is_no_deadline(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        for timeout_s in ENDLESS:
            await link.client.send_message(Message(), timeout_s=timeout_s)
            async with link.client.stream_messages(timeout_s=timeout_s) as stream:
                await stream.send(Message(id="a"))
                assert (await stream.receive()).id == "a"
        assert link.service.remaining_s == [None] * len(ENDLESS)
        assert all(context.deadline is None for context in link.service.contexts)
        await link.client.send_message(Message(), timeout_s=9e8)
        left_s = link.service.remaining_s[-1]
        assert left_s is not None
        # grpcio's core writes 27,000 hours for more.
        assert (9.7e7 if wire.startswith("grpc") else 8.9e8) < left_s <= 9e8


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_configured_timeout_without_end_is_no_deadline(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, ClientConfig(timeout_s=math.inf)) as link:
        await link.client.send_message(Message())
        assert link.service.remaining_s == [None]


@pytest.mark.parametrize("wire", WIRES)
async def test_an_interceptor_may_set_any_deadline(wire: str, tmp_path: Path) -> None:
    told: list[float | None] = []

    async def with_deadline(method: Any, head: Any, proceed: Any) -> Any:
        return await proceed(head.with_deadline(told[-1]))

    async with (
        linked(wire, tmp_path) as link,
        connect(link.url, interceptors=[with_deadline]) as channel,
    ):
        client = TransportClient(channel)
        for deadline in (math.inf, 1e300, anyio.current_time() + 1e12, None):
            told.append(deadline)
            await client.send_message(Message())
            async with client.stream_events(EventRequest(batch_size=1)) as events:
                assert [event.id async for event in events] == ["0"]
        assert link.service.remaining_s == [None] * 4
        told.append(math.nan)
        with pytest.raises(
            ConfigError, match="the deadline of a call must be a time on the loop's clock or None, not nan"
        ):
            await client.send_message(Message())
        told.append(-1e300)
        with pytest.raises(DeadlineExceeded):
            await client.send_message(Message())


MADE: Final[Any] = CallHead
HEADS: Final = [
    (lambda head: None, "call proceed\\(head\\) with a CallHead, not None"),
    (lambda head: MADE({"a": "b"}), "the metadata of a CallHead must be a Metadata, not {'a': 'b'}"),
    (lambda head: MADE(compression="gzip"), "compression must be one of"),
    (lambda head: MADE(compression=None), "the compression of a CallHead must be a Compression, not None"),
]


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_what_an_interceptor_passes_on_is_looked_at(wire: str, tmp_path: Path) -> None:
    made: list[Any] = []

    async def changing(method: Any, head: CallHead, proceed: Any) -> Any:
        return await proceed(made[-1](head))

    async with linked(wire, tmp_path) as link, connect(link.url, interceptors=[changing]) as channel:
        client = TransportClient(channel)
        for make, words in HEADS:
            made.append(make)
            # Compiled, a class of ours says itself what it takes.
            with pytest.raises((ConfigError, TypeError), match=f"{words}|object expected"):
                await client.send_message(Message())
            with pytest.raises((ConfigError, TypeError), match=f"{words}|object expected"):
                async with client.stream_events(EventRequest()):
                    pytest.fail("started")
        made.append(lambda head: head)
        await client.send_message(Message())


async def test_what_belongs_to_a_call_is_given_as_ever(tmp_path: Path) -> None:
    async with linked("tcp", tmp_path) as link:
        info = ResponseInfo()
        pairs = iter([("x-a", "1")])
        told: Any = {"metadata": pairs, "response": info, "wait_for_ready": True, "inherit": False, "timeout_s": 5}
        await link.client.send_message(Message(headers={"do": "metadata"}), **told)
        assert info.trailers["x-a"] == "1"
        async with link.client.stream_events(
            EventRequest(batch_size=1), **{**told, "metadata": iter([("x", "1")])}
        ) as it:
            assert [event.id async for event in it] == ["0"]


async def test_a_peer_may_send_the_longest_timeout(tmp_path: Path) -> None:
    async with linked("tcp", tmp_path) as link, open_reactor() as reactor:
        endpoint = parse_endpoint(link.url)
        connection = await wire_of(endpoint).open(endpoint, ClientConfig(), reactor)
        assert isinstance(connection, NativeClientConnection)
        core = connection.core
        assert isinstance(core, Connection)
        for stream_id, timeout_us in enumerate((2**63 - 1, 10**15), 1):
            opened = core.open(
                0, timeout_us, CallHead().metadata, Message(headers={"do": "linger"}), ENCODE, True, False
            )
            assert opened == stream_id
        connection.flush()
        await link.service.started.wait()
        assert await link.client.send_message(Message(id="a"), timeout_s=5) == Message(id="a")
        link.service.release.set()
        await connection.aclose()
    assert link.service.remaining_s[:2] == [None, None]
