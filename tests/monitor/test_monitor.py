"""The monitor against real servers: what stops, hangs, freezes, lies, and comes back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import ClientConfig, ConfigError, Context, Internal, PoolConfig, Server, ServerConfig, serve
from eventflux_transport import (
    EventRequest,
    HealthChange,
    HeartbeatMonitor,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MonitorConfig,
    NodeHealth,
    NodeStatus,
    TransportService,
)
from tests.support.fleet import fleet

HEALTHY, DEGRADED, UNHEALTHY, OFFLINE = (
    NodeHealth.HEALTHY,
    NodeHealth.DEGRADED,
    NodeHealth.UNHEALTHY,
    NodeHealth.OFFLINE,
)
QUICK = MonitorConfig(interval_s=0.02, timeout_s=10.0, slow_s=None)
"""Beats at short intervals, and patience with a machine that has more to do than this test."""
EAGER = ClientConfig(pool=PoolConfig(max_reconnect_backoff_s=0.1))
WIRES = ("tcp", "unix", "grpc", "grpcio")


class Node(TransportService):
    """Says of itself what it is told to say."""

    def __init__(self) -> None:
        self.health = HEALTHY
        self.failure: Exception | None = None
        self.lag_s = 0.0
        self.asked_by: list[str] = []
        self.release = anyio.Event()
        self.release.set()
        self._awaited = 0
        self._reached = anyio.Event()

    async def asked(self, beats: int) -> None:
        """Returns when so many more beats have come, so that all but the last of them have been judged."""
        self._awaited = len(self.asked_by) + beats
        self._reached = anyio.Event()
        await self._reached.wait()

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        self.asked_by.append(request.node_id)
        if len(self.asked_by) >= self._awaited:
            self._reached.set()
        await self.release.wait()
        await anyio.sleep(self.lag_s)
        if self.failure is not None:
            raise self.failure
        return HeartbeatResponse(server_node_id="node", server_status=NodeStatus(health=self.health))

    async def send_message(self, request: Message, context: Context) -> Message:
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message()

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request


def place(wire: str, tmp_path: Path) -> str:
    return f"unix://{tmp_path}/node.sock" if wire == "unix" else f"{wire}://127.0.0.1:0"


def serving(node: Node, url: str) -> contextlib.AbstractAsyncContextManager[Server]:
    return serve([node], url, config=ServerConfig(drain_grace_s=0))


@contextlib.asynccontextmanager
async def watched(
    node: Node, url: str = "tcp://127.0.0.1:0", config: MonitorConfig = QUICK, node_id: str = ""
) -> AsyncIterator[tuple[HeartbeatMonitor, str]]:
    """A monitor of one node, which it calls ``a``, and the node's URL."""
    with anyio.fail_after(60):
        async with serving(node, url) as server:
            (bound,) = server.endpoints
            async with HeartbeatMonitor({"a": bound}, config=config, node_id=node_id) as monitor:
                yield monitor, bound


