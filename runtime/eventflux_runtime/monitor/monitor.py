"""A heartbeat monitor: a task for each node that asks it how it is, and a stream of what changed.

Invariants: every task of a monitor ends before it is left; each node has a channel of its own, so none
waits for another; a node that was removed is told of no more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import anyio

from eventflux_runtime.client.channel import Channel
from eventflux_runtime.monitor.change import ChangeQueue, MonitorChange
from eventflux_runtime.monitor.config import MonitorConfig
from eventflux_runtime.monitor.track import Health, HeartbeatTrack, Transition
from eventflux_runtime.net.event_loop import start_reactor
from eventflux_runtime.net.lifetime import Lifetime
from eventflux_runtime.net.reactor import TaskHandle
from eventflux_runtime.rpc.argument import config_or_default, refuse_unused_tls, target_endpoints
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import CodecError, ConfigError
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.wire.registry import wire_of

__all__ = ["Monitor", "MonitorBinding"]

H = TypeVar("H")
R = TypeVar("R")

_SILENCE: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED})
"""Codes of calls that no handler answered; every other code shows that something is there."""

_CONNECTING_S: Final = 0.02
"""Seconds from one node's first beat to another's, on average: a connection with TLS keeps a processor busy for some of
that, and a monitor that connects to a thousand nodes at once would find them all slow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MonitorBinding(Generic[H, R]):
    """What a generated package tells the monitor about its heartbeat."""

    heartbeat: Method[Any, R]
    request: Callable[[str, int], Any]
    """A heartbeat from a node id and a time in milliseconds since the Unix epoch."""
    reported: Callable[[R], H]
    """How well a node says that it can serve; UNKNOWN where it does not say."""
    healths: Mapping[str, H]
    """Members of the enum of that, by the names of `Health`."""


class _Node:
    """One node that is asked: where, by whom, and what came of it."""

    def __init__(self, name: str, url: str, endpoints: Sequence[Endpoint], channel: Channel) -> None:
        self.name = name
        self.url = url
        self.endpoints = endpoints
        self.channel = channel
        self.task: TaskHandle | None = None
        self.is_removed = False
        self.answer: Any = None
        self.health = Health.UNKNOWN


