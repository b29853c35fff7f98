"""What a handler leaves running in the background, or leaves in its context, belongs to no later call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from eventflux_runtime import (
    Context,
    ServerConfig,
)
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportClient
from tests.support.nodes import body_of, frame, raw_connect, read_frame
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, serve

MARK: ContextVar[str] = ContextVar("mark", default="none")


class Relay(Probe):
    """Calls a second server, from its handler and from what its handler leaves behind."""

    def __init__(self, client: TransportClient, tasks: TaskGroup) -> None:
        super().__init__()
        self.client = client
        self.tasks = tasks
        self.returned = anyio.Event()
        self.done = anyio.Event()

    async def _later(self) -> None:
        await self.returned.wait()
        await self.client.send_message(Message(id="after"), timeout_s=None)
        self.done.set()

    async def send_message(self, request: Message, context: Context) -> Message:
        await self.client.send_message(Message(id="within"), timeout_s=None)
        self.tasks.start_soon(self._later)
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        await self.client.send_message(Message(id="within"), timeout_s=None)
        self.tasks.start_soon(self._later)
        yield Message()


class Marking(Probe):
    """Sets a variable of its context, and tells what it found there."""

    async def send_message(self, request: Message, context: Context) -> Message:
        found = MARK.get()
        MARK.set("set")
        await anyio.lowlevel.checkpoint()
        return Message.event(found.encode())

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_node_id=MARK.get())


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_stream", [False, True], ids=["unary", "stream"])
async def test_background_work_does_not_inherit_the_deadline(wire: str, is_stream: bool, tmp_path: Path) -> None:
    second = Probe()
    config = ServerConfig(drain_grace_s=0)
    with anyio.fail_after(20):
        async with (
            serve([second], "tcp://127.0.0.1:0", config=config) as behind,
            connect(behind.endpoints[0]) as inner,
            anyio.create_task_group() as tasks,
        ):
            relay = Relay(TransportClient(inner), tasks)
            async with (
                serve([relay], address(wire, tmp_path), config=config) as server,
                connect(server.endpoints[0]) as outer,
            ):
                client = TransportClient(outer)
                if is_stream:
                    async with client.stream_events(EventRequest(), timeout_s=5) as events:
                        assert len([message async for message in events]) == 1
                else:
                    await client.send_message(Message(), timeout_s=5)
                relay.returned.set()
                await relay.done.wait()
    assert [message.id for message in second.seen] == ["within", "after"]
    within, after = second.remaining_s
    assert within is not None
    assert 0 < within <= 5
    assert after is None


@pytest.mark.parametrize("wire", WIRES)
async def test_a_context_variable_reaches_no_later_call(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with (
            serve([Marking()], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server,
            connect(server.endpoints[0]) as channel,
        ):
            client = TransportClient(channel)
            for _ in range(5):
                assert (await client.send_message(Message())).payload == b"none"
                assert (await client.heartbeat(HeartbeatRequest())).server_node_id == "none"


async def test_a_context_variable_reaches_no_later_message_in_eventflux_frames() -> None:
    async with serve([Marking()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        with anyio.fail_after(20):
            async with await raw_connect(server.endpoints[0].removeprefix("tcp://")) as stream:
                await stream.send(frame(body_of(Message.event(b"a"))) * 5)
                for _ in range(5):
                    assert Message.from_wire(await read_frame(stream), "eventflux").payload == b"none"
