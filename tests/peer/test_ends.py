"""Once the peer has closed a connection in order, `send` says so, with messages unread or without."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import Unavailable
from eventflux_transport import Connection, ConnectionState, Message, Transport, TransportFactory
from tests.support.nodes import LOOPBACK, PATIENCE_S, has_gone

UNREAD = [("tcp", 0), ("tcp", 3), ("tcp", 100), ("grpc", 0), ("grpc", 3)]
"""Transports, and how many messages nobody has received; gRPC tells an end only to who has come near to it.

On TCP they have to fit into the system's buffer, however it counts them: the end comes behind them. Of 1,000, with 71
bytes each, some systems under load kept a part back.
"""


async def both_ends(transport: Transport) -> tuple[Connection, Connection]:
    listener = await transport.listen(LOOPBACK)
    connected = await transport.connect(listener.local_addr)
    return connected, await transport.accept(listener)


@pytest.mark.parametrize("closer", ["connected", "accepted"])
@pytest.mark.parametrize(("name", "unread"), UNREAD)
async def test_send_raises_at_once_when_the_peer_has_closed(name: str, closer: str, unread: int) -> None:
    with anyio.fail_after(3 * PATIENCE_S):
        async with TransportFactory.create(name) as transport, anyio.create_task_group() as tasks:
            connected, accepted = await both_ends(transport)
            leaving, staying = (connected, accepted) if closer == "connected" else (accepted, connected)

            async def leave() -> None:
                for number in range(unread):
                    await transport.send(leaving, Message.event(b"%d" % number))
                await transport.close(leaving)

            tasks.start_soon(leave)
            await has_gone(staying)
            with pytest.raises(Unavailable):
                await transport.send(staying, Message.event(b"too late"))
            for number in range(unread):
                assert (await transport.receive(staying)).payload == b"%d" % number
            with pytest.raises(Unavailable):
                await transport.receive(staying)
            assert staying.state is ConnectionState.DISCONNECTED
