"""The hub of a node that several processes serve: what one of them is given reaches the subscribers of all.

Each worker has a hub of its own, and an inbox: a Unix socket in a folder that only the workers of the node use. One
that has subscribers says so by a file there, and every other one sends it each event before it acknowledges that.

Invariants, beside those of `Hub`:

- The file of a worker is there before its first subscriber is told that it is subscribed, and until its last one is
  gone; its inbox is open for longer than that.
- An event that could not be handed to a worker that may still have subscribers fails at its publisher.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio

from eventflux_node.filter import Filter
from eventflux_node.hub import Hub, Subscription
from eventflux_runtime import Channel, Context, PoolTimeout, RpcError, ServerConfig, Unavailable, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportService,
)

__all__ = ["SharedHub"]

_WANTS: Final = ".wants"
"""Ends the name of the file that says that a worker has subscribers; before it stands the number of its process."""
_INBOX: Final = ServerConfig(health=False, reflection=False, drain_grace_s=0.0)


class SharedHub(Hub):
    """One worker's hub. It takes part while `taking_part` is open."""

    def __init__(
        self, folder: Path, *, pid: int | None = None, buffer_events: int = 4096, patience_s: float = 10.0
    ) -> None:
        """The hub of a worker.

        Args:
            folder: where the workers of the node find each other.
            pid: the number of the worker's process; None: of this one.
            buffer_events: as `Hub` takes it.
            patience_s: as `Hub` takes it.
        """
        super().__init__(buffer_events=buffer_events, patience_s=patience_s)
        self._folder = folder
        self._own = f"{os.getpid() if pid is None else pid}{_WANTS}"
        self._channels: dict[str, Channel] = {}

    @asynccontextmanager
    async def taking_part(self) -> AsyncGenerator[None]:
        """Takes what other workers hand over, for as long as the context is open.

        Raises:
            ConfigError: the folder does not take a socket.
        """
        try:
            async with serve([_Inbox(self)], self._url(self._own), config=_INBOX):
                yield
        finally:
            self._wants_nothing()
            with anyio.CancelScope(shield=True):
                for channel in self._channels.values():
                    await channel.aclose()

    @contextmanager
    def subscribe(self, wanted: Filter, buffer_events: int = 0) -> Generator[Subscription]:
        """See `Hub.subscribe`."""
        with super().subscribe(wanted, buffer_events) as subscription:
            if self.subscription_count == 1:
                (self._folder / self._own).touch()
            try:
                yield subscription
            finally:
                if self.subscription_count == 1:
                    self._wants_nothing()

    async def publish(self, message: Message) -> None:
        """See `Hub.publish`; hands the message to the other workers that have subscribers, too.

        Raises:
            Unavailable: the hub is closed, or another worker could not be given the message.
        """
        others = [name for name in os.listdir(self._folder) if name.endswith(_WANTS) and name != self._own]
        if not others:
            await self.take(message)
            return
        failures: list[RpcError] = []

        async def hand_over(name: str) -> None:
            try:
                await self._hand_over(name, message)
            except RpcError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for name in others:
                tasks.start_soon(hand_over, name)
            try:
                await self.take(message)
            except RpcError as error:
                failures.insert(0, error)
        if failures:
            raise failures[0]

    async def take(self, message: Message) -> None:
        """Hands a message to the subscriptions of this worker alone; see `Hub.publish`."""
        await super().publish(message)

    def close(self) -> None:
        """See `Hub.close`."""
        super().close()
        self._wants_nothing()

    def _wants_nothing(self) -> None:
        with suppress(FileNotFoundError):
            (self._folder / self._own).unlink()

    def _url(self, name: str) -> str:
        return f"unix://{self._folder}/{name.removesuffix(_WANTS)}"

    async def _hand_over(self, name: str, message: Message) -> None:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = connect(self._url(name))
            await channel.open()
        try:
            await TransportClient(channel).send_message(message)
        except PoolTimeout:
            raise
        except Unavailable:
            if self._is_there(name):
                raise
            # Its subscribers have been told, or are gone with it.
            self._channels.pop(name, None)
            await channel.aclose()

    def _is_there(self, name: str) -> bool:
        """Whether a worker may have subscribers; what is left of one that died is removed."""
        try:
            os.kill(int(name.removesuffix(_WANTS)), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()
        return (self._folder / name).exists()


class _Inbox(TransportService):
    """Takes what the other workers hand over; they call nothing else."""

    def __init__(self, hub: SharedHub) -> None:
        self._hub = hub

    async def send_message(self, request: Message, context: Context) -> Message:
        await self._hub.take(request)
        return Message()

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            await self._hub.take(request)
            yield Message()

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        events: tuple[Message, ...] = ()
        for event in events:
            yield event

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse()
