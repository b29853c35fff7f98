"""Methods whose layouts differ on the two sides: their messages travel as protobuf, for which nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketStream

from eventflux_runtime import Context, StatusCode, connect, serve
from eventflux_runtime.codegen_api import AnyBinding, Binding, Service
from eventflux_runtime.protocol.core.event import Event, StatusReceived
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.driver.packing import write_packed
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import Settings
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_transport import EventRequest, TransportMessage
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE, TRANSPORT_STREAM_EVENTS
from tests.support.unknown import unknown_to

NEWER = b"\xa0\x06\x05"
"""A field that only a newer version of the message has."""
TCP = "tcp://127.0.0.1:0"


class Node(Service):
    """Returns what it gets."""

    def _bindings(self) -> Sequence[AnyBinding]:
        return [
            Binding.unary(TRANSPORT_SEND_MESSAGE, self.send_message),
            Binding.server_streaming(TRANSPORT_STREAM_EVENTS, self.stream_events),
        ]

    async def send_message(self, request: TransportMessage, context: Context) -> TransportMessage:
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[TransportMessage]:
        for number in range(request.batch_size):
            yield unknown_to(TransportMessage(id=request.node_id, priority=number), request.unknown_fields)


async def test_what_one_side_does_not_know_comes_back() -> None:
    other = replace(TRANSPORT_SEND_MESSAGE, fingerprint=1)
    request = unknown_to(TransportMessage(id="i", headers={"k": "v"}, payload=bytes(200)), NEWER)
    async with serve([Node()], TCP) as server, connect(server.endpoints[0]) as channel:
        assert await channel.unary(other, request) == request
        in_native_layout = await channel.unary(TRANSPORT_SEND_MESSAGE, request)
    assert in_native_layout == TransportMessage.from_wire(request.to_wire()) != request


async def test_streams_fall_back_too() -> None:
    other = replace(TRANSPORT_STREAM_EVENTS, fingerprint=1)
    request = unknown_to(EventRequest(node_id="n", batch_size=3), NEWER)
    async with (
        serve([Node()], TCP) as server,
        connect(server.endpoints[0]) as channel,
        channel.server_streaming(other, request) as events,
    ):
        got = [event async for event in events]
    assert [event.priority for event in got] == [0, 1, 2]
    assert {event.unknown_fields for event in got} == {NEWER}


@pytest.mark.parametrize("has_protobuf", [False, True])
async def test_a_client_has_to_announce_protobuf_to_ask_for_it(has_protobuf: bool) -> None:
    client = Connection(Role.CLIENT, Settings(has_protobuf=has_protobuf), now=0.0)
    async with serve([Node()], TCP) as server:
        endpoint = parse_endpoint(server.endpoints[0])
        async with await anyio.connect_tcp(endpoint.host, endpoint.port) as pipe:
            await exchange(client, pipe)
            client.open(0, -1, EMPTY_METADATA, b"", write_packed, protobuf=True)
            (ended,) = await exchange(client, pipe)
    assert isinstance(ended, StatusReceived)
    assert ended.status.code == (StatusCode.OK if has_protobuf else StatusCode.UNIMPLEMENTED)


async def exchange(client: Connection, pipe: SocketStream) -> list[Event]:
    """Sends what the client has to say; what it makes of the answer."""
    await pipe.send(client.data_to_send())
    events: list[Event] = []
    while not events:
        events = client.receive_data(await pipe.receive(), 0.0)
    return events


WITHOUT_PROTOBUF = """
import sys
sys.modules["google.protobuf"] = None
import anyio
from dataclasses import replace
from eventflux_runtime import connect, serve
from eventflux_runtime.codegen_api import Binding, Service
from eventflux_transport import TransportMessage
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE

class Node(Service):
    def _bindings(self):
        return [Binding.unary(TRANSPORT_SEND_MESSAGE, self.send_message)]

    async def send_message(self, request, context):
        return request

async def main():
    async with serve([Node()], "tcp://127.0.0.1:0") as server, connect(server.endpoints[0]) as channel:
        method = replace(TRANSPORT_SEND_MESSAGE, fingerprint=1)
        print((await channel.unary(method, TransportMessage(id="i"))).id)

anyio.run(main)
"""


def test_it_needs_no_protobuf() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PROTOBUF], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("i\n", "")
