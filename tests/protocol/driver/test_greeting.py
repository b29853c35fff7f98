"""The first words of a connection, whichever side has them."""

from __future__ import annotations

from eventflux_runtime import ClientConfig
from eventflux_runtime.carrier.api import PipeHandler
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.protocol.api import ConnectionState
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.native.core import Connection, Settings
from eventflux_runtime.protocol.native.driver.protocol import PROTOCOL
from eventflux_runtime.rpc.endpoint import parse_endpoint
from tests.support.toy_carrier import QueuePipe


class EagerPipe(QueuePipe):
    """A pipe that has read something before it is asked to, as that of an event loop of its own may have."""

    def start(self, handler: PipeHandler) -> None:
        self.handler = handler
        self._deliver()


async def test_a_server_may_have_spoken_before_the_client_waits_for_it() -> None:
    server = Connection(Role.SERVER, Settings(max_streams=7), now=0.0)
    server.receive_data(Connection(Role.CLIENT, Settings(), now=0.0).data_to_send(), 0.0)
    endpoint = parse_endpoint("tcp://h:1")
    async with open_reactor() as reactor:
        pipe = EagerPipe(reactor, str(endpoint))
        pipe.queue.append(server.data_to_send())
        connection = await PROTOCOL.connect(pipe, endpoint, ClientConfig(), reactor)
        assert connection.state is ConnectionState.READY
        assert connection.max_calls == 7
        await connection.aclose()
