"""What a client makes of a server that sends more responses than the method has, in one kind of frame or in two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio.abc import SocketStream

from eventflux_runtime import Unimplemented, connect
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.driver.packing import write_packed
from eventflux_runtime.protocol.native.core import Connection, MethodEntry, Settings
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.rpc.status import OK_STATUS
from eventflux_transport import TransportMessage
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE
from tests.support.tcp_server import serving

METHODS = (MethodEntry(TRANSPORT_SEND_MESSAGE.path, TRANSPORT_SEND_MESSAGE.fingerprint),)
RESPONSE = TransportMessage(id="only").to_wire()


@asynccontextmanager
async def answering(messages: int, in_status: bool) -> AsyncIterator[str]:
    """A server that answers each call with this many messages, and one in the status; its URL."""

    async def answer(pipe: SocketStream) -> None:
        server = Connection(Role.SERVER, Settings(), METHODS, now=0.0)
        async with pipe:
            async for data in pipe:
                for event in server.receive_data(data, 0.0):
                    if isinstance(event, MethodOpened):
                        for _ in range(messages):
                            server.send_message(event.stream_id, RESPONSE, write_packed)
                        server.send_status(event.stream_id, OK_STATUS, RESPONSE, write_packed if in_status else None)
                await pipe.send(server.data_to_send())

    async with serving(answer) as port:
        yield f"tcp://127.0.0.1:{port}"


@pytest.mark.parametrize(("messages", "in_status"), [(0, True), (1, False)])
async def test_the_only_response_comes_in_either_frame(messages: int, in_status: bool) -> None:
    async with answering(messages, in_status) as url, connect(url) as channel:
        assert (await channel.unary(TRANSPORT_SEND_MESSAGE, TransportMessage())).id == "only"


@pytest.mark.parametrize(("messages", "in_status"), [(0, False), (1, True), (2, False)])
async def test_a_unary_call_has_one_response(messages: int, in_status: bool) -> None:
    async with answering(messages, in_status) as url, connect(url) as channel:
        with pytest.raises(Unimplemented, match="no response" if messages + in_status == 0 else "more than one"):
            await channel.unary(TRANSPORT_SEND_MESSAGE, TransportMessage())
