"""A carrier as somebody else would write one: bytes go through a pair of queues within the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import anyio

from eventflux_runtime import ClientConfig, ServerConfig
from eventflux_runtime.carrier.api import Pipe, PipeHandler
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.scheme import SCHEMES, AddressForm, Scheme


class QueuePipe:
    is_congested = False
    unsent_bytes = 0

    def __init__(self, reactor: Reactor, name: str) -> None:
        self.peer, self.reactor = Peer(name), reactor
        self.queue: deque[bytes | None] = deque()  # None: the end
        self.others: deque[bytes | None] = deque()
        self.wake_other: Callable[[], None] = lambda: None
        self.handler: PipeHandler | None = None
        self.is_paused, self.lost = False, anyio.Event()

    def start(self, handler: PipeHandler) -> None:
        self.handler = handler
        self.wake()

    def write(self, data: bytes | None) -> None:
        if not self.lost.is_set():
            self.others.append(data)
            self.wake_other()

    def wake(self) -> None:
        self.reactor.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self.queue and self.handler is not None and not self.is_paused and not self.lost.is_set():
            data = self.queue.popleft()
            if data is not None:
                self.handler.on_data(data)
            else:
                self.abort()

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        self.wake()

    def abort(self) -> None:
        if not self.lost.is_set():
            self.write(None)
            self.lost.set()
            if self.handler is not None:
                self.reactor.call_soon(partial(self.handler.on_lost, None))

    close = abort

    async def wait_closed(self) -> None:
        await self.lost.wait()


class QueueListener:
    def __init__(self, endpoint: Endpoint, reactor: Reactor) -> None:
        self.endpoint, self.reactor = endpoint, reactor

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        self.on_pipe = on_pipe
        LISTENERS[self.endpoint.path] = self

    def stop_accepting(self) -> None:
        LISTENERS.pop(self.endpoint.path, None)

    async def aclose(self) -> None:
        self.stop_accepting()


class QueueCarrier:
    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        listener = LISTENERS.get(endpoint.path)
        if listener is None:
            raise ConnectionRefusedError
        client, server = QueuePipe(reactor, str(endpoint)), QueuePipe(listener.reactor, str(endpoint))
        client.others, server.others = server.queue, client.queue
        client.wake_other, server.wake_other = server.wake, client.wake
        listener.on_pipe(server)
        return client

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> QueueListener:
        return QueueListener(endpoint, reactor)


LISTENERS: dict[str, QueueListener] = {}
CARRIER = QueueCarrier()
SCHEME = Scheme(
    name="queue",
    form=AddressForm.NAME,
    carrier="tests.support.toy_carrier:CARRIER",
    protocol=SCHEMES["tcp"].protocol,
)