async def states(monitor: HeartbeatMonitor, count: int) -> list[NodeHealth]:
    """The next states of the monitor's only node, each of which follows the one before."""
    changes = [await anext(monitor) for _ in range(count)]
    for one, after in itertools.pairwise(changes):
        assert after.previous is one.health
    return [change.health for change in changes]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_node_that_stops_goes_down_step_by_step_and_comes_back(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with HeartbeatMonitor(config=QUICK, client=EAGER) as monitor:
            async with serving(Node(), place(wire, tmp_path)) as server:
                (url,) = server.endpoints
                monitor.add("a", url)
                first = await anext(monitor)
                assert (first.node, first.url, first.health, first.previous) == ("a", url, HEALTHY, NodeHealth.UNKNOWN)
                assert first.answer is not None
                assert first.answer.server_node_id == "node"
            assert await states(monitor, 3) == [DEGRADED, UNHEALTHY, OFFLINE]
            assert monitor.healths == {"a": OFFLINE}
            async with serving(Node(), url):
                back = await anext(monitor)
                assert (back.previous, back.health) == (OFFLINE, HEALTHY)


@pytest.mark.parametrize("wire", WIRES)
async def test_what_a_node_says_of_itself_counts(wire: str, tmp_path: Path) -> None:
    node = Node()
    async with watched(node, place(wire, tmp_path), node_id="watcher") as (monitor, _):
        assert await states(monitor, 1) == [HEALTHY]
        node.health = DEGRADED
        assert await states(monitor, 1) == [DEGRADED]
        node.health = UNHEALTHY
        unwell = await anext(monitor)
        assert unwell.health is UNHEALTHY
        assert unwell.reason.endswith("the node says that it is unhealthy")
        node.health = OFFLINE
        assert await states(monitor, 1) == [OFFLINE]
        node.health = NodeHealth(77)  # of a newer IDL: it says nothing that we know
        assert await states(monitor, 1) == [HEALTHY]
    assert set(node.asked_by) == {"watcher"}


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_node_that_answers_with_errors_is_unhealthy_and_not_offline(wire: str, tmp_path: Path) -> None:
    node = Node()
    node.failure = Internal("no idea")
    async with watched(node, place(wire, tmp_path)) as (monitor, _):
        assert await states(monitor, 1) == [DEGRADED]
        change = await anext(monitor)
        assert (change.health, change.answer) == (UNHEALTHY, None)
        assert "no idea" in change.reason
        await node.asked(QUICK.offline_after + 1)
        assert monitor.healths == {"a": UNHEALTHY}


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_node_that_answers_slowly_is_degraded(wire: str, tmp_path: Path) -> None:
    node = Node()
    node.lag_s = 0.3
    config = MonitorConfig(interval_s=0.02, timeout_s=10.0, slow_s=0.25)
    async with watched(node, place(wire, tmp_path), config) as (monitor, _):
        slow = await anext(monitor)
        assert slow.health is DEGRADED
        assert "above slow_s (0.25 s)" in slow.reason


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_frozen_process_goes_offline_and_comes_back(wire: str, tmp_path: Path) -> None:
    config = MonitorConfig(interval_s=0.05, timeout_s=1.0, slow_s=None, offline_after=4)
    with anyio.fail_after(90), fleet(wire, 1, tmp_path) as nodes:
        async with HeartbeatMonitor({"a": nodes.urls[0]}, config=config) as monitor:
            assert await states(monitor, 1) == [HEALTHY]
            nodes.freeze(0)
            changes = [await anext(monitor) for _ in range(3)]
            assert [change.health for change in changes] == [DEGRADED, UNHEALTHY, OFFLINE]
            assert "DEADLINE_EXCEEDED" in changes[-1].reason
            nodes.thaw(0)
            assert await states(monitor, 1) == [HEALTHY]


async def test_a_node_that_hangs_delays_no_other() -> None:
    stuck, well = Node(), Node()
    stuck.release = anyio.Event()
    with anyio.fail_after(60):
        async with (
            serving(stuck, "tcp://127.0.0.1:0") as one,
            serving(well, "tcp://127.0.0.1:0") as other,
            HeartbeatMonitor(
                {"stuck": one.endpoints[0], "well": other.endpoints[0]},
                config=MonitorConfig(interval_s=0.02, timeout_s=60.0, slow_s=None),
            ) as monitor,
        ):
            change = await anext(monitor)
            assert (change.node, change.health) == ("well", HEALTHY)
            await well.asked(20)
            with anyio.fail_after(30):
                while not stuck.asked_by:
                    await well.asked(1)
            assert len(stuck.asked_by) == 1
            assert monitor.healths == {"stuck": NodeHealth.UNKNOWN, "well": HEALTHY}


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_many_nodes_are_told_once_each(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with serving(Node(), place(wire, tmp_path)) as server:
            names = {str(number) for number in range(25)}
            nodes = dict.fromkeys(names, server.endpoints[0])
            config = MonitorConfig(interval_s=1.0, timeout_s=30.0, slow_s=None)
            async with HeartbeatMonitor(nodes, config=config) as monitor:
                changes = [await anext(monitor) for _ in nodes]
            assert {change.node for change in changes} == names
            assert {change.health for change in changes} == {HEALTHY}


async def test_nodes_come_and_go_while_it_runs() -> None:
    node = Node()
    with anyio.fail_after(60):
        async with serving(node, "tcp://127.0.0.1:0") as server, HeartbeatMonitor(config=QUICK) as monitor:
            (url,) = server.endpoints
            monitor.add("one", url)
            assert (await anext(monitor)).node == "one"
            with pytest.raises(ConfigError, match="'one' is monitored already"):
                monitor.add("one", url)
            with pytest.raises(ConfigError, match="tpc"):
                monitor.add("two", "tpc://127.0.0.1:1")
            monitor.remove("one")
            with pytest.raises(ConfigError, match="'one' is not monitored"):
                monitor.remove("one")
            assert monitor.healths == {}
            monitor.add("one", url)  # it is a new node now
            assert (await anext(monitor)).previous is NodeHealth.UNKNOWN
            monitor.remove("one")
            monitor.add("two", url)
            assert (await anext(monitor)).node == "two"
            assert repr(monitor) == "<HeartbeatMonitor two healthy>"


async def test_a_removed_node_is_asked_no_more() -> None:
    node = Node()
    node.release = anyio.Event()
    async with watched(node) as (monitor, url):
        await node.asked(1)
        monitor.remove("a")
        node.release.set()
        monitor.add("b", url)
        assert (await anext(monitor)).node == "b"
        await node.asked(5)
        with anyio.move_on_after(0):
            raise AssertionError(f"one more change: {await anext(monitor)}")


async def test_a_change_of_a_removed_node_is_dropped() -> None:
    node = Node()
    async with watched(node) as (monitor, url):
        await node.asked(3)
        assert monitor.healths == {"a": HEALTHY}
        monitor.remove("a")
        monitor.add("b", url)
        assert (await anext(monitor)).node == "b"


async def test_a_listener_that_is_slow_finds_the_latest_state() -> None:
    node = Node()
    async with watched(node) as (monitor, _):
        assert await states(monitor, 1) == [HEALTHY]
        node.health = UNHEALTHY
        await node.asked(QUICK.unhealthy_after + 2)
        change = await anext(monitor)  # it passed through degraded meanwhile
        assert (change.previous, change.health) == (HEALTHY, UNHEALTHY)


async def test_leaving_ends_a_listener_elsewhere_and_every_task() -> None:
    seen: list[HealthChange] = []

    async def listen(monitor: HeartbeatMonitor) -> None:
        async for change in monitor:
            seen.append(change)
            heard.set()
        ended.set()

    heard, ended = anyio.Event(), anyio.Event()
    with anyio.fail_after(60):
        async with serving(Node(), "tcp://127.0.0.1:0") as server, anyio.create_task_group() as tasks:
            async with HeartbeatMonitor(server.endpoints, config=QUICK) as monitor:
                tasks.start_soon(listen, monitor)
                await heard.wait()
            await ended.wait()
            assert [change.health for change in seen] == [HEALTHY]
            assert [change async for change in monitor] == []
            with pytest.raises(ConfigError, match="entered already"):
                await monitor.__aenter__()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
async def test_an_error_of_the_body_leaves_as_it_is(error: type[BaseException]) -> None:
    with anyio.fail_after(60), pytest.raises(error):
        async with HeartbeatMonitor(["tcp://127.0.0.1:1"], config=QUICK):
            raise error


async def test_a_cancelled_monitor_ends_at_once() -> None:
    node = Node()
    node.release = anyio.Event()
    with anyio.CancelScope() as scope:
        async with watched(node) as (monitor, _):
            await node.asked(1)
            scope.cancel()
            await anext(monitor)
    assert scope.cancelled_caught


def test_a_monitor_can_be_made_before_any_event_loop_runs(anyio_backend: tuple[str, dict[str, object]]) -> None:
    monitor = HeartbeatMonitor({"a": "tcp://127.0.0.1:1", "b": "tcp://127.0.0.1:1"}, config=QUICK)
    monitor.remove("b")

    async def first() -> HealthChange:
        with anyio.fail_after(60):
            async with monitor:
                return await anext(monitor)

    change = anyio.run(first, backend=anyio_backend[0], backend_options=anyio_backend[1])
    assert (change.node, change.health) == ("a", DEGRADED)
    assert "UNAVAILABLE" in change.reason


@pytest.mark.parametrize("url", ["tpc://127.0.0.1:7070", "tcp://", "127.0.0.1:7070"])
def test_a_mistyped_url_is_refused_before_anything_runs(url: str) -> None:
    with pytest.raises(ConfigError):
        HeartbeatMonitor([url])


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="is monitored already"):
        HeartbeatMonitor(["tcp://127.0.0.1:1", "tcp://127.0.0.1:1"])