class Monitor(Generic[H, R]):
    """Asks nodes how they are; enter it with ``async with`` and iterate over the changes, from one task.

    Changes wait for the listener, one for each node at most: a listener that is slow finds the latest, and what came
    and went meanwhile is not told.
    """

    _binding: MonitorBinding[H, R]

    def __init__(
        self,
        nodes: Mapping[str, str] | Iterable[str] = (),
        *,
        config: MonitorConfig | None = None,
        client: ClientConfig | None = None,
        node_id: str = "",
    ) -> None:
        """A monitor that asks nobody before it is entered.

        Args:
            nodes: URLs by the name of the node; or URLs alone, each of which is its node's name.
            config: when to ask and what to make of the answers; None: the defaults.
            client: how to connect, TLS included; None: the defaults.
            node_id: how we call ourselves towards the nodes.

        Raises:
            ConfigError: a URL is not one that this package knows, two nodes have the same name, an argument is not what
                it should be, or `client` has certificates and no node's URL is encrypted.
            MissingExtraError: a wire needs a package that is not installed; the message names the command.
        """
        self._config = config_or_default(config, MonitorConfig)
        self._client = config_or_default(client, ClientConfig, "client")
        self._node_id = node_id
        self._nodes: dict[str, _Node] = {}
        self._outlet: ChangeQueue[H, R] = ChangeQueue()
        self._lifetime: Lifetime | None = None
        self._error: Exception | None = None
        self._is_over = False
        for name, url in _by_name(nodes):
            self.add(name, url)
        refuse_unused_tls([end for node in self._nodes.values() for end in node.endpoints], self._client.tls)

    def __repr__(self) -> str:
        states = ", ".join(f"{node.name} {node.health.name.lower()}" for node in self._nodes.values())
        return f"<{type(self).__name__} {states or 'of no nodes'}>"

    async def __aenter__(self) -> Self:
        if self._lifetime is not None or self._is_over:
            raise ConfigError("this monitor has been entered already: make a second one")
        self._lifetime = Lifetime(repr(self), await start_reactor(), self._close)
        for node in self._nodes.values():
            self._start(node)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
        if error is None and self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        """Asks nobody any more and ends the iteration over the changes. A second time does nothing.

        Raises:
            ConfigError: the monitor is open on another event loop or in another thread.
        """
        if self._lifetime is None:
            self._is_over = True
        else:
            await self._lifetime.aclose()

    async def _close(self) -> None:
        self._is_over = True
        await self._outlet.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MonitorChange[H, R]:
        """The next change, waiting for one; ends when the monitor is left. A cancelled wait loses nothing.

        Raises:
            ConfigError: a node cannot be asked as the monitor is configured.
        """
        change = await self._outlet.take()
        if change is not None:
            return change
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration

    @property
    def healths(self) -> dict[str, H]:
        """What each node is taken for at this moment, by name."""
        return {node.name: self._binding.healths[node.health.name] for node in self._nodes.values()}

    def add(self, node: str, url: str) -> None:
        """Asks another node from now on.

        Args:
            node: its name in changes.
            url: as for `connect`. Several addresses of one URL are one node to the monitor.

        Raises:
            ConfigError: the URL is not one that this package knows, or the name is taken.
            MissingExtraError: the wire needs a package that is not installed; the message names the command.
        """
        if node in self._nodes:
            raise ConfigError(f"{node!r} is monitored already: remove it first, or choose another name")
        endpoints = target_endpoints(url)
        added = _Node(node, url, endpoints, Channel(endpoints, wire_of(endpoints[0]), self._client))
        self._nodes[node] = added
        if self._lifetime is not None and not self._is_over:
            self._start(added)

    def remove(self, node: str) -> None:
        """Stops asking a node; a change of it that was not taken yet is dropped.

        Raises:
            ConfigError: no node has that name.
        """
        removed = self._nodes.pop(node, None)
        if removed is None:
            raise ConfigError(f"{node!r} is not monitored")
        removed.is_removed = True
        if removed.task is not None:
            removed.task.cancel()
        self._outlet.forget(node)

    def _start(self, node: _Node) -> None:
        assert self._lifetime is not None
        node.task = self._lifetime.reactor.spawn(self._watch, node)

    async def _watch(self, node: _Node) -> None:
        try:
            await self._ask(node)
        except Exception as error:  # noqa: BLE001 - not swallowed: whoever iterates, or leaves the monitor, gets it
            self._error = self._error or error
            self._outlet.close()

    async def _ask(self, node: _Node) -> None:
        async with node.channel:
            spread_s = _CONNECTING_S * len(self._nodes)
            track = HeartbeatTrack(self._config, anyio.current_time(), random.random(), spread_s)
            while True:
                await anyio.sleep_until(track.due)
                track.sent(anyio.current_time())
                shift = await self._beat(node, track)
                if shift is not None and not node.is_removed:
                    self._tell(node, shift)

    async def _beat(self, node: _Node, track: HeartbeatTrack) -> Transition | None:
        binding = self._binding
        request = binding.request(self._node_id, _now_ms())
        try:
            # The monitor may be entered in a handler: its beats outlive that call's deadline.
            answer = await node.channel.unary(
                binding.heartbeat, request, timeout_s=self._config.timeout_s, inherit=False
            )
        except RpcError as error:
            return track.missed(str(error)) if error.code in _SILENCE else track.refused(str(error))
        except CodecError as error:
            return track.refused(f"the answer cannot be read: {error}")
        node.answer = answer
        return track.answered(anyio.current_time(), self._reported(answer))

    def _reported(self, answer: R) -> Health:
        reported = self._binding.reported(answer)
        # A number that the enum does not know yet says nothing.
        return next((Health[name] for name, own in self._binding.healths.items() if own is reported), Health.UNKNOWN)

    def _tell(self, node: _Node, shift: Transition) -> None:
        node.health = shift.health
        self._outlet.put(
            MonitorChange(
                node=node.name,
                url=node.url,
                health=self._binding.healths[shift.health.name],
                previous=self._binding.healths[shift.previous.name],
                reason=shift.reason,
                answer=node.answer,
                time_ms=_now_ms(),
            )
        )


def _by_name(nodes: Mapping[str, str] | Iterable[str]) -> Iterable[tuple[str, str]]:
    given: object = nodes
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ConfigError(f"nodes is a list of URLs, or a mapping of names to URLs, not {given!r}")
    return nodes.items() if isinstance(nodes, Mapping) else ((url, url) for url in nodes)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
