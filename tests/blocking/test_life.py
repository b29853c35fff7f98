"""Opening and closing blocking channels, in whatever state calls are, and what the channel does while nobody calls."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
import trio
from anyio.from_thread import BlockingPortal

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    KeepaliveConfig,
    RpcError,
    ServerConfig,
    Unavailable,
    blocking,
)
from eventflux_runtime.blocking import BlockingChannel
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportBlockingClient, TransportClient
from tests.support.probe import Probe
from tests.support.threaded import PATIENCE_S, Served, served, serving
from tests.support.wires import WIRES, address, client_config, connect

LINGER = Message(headers={"do": "linger"})


def threads_of(channel: BlockingChannel) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("eventflux the channel to tcp")]


def test_opened_and_closed_in_any_thread_and_opened_again(tcp: Served) -> None:
    channel = blocking.connect(tcp.url)
    assert "not open" in repr(channel)
    for _ in range(2):
        opening = threading.Thread(target=channel.open)
        opening.start()
        opening.join()
        assert TransportBlockingClient(channel).send_message(Message(id="a")).id == "a"
        assert "ready, 0 active" in repr(channel)
        closing = threading.Thread(target=channel.close)
        closing.start()
        closing.join()
        channel.close()
        assert "not open" in repr(channel)
    assert len(threads_of(channel)) == 1  # that of the fixture


def test_misuse_is_told_apart(tcp: Served) -> None:
    channel = blocking.connect(tcp.url)
    client = TransportBlockingClient(channel)
    uses: list[Callable[[], object]] = [
        lambda: client.heartbeat(HeartbeatRequest()),
        lambda: client.stream_events(EventRequest()),
        client.stream_messages,
    ]
    for use in uses:
        with pytest.raises(ConfigError, match="the channel is not open: use it inside 'with connect"):
            use()
    with channel:
        stream = client.stream_messages()
        with stream, pytest.raises(ConfigError, match="open already"):
            channel.open()
        entered = client.stream_messages().__enter__()
    for use in (*uses, stream.__enter__):
        with pytest.raises((ConfigError, RuntimeError)):
            use()
    with pytest.raises(ConfigError, match="was closed: open it again"):
        entered.receive()
    with pytest.raises(TypeError, match="connect in the process that is to use it"):
        pickle.dumps(channel)
    with pytest.raises(ConfigError, match=r"takes a channel of eventflux_runtime\.blocking\.connect\(\)"):
        TransportBlockingClient(connect(tcp.url))  # type: ignore[arg-type]  # the mistake under test


def test_what_is_wrong_shows_before_it_is_opened() -> None:
    with pytest.raises(ConfigError):
        blocking.connect("http://127.0.0.1:1")
    with pytest.raises(ConfigError):
        blocking.connect("tcp://127.0.0.1:1", config=3)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigError):
        blocking.connect("tcp://127.0.0.1:1", interceptors=[lambda: None])  # type: ignore[list-item]  # as above


@pytest.mark.parametrize("wire", WIRES)
def test_closing_ends_the_calls_of_all_threads(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def call(use: Callable[[], object]) -> None:
        try:
            use()
        except BaseException as error:  # noqa: BLE001 - what comes is looked at below
            failures.append(error)

    with served(portal, wire, tmp_path) as found:
        stream = found.client.stream_events(EventRequest(node_id="linger")).__enter__()
        assert stream.receive().id == "first"
        threads = [
            threading.Thread(target=call, args=(use,))
            for use in (lambda: found.client.send_message(LINGER), stream.receive)
        ]
        for thread in threads:
            thread.start()
        found.wait(found.service.started)
        found.channel.close()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert [type(error) for error in failures] == [Unavailable, Unavailable]


def test_an_error_of_the_body_leaves_as_it_is(tcp: Served) -> None:
    with pytest.raises(ZeroDivisionError), blocking.connect(tcp.url):
        raise ZeroDivisionError


def test_a_channel_that_is_dropped_open_is_closed_and_warned_of(tcp: Served) -> None:
    channel = blocking.connect(tcp.url).open()
    (thread,) = set(threads_of(channel)) - set(threads_of(tcp.channel)[:1])
    with pytest.warns(ResourceWarning, match=r"left open: use 'with', or call its close\(\)"):
        del channel
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_stream_keeps_its_channel(tcp: Served) -> None:
    def events() -> object:
        return TransportBlockingClient(blocking.connect(tcp.url).open()).stream_events(EventRequest(batch_size=3))

    stream = events()
    gc.collect()
    assert len(list(stream)) == 3  # type: ignore[call-overload]  # it is one
    with pytest.warns(ResourceWarning, match="left open"):
        del stream


async def test_in_an_event_loop_it_is_refused(tcp_url: str, anyio_backend: object) -> None:
    channel = blocking.connect(tcp_url)
    with pytest.raises(ConfigError, match=r"use eventflux_runtime\.connect\(\) and the async client \(TransportClient"):
        channel.open()
    await anyio.to_thread.run_sync(channel.open)
    client = TransportBlockingClient(channel)
    try:
        for use in (lambda: client.heartbeat(HeartbeatRequest()), client.stream_messages().__enter__):
            with pytest.raises(ConfigError, match="would stop the event loop that runs in this thread"):
                use()
        answer = await anyio.to_thread.run_sync(client.send_message, Message(id="a"))
        assert answer.id == "a"
        with pytest.raises(ConfigError, match="would stop"):
            await TransportClient(channel).send_message(Message())  # type: ignore[arg-type]  # the mistake under test
    finally:
        await anyio.to_thread.run_sync(channel.close)


@pytest.fixture
def tcp_url(tcp: Served) -> str:
    return tcp.url


def test_trio_is_seen_where_asyncio_is_not(tcp: Served) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="would stop the event loop"):
            tcp.client.heartbeat(HeartbeatRequest())

    trio.run(main)


def test_a_cell_of_a_notebook_may_block_the_kernels_loop(tcp: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cell() -> str:
        return tcp.client.send_message(Message(id="a")).id

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert asyncio.run(cell()) == "a"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    with pytest.raises(ConfigError):
        asyncio.run(cell())


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
def test_pings_are_answered_while_nobody_calls(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    config = ServerConfig(drain_grace_s=0, keepalive=KeepaliveConfig(interval_s=0.05, timeout_s=5.0))
    with served(portal, wire, tmp_path, server_config=config) as found:
        first = found.client.heartbeat(HeartbeatRequest()).server_node_id
        portal.call(anyio.sleep, 0.3)  # nothing tells of pings
        assert found.client.heartbeat(HeartbeatRequest()).server_node_id == first  # the same connection


@pytest.mark.parametrize("wire", WIRES)
def test_a_server_that_went_while_nobody_called_is_found_anew(
    portal: BlockingPortal, wire: str, tmp_path: Path
) -> None:
    with serving(portal, [Probe()], address(wire, tmp_path)) as server:
        url = server.endpoints[0]
        channel = blocking.connect(url, config=client_config(ClientConfig(timeout_s=PATIENCE_S), url)).open()
        client = TransportBlockingClient(channel)
        client.heartbeat(HeartbeatRequest())
    with closing(channel):
        with pytest.raises(RpcError):
            client.heartbeat(HeartbeatRequest(), timeout_s=0.2)
        with serving(portal, [Probe()], url):
            assert client.send_message(Message(id="a"), wait_for_ready=True).id == "a"


def test_nothing_is_left_of_a_channel(tcp: Served) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        channel = blocking.connect(tcp.url)
        with channel:
            TransportBlockingClient(channel).heartbeat(HeartbeatRequest())
        seen = weakref.ref(channel)
        gc.disable()
        try:
            del channel
            assert seen() is None
        finally:
            gc.enable()
