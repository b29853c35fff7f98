"""Nothing that one call does or meets on the client ends its channel, or another call on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    ClientConfig,
    CodecError,
    Compression,
    ConfigError,
    Internal,
    Metadata,
    Server,
    ServerConfig,
    StatusCode,
)
from eventflux_runtime.protocol.api import CallHead
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient, methods
from tests.support.probe import Probe
from tests.support.wires import WIRES, Link, address, connect, linked, serve

FAILURES = (CodecError("no message"), RecursionError("too deep"), KeyError("own"))


def unreadable(method: AnyMethod, failure: Exception) -> AnyMethod:
    """The method with a codec that reads no response."""

    def decode(*_: Any) -> Any:
        raise failure

    return replace(method, response=replace(method.response, decode=decode, decode_protobuf=decode))


async def still_works(link: Link) -> None:
    assert (await link.client.heartbeat(HeartbeatRequest(timestamp=7))).server_timestamp == 7


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("size", [1, 200_000], ids=["short", "long"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
async def test_an_undecodable_response_is_the_calls_own_error(
    wire: str, size: int, packed: bool, tmp_path: Path
) -> None:
    compression = Compression.LZ4 if packed else Compression.NONE
    config = ServerConfig(compression=compression, compression_min_bytes=0, drain_grace_s=0)
    client_config = ClientConfig(compression=compression, compression_min_bytes=0)
    request = Message(headers={"do": "size", "bytes": str(size)})
    async with linked(wire, tmp_path, client_config, config) as link:
        with anyio.fail_after(20):
            for failure in (*FAILURES, *FAILURES):
                with pytest.raises(Internal, match="cannot be decoded"):
                    await link.channel.unary(unreadable(methods.TRANSPORT_SEND_MESSAGE, failure), request)
                link.service.cancelled = anyio.Event()
                await undecodable_stream(link, failure, size)
                await link.service.cancelled.wait()
                async with link.channel.bidi(unreadable(methods.TRANSPORT_STREAM_MESSAGES, failure)) as chat:
                    await chat.send(request)
                    with pytest.raises(Internal, match="cannot be decoded"):
                        await chat.receive()
            await still_works(link)


async def undecodable_stream(link: Link, failure: Exception, size: int) -> None:
    method = unreadable(methods.TRANSPORT_STREAM_EVENTS, failure)
    async with link.channel.server_streaming(method, EventRequest(node_id="forever", batch_size=size)) as events:
        for _ in range(2):
            with pytest.raises(Internal, match="cannot be decoded"):
                await events.receive()
        assert events.status is not None
        assert events.status.code is StatusCode.INTERNAL


NO_METADATA: tuple[Any, ...] = (
    5,
    object(),
    "ab",
    [("a",)],
    [("a", "b", "c")],
    {5: "a"},
    {"a": 5},
    {"a": None},
    {"A B": "x"},
    [None],
)


@pytest.mark.parametrize("wire", WIRES)
async def test_metadata_that_is_none_is_refused(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        for metadata in NO_METADATA:
            with pytest.raises(ConfigError, match="metadata"):
                await link.client.send_message(Message(), metadata=metadata)
            with pytest.raises(ConfigError, match="metadata"):
                async with link.client.stream_events(EventRequest(), metadata=metadata):
                    pytest.fail("it started")
        await still_works(link)


NO_REQUESTS: tuple[Any, ...] = (None, 5, b"abc", EventRequest(), Message(id=5))  # type: ignore[arg-type] # as tested


@pytest.mark.parametrize("wire", WIRES)
async def test_a_request_of_the_wrong_type_fails_its_call_alone(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link, link.client.stream_messages() as chat:
        with anyio.fail_after(20):
            for request in NO_REQUESTS:
                with pytest.raises(CodecError):
                    await link.client.send_message(request)
                with pytest.raises(CodecError):
                    await chat.send(request)
                await chat.send(Message(id="still"))
                assert (await chat.receive()).id == "still"
            await still_works(link)


class Interceptor:
    """Does before or after the call what the test says."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None
        self.is_late = False
        self.swallows = False

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[Any]]) -> Any:
        if not self.is_late:
            self.act()
        result = await proceed(head)
        self.act()
        return None if self.swallows else result


async def nothing_runs(server: Server, channel: Channel) -> None:
    while server.active_calls or "[0 active" not in repr(channel):  # noqa: ASYNC110 - nobody tells when it is so
        await anyio.sleep(0.001)


class Broken(BaseException):
    """What no caller expects."""


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("error", [Broken(), ValueError("x"), SystemExit(3)], ids=lambda error: type(error).__name__)
async def test_a_call_that_an_interceptor_breaks_is_cancelled(wire: str, error: BaseException, tmp_path: Path) -> None:
    interceptor = Interceptor()

    def fail() -> None:
        raise error

    async with (
        serve([Probe()], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server,
        connect(server.endpoints[0], interceptors=[interceptor]) as channel,
    ):
        client = TransportClient(channel)
        with anyio.fail_after(20):
            for interceptor.is_late in (False, True):
                interceptor.act = fail
                with pytest.raises(type(error)):
                    await client.heartbeat(HeartbeatRequest())
                with pytest.raises(type(error)):
                    async with client.stream_events(EventRequest(node_id="forever")):
                        pytest.fail("it started")
                interceptor.act = lambda: None
                assert (await client.heartbeat(HeartbeatRequest(timestamp=7))).server_timestamp == 7
            await nothing_runs(server, channel)


@pytest.mark.parametrize("wire", WIRES)
async def test_an_interceptor_that_hands_back_no_call_is_told_so(wire: str, tmp_path: Path) -> None:
    interceptor = Interceptor()
    interceptor.swallows = True
    async with (
        serve([Probe()], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server,
        connect(server.endpoints[0], interceptors=[interceptor]) as channel,
    ):
        with anyio.fail_after(20):
            with pytest.raises(ConfigError, match="return what proceed returned"):
                async with TransportClient(channel).stream_events(EventRequest(node_id="forever")):
                    pytest.fail("it started")
            await nothing_runs(server, channel)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_response_info_that_is_none_is_refused(wire: str, tmp_path: Path) -> None:
    other: Any = object()
    async with linked(wire, tmp_path) as link:
        with pytest.raises(ConfigError, match="response must be a ResponseInfo"):
            await link.client.send_message(Message(), response=other)
        with pytest.raises(ConfigError, match="response must be a ResponseInfo"):
            async with link.client.stream_events(EventRequest(), response=other):
                pytest.fail("it started")
        await still_works(link)


@pytest.mark.parametrize("wire", WIRES)
async def test_metadata_from_who_vouches_for_it_fails_its_call_alone(wire: str, tmp_path: Path) -> None:
    junk = Metadata.from_trusted((("k", 5),))  # type: ignore[arg-type] # the mistake that is tested
    async with linked(wire, tmp_path) as link, link.client.stream_messages() as chat:
        with anyio.fail_after(20):
            for _ in range(3):
                with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it is the call's own
                    await link.client.send_message(Message(), metadata=junk)
                with pytest.raises(Exception):  # noqa: B017, PT011 - as above
                    async with link.client.stream_messages(metadata=junk) as broken:
                        await broken.receive()
            await chat.send(Message(id="still"))
            assert (await chat.receive()).id == "still"
            await still_works(link)
            assert link.server.active_calls == 1
