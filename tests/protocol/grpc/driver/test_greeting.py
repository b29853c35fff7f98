"""The first words of a connection, whichever side has them."""

from __future__ import annotations

from eventflux_runtime import ClientConfig
from eventflux_runtime.carrier.api import PipeHandler
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.protocol.api import ConnectionState
from eventflux_runtime.protocol.grpc.driver.protocol import PROTOCOL
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.endpoint import parse_endpoint
from tests.support.toy_carrier import QueuePipe


class EagerPipe(QueuePipe):
    """A pipe that has read something before it is asked to, as that of an event loop of its own may have."""

    def start(self, handler: PipeHandler) -> None:
        self.handler = handler
        self._deliver()


def greeting() -> bytes:
    """What a server says first; gRPC's servers do so before they have read anything."""
    client = ClientMachine(Settings(), scheme="http", authority="h", user_agent="test", now=0.0)
    server = ServerMachine(Settings(), now=0.0)
    server.receive_data(client.data_to_send(), 0.0)
    return server.data_to_send()


async def test_a_server_may_speak_first() -> None:
    async with open_reactor() as reactor:
        pipe = EagerPipe(reactor, "grpc://h:1")
        pipe.queue.append(greeting())
        connection = await PROTOCOL.connect(pipe, parse_endpoint("grpc://h:1"), ClientConfig(), reactor)
        assert connection.state is ConnectionState.READY
        assert connection.max_calls == Settings().max_streams
        await connection.aclose()
