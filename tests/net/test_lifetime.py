"""Opening and closing channels, servers and monitors: in any task of one event loop, and only there."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Self

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    ConfigError,
    Context,
    Server,
    ServerConfig,
    StatusCode,
    TransportError,
    Unavailable,
    Unknown,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatMonitor, Message, MonitorConfig, TransportClient
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, linked, serve

LONG_S = 20
AT_ONCE = ServerConfig(drain_grace_s=0)


async def in_another_task(function: Callable[[], Awaitable[object]]) -> None:
    """Awaits in a task that ends with it."""

    async def run() -> None:
        await function()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)


@pytest.mark.parametrize("wire", WIRES)
async def test_opened_in_one_task_and_closed_in_another(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(LONG_S):
        server = serve([Probe()], address(wire, tmp_path), config=AT_ONCE)
        await in_another_task(server.__aenter__)
        channel = connect(server.endpoints[0])
        await in_another_task(channel.__aenter__)
        assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"
        await in_another_task(lambda: channel.__aexit__(None, None, None))
        await in_another_task(lambda: server.__aexit__(None, None, None))
        assert "not entered" in repr(channel)
        assert "closed" in repr(server)


@pytest.mark.parametrize("wire", WIRES)
async def test_opened_by_open_and_closed_by_aclose(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(LONG_S):
        server = await serve([Probe()], address(wire, tmp_path), config=AT_ONCE).open()
        channel = await connect(server.endpoints[0]).open()
        assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"
        await channel.aclose()
        await server.aclose()


async def test_a_monitor_is_closed_in_another_task() -> None:
    with anyio.fail_after(LONG_S):
        monitor = HeartbeatMonitor(["tcp://127.0.0.1:1"], config=MonitorConfig(interval_s=0.05, timeout_s=5.0))
        await in_another_task(monitor.__aenter__)
        assert (await anext(monitor)).node == "tcp://127.0.0.1:1"
        await in_another_task(monitor.aclose)
        assert [change async for change in monitor] == []


async def test_a_monitor_that_another_loop_may_not_close_goes_on() -> None:
    with anyio.fail_after(LONG_S):
        async with HeartbeatMonitor(["tcp://127.0.0.1:1"], config=MonitorConfig(interval_s=0.05)) as monitor:
            assert (await anext(monitor)).node == "tcp://127.0.0.1:1"
            with pytest.raises(ConfigError, match="is open on another event loop or in another thread"):
                await anyio.to_thread.run_sync(anyio.run, monitor.aclose)
            monitor.add("later", "tcp://127.0.0.1:2")
            while (await anext(monitor)).node != "later":  # of the other there may be more
                pass
        await anyio.to_thread.run_sync(anyio.run, monitor.aclose)  # it is closed: a second time does nothing, anywhere


async def test_closing_twice_or_what_was_never_open_does_nothing() -> None:
    server, channel = serve([Probe()], memory_endpoint(), config=AT_ONCE), connect("memory://nobody")
    await channel.aclose()
    await server.aclose()
    async with server, channel, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(server.aclose)
            tasks.start_soon(channel.aclose)
    await channel.aclose()
    await server.aclose()


async def test_a_channel_can_be_opened_again_and_a_server_cannot() -> None:
    server = serve([Probe()], memory_endpoint(), config=AT_ONCE)
    async with server:
        channel = connect(server.endpoints[0])
        for _ in range(2):
            async with channel:
                await TransportClient(channel).send_message(Message())
    with pytest.raises(ConfigError, match="call serve"):
        await server.__aenter__()


async def test_aclose_drains(tmp_path: Path) -> None:
    service = Probe()
    with anyio.fail_after(LONG_S):
        server = await serve(
            [service], f"unix://{tmp_path}/drain.sock", config=ServerConfig(drain_grace_s=LONG_S)
        ).open()
        async with connect(server.endpoints[0]) as channel, anyio.create_task_group() as tasks:
            tasks.start_soon(TransportClient(channel).send_message, Message(headers={"do": "linger"}))
            await service.started.wait()
            tasks.start_soon(server.aclose)
            await anyio.wait_all_tasks_blocked()
            service.release.set()
        assert service.finished.is_set()


@pytest.mark.parametrize("wire", ["tcp", "unix", "grpc", "grpcio"])
async def test_leaving_while_cancelled_closes_every_connection(wire: str, tmp_path: Path) -> None:
    count = 5
    services = [Probe() for _ in range(count)]
    with anyio.fail_after(LONG_S):
        async with anyio.create_task_group() as servers:
            urls = []
            for index, service in enumerate(services):
                (tmp_path / str(index)).mkdir()
                server = await serve([service], address(wire, tmp_path / str(index)), config=AT_ONCE).open()
                urls.append(server.endpoints[0])
                servers.start_soon(_close_when_cancelled, service, server)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_hold_one_call_to_each, urls, services)
                for service in services:
                    await service.started.wait()
                tasks.cancel_scope.cancel()
    assert all(service.cancelled.is_set() for service in services)


async def _hold_one_call_to_each(urls: list[str], services: list[Probe]) -> None:
    async with connect(urls) as channel:
        client = TransportClient(channel)
        streams = []
        while not all(service.started.is_set() for service in services):
            stream = client.stream_events(EventRequest(node_id="linger"))
            await stream.__aenter__()
            streams.append(stream)
            await stream.receive()
        await anyio.sleep_forever()


async def _close_when_cancelled(service: Probe, server: Server) -> None:
    await service.cancelled.wait()
    await server.aclose()


async def test_an_error_of_the_body_is_not_replaced_by_one_of_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        async with serve([Probe()], memory_endpoint(), config=AT_ONCE) as server, connect(server.endpoints[0]) as made:
            assert made._lifetime is not None
            made._lifetime.reactor.spawn(_fail)
            await anyio.wait_all_tasks_blocked()
            raise ZeroDivisionError
    with pytest.raises(LookupError, match="in the background"):
        async with connect("memory://nobody") as made:
            assert made._lifetime is not None
            made._lifetime.reactor.spawn(_fail)
            await anyio.wait_all_tasks_blocked()


async def _fail() -> None:
    raise LookupError("in the background")


class _Closer(Probe):
    """Closes its own server from a handler."""

    server: Server

    async def send_message(self, request: Message, context: Context) -> Message:
        await (self.server.aclose() if request.id == "aclose" else self.server.stop())
        return request


@pytest.mark.parametrize("how", ["aclose", "stop"])
async def test_a_handler_that_closes_its_own_server_is_told_how_to(how: str, caplog: pytest.LogCaptureFixture) -> None:
    service = _Closer()
    with anyio.fail_after(LONG_S):
        async with (
            serve([service], memory_endpoint(), config=AT_ONCE) as service.server,
            connect(service.server.endpoints[0]) as channel,
        ):
            with pytest.raises(Unknown):
                await TransportClient(channel).send_message(Message(id=how))
            assert "set an event" in caplog.text
            with pytest.raises(Unknown):
                await TransportClient(channel).send_message(Message(id=how))


# -- what is forgotten


@pytest.mark.parametrize("wire", ["tcp", "unix"])
async def test_a_channel_that_is_forgotten_open_warns_and_is_closed(wire: str, tmp_path: Path) -> None:
    service = Probe()
    with anyio.fail_after(LONG_S):
        async with serve([service], address(wire, tmp_path), config=AT_ONCE) as server:
            said: list[str] = []
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                await _forget(server.endpoints[0])
                await service.cancelled.wait()
                while not any("was left open" in text for text in said):
                    said += [str(warning.message) for warning in seen if warning.category is ResourceWarning]
                    seen.clear()  # a warning keeps its source, here the stream, which keeps the channel
                    gc.collect()
                    await anyio.lowlevel.checkpoint()
    assert sum("left open: use 'async with', or await its aclose()" in text for text in said) == 1


async def _forget(url: str) -> None:
    channel = await connect(url).open()
    stream = TransportClient(channel).stream_events(EventRequest(node_id="linger"))
    await stream.__aenter__()
    await stream.receive()


# -- other event loops


class _Elsewhere:
    """A channel and a server that are open on an event loop in a thread of their own."""

    def __init__(self, wire: str, tmp_path: Path) -> None:
        self.server = serve([Probe()], address(wire, tmp_path), config=AT_ONCE)
        self.channel: Channel
        self.error: BaseException | None = None
        self._ready = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(LONG_S)
        return self

    def __exit__(self, *exit_info: object) -> None:
        self._done.set()
        self._thread.join(LONG_S)
        assert self.error is None

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - the test's own thread asserts on it
            self.error = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        async with self.server:
            self.channel = connect(self.server.endpoints[0])
            async with self.channel:
                client = TransportClient(self.channel)
                await client.send_message(Message())
                self._ready.set()
                await asyncio.to_thread(self._done.wait, LONG_S)
                await client.send_message(Message(), timeout_s=5)
                assert "0 active, 0 queued" in repr(self.channel)


USES: dict[str, Callable[[_Elsewhere], Coroutine[Any, Any, object]]] = {
    "unary": lambda there: TransportClient(there.channel).send_message(Message()),
    "stream": lambda there: TransportClient(there.channel).stream_events(EventRequest()).__aenter__(),
    "aclose": lambda there: there.channel.aclose(),
    "enter": lambda there: there.channel.__aenter__(),
    "server.aclose": lambda there: there.server.aclose(),
    "server.stop": lambda there: there.server.stop(),
    "server.drain": lambda there: there.server.drain(),
}


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
@pytest.mark.parametrize("use", USES)
async def test_on_another_loop_it_is_an_error_at_once(use: str, wire: str, tmp_path: Path) -> None:
    with (
        _Elsewhere(wire, tmp_path) as there,
        anyio.fail_after(LONG_S),
        pytest.raises(ConfigError, match="another event loop"),
    ):
        await USES[use](there)


@pytest.mark.parametrize("wire", WIRES)
def test_after_a_run_that_died_a_channel_is_opened_again(wire: str, tmp_path: Path) -> None:
    channel: list[Channel] = []

    async def die() -> None:
        server = await serve([Probe()], address(wire, tmp_path), config=AT_ONCE).open()
        channel.append(await connect(server.endpoints[0]).open())
        await TransportClient(channel[0]).send_message(Message())
        await server.stop()
        raise KeyboardInterrupt

    async def use() -> None:
        with pytest.raises(ConfigError, match="has ended"):
            await TransportClient(channel[0]).send_message(Message())
        async with channel[0]:
            with pytest.raises(Unavailable):
                await TransportClient(channel[0]).send_message(Message(), timeout_s=5)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(die())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the run left its sockets to the collector
        asyncio.run(use())
        gc.collect()


async def test_an_address_that_is_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = tmp_path / "first.sock"
        with pytest.raises(ConfigError, match="in use"):
            async with serve([Probe()], f"unix://{path}", f"tcp://127.0.0.1:{port}", config=AT_ONCE):
                pass
        assert not path.exists()


async def test_a_server_that_is_stopped_ends_calls(tmp_path: Path) -> None:
    with anyio.fail_after(LONG_S):
        async with linked("unix", tmp_path) as link:
            stream = link.client.stream_events(EventRequest(node_id="linger"))
            async with stream:
                await stream.receive()
                await link.server.stop()
                with pytest.raises(TransportError) as caught:
                    await stream.receive()
                assert getattr(caught.value, "code", None) is StatusCode.UNAVAILABLE
