"""What expands counts as long as a call holds it, on its connection and over all: few bytes sent hold few in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    ClientConfig,
    CodecError,
    Compression,
    ConfigError,
    Context,
    ResourceExhausted,
    ServerConfig,
    Unknown,
)
from eventflux_runtime.compression.algorithm import compress
from eventflux_runtime.compression.expansion import ExpansionBudget, ExpansionBudgets
from eventflux_runtime.rpc.byte_counter import ByteCounter
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.wires import WIRES, address, connect, serve

PACKED = ClientConfig(compression=Compression.ZSTD)
PAYLOAD_BYTES = 100_000
CONFIG = ServerConfig(
    max_decompressed_bytes_per_connection=2 * PAYLOAD_BYTES + 50_000,
    max_decompressed_bytes=3 * PAYLOAD_BYTES + 50_000,
    compression=Compression.ZSTD,
    drain_grace_s=0,
)


class Holder(Probe):
    """Keeps what it is sent until it is released; counts how many it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self._changed = anyio.Event()

    def _keep(self, change: int) -> None:
        self.held += change
        self._changed.set()
        self._changed = anyio.Event()

    async def wait_held(self, count: int) -> None:
        """Waits until it keeps so many."""
        while self.held != count:
            await self._changed.wait()

    async def send_message(self, request: Message, context: Context) -> Message:
        if request.headers.get("do") == "pass":
            return Message(id="passed")
        if request.headers.get("do") == "crash":
            return await super().send_message(request, context)
        self._keep(1)
        try:
            await self.release.wait()
        finally:
            self._keep(-1)
        return Message()

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield Message(id=str(len(request.payload)))


class Clients:
    """Channels to one server, each with a connection of its own that packs what it sends."""

    def __init__(self, service: Holder, channels: list[Channel], tasks: anyio.abc.TaskGroup) -> None:
        self.service = service
        self.clients = [TransportClient(channel) for channel in channels]
        self._tasks = tasks
        self._unanswered: set[anyio.Event] = set()

    async def hold(self, index: int) -> None:
        """A call that the server's handler holds from then on."""
        before = self.service.held
        answered = anyio.Event()
        self._unanswered.add(answered)
        self._tasks.start_soon(self._call, index, answered)
        await self.service.wait_held(before + 1)

    async def _call(self, index: int, answered: anyio.Event) -> None:
        await self.clients[index].send_message(Message(payload=bytes(PAYLOAD_BYTES)))
        answered.set()

    async def wait_answered(self) -> None:
        """Waits for the answers to the calls that were held: an answer comes when its call holds nothing more."""
        for answered in self._unanswered:
            await answered.wait()

    async def send(self, index: int) -> Message:
        """A call that is answered at once."""
        message = Message(payload=bytes(PAYLOAD_BYTES), headers={"do": "pass"})
        return await self.clients[index].send_message(message)


@asynccontextmanager
async def clients(wire: str, tmp_path: Path, count: int, config: ServerConfig = CONFIG) -> AsyncIterator[Clients]:
    service = Holder()
    with anyio.fail_after(30):
        async with serve([service], address(wire, tmp_path), config=config) as server, AsyncExitStack() as stack:
            channels = [
                await stack.enter_async_context(connect(server.endpoints[0], config=PACKED)) for _ in range(count)
            ]
            for channel in channels:
                # On gRPC, requests are packed from the second call on.
                await TransportClient(channel).send_message(Message(headers={"do": "pass"}))
            async with anyio.create_task_group() as tasks:
                yield Clients(service, channels, tasks)
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("wire", WIRES)
async def test_what_handlers_hold_is_bounded_on_a_connection_and_over_all(wire: str, tmp_path: Path) -> None:
    async with clients(wire, tmp_path, 3) as them:
        await them.hold(0)
        await them.hold(0)
        with pytest.raises(ResourceExhausted, match="the limit max_decompressed_bytes_per_connection is 250000"):
            await them.send(0)
        await them.hold(1)
        with pytest.raises(ResourceExhausted, match="hold 300[0-9]{3} bytes, the limit max_decompressed_bytes is"):
            await them.send(1)
        with pytest.raises(ResourceExhausted, match="the limit max_decompressed_bytes is 350000"):
            await them.send(2)
        plain = Message(payload=bytes(PAYLOAD_BYTES), headers={"do": "pass"})
        assert (await them.clients[2].send_message(plain, compression=Compression.NONE)).id == "passed"
        them.service.release.set()
        await them.wait_answered()
        for index in range(3):
            assert (await them.send(index)).id == "passed"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_that_ends_in_any_way_gives_its_room_back(wire: str, tmp_path: Path) -> None:
    async with clients(wire, tmp_path, 1) as them:
        for _ in range(10):
            with anyio.move_on_after(0.5) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(them.clients[0].send_message, Message(payload=bytes(PAYLOAD_BYTES)))
                    await them.service.wait_held(1)
                    scope.cancel()
            await them.service.wait_held(0)
        for _ in range(10):
            with pytest.raises(Unknown):
                await them.clients[0].send_message(Message(payload=bytes(PAYLOAD_BYTES), headers={"do": "crash"}))
            async with them.clients[0].stream_messages() as stream:
                await stream.send(Message(payload=bytes(PAYLOAD_BYTES)))
                await stream.receive()
        await them.hold(0)
        assert (await them.send(0)).id == "passed"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_holds_one_message_at_a_time(wire: str, tmp_path: Path) -> None:
    async with clients(wire, tmp_path, 1) as them, them.clients[0].stream_messages() as stream:
        for _ in range(20):
            await stream.send(Message(payload=bytes(2 * PAYLOAD_BYTES)))
            assert (await stream.receive()).id == str(2 * PAYLOAD_BYTES)


@pytest.mark.parametrize("wire", WIRES)
async def test_one_message_has_room_where_nothing_is_held(wire: str, tmp_path: Path) -> None:
    config = ServerConfig(max_decompressed_bytes=1, max_decompressed_bytes_per_connection=1, drain_grace_s=0)
    async with clients(wire, tmp_path, 1, config) as them:
        for _ in range(3):
            assert (await them.send(0)).id == "passed"
        await them.hold(0)
        with pytest.raises(ResourceExhausted, match="the limit max_decompressed_bytes"):
            await them.send(0)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_a_channels_streams_hold_so_much_together(wire: str, tmp_path: Path) -> None:
    config = ClientConfig(compression=Compression.ZSTD, max_decompressed_bytes=2 * PAYLOAD_BYTES + 50_000)
    wanted = EventRequest(node_id="forever", batch_size=PAYLOAD_BYTES)
    with anyio.fail_after(30):
        async with (
            serve([Probe()], address(wire, tmp_path), config=CONFIG) as server,
            connect(server.endpoints[0], config=config) as channel,
            AsyncExitStack() as stack,
        ):
            client = TransportClient(channel)
            first = await stack.enter_async_context(client.stream_events(wanted))
            second = await stack.enter_async_context(client.stream_events(wanted))
            for _ in range(5):
                await first.receive()
                await second.receive()
            async with client.stream_events(wanted) as third:
                with pytest.raises(ResourceExhausted, match="the limit max_decompressed_bytes is 250000"):
                    await third.receive()
            big = Message(headers={"do": "size", "bytes": str(PAYLOAD_BYTES)})
            with pytest.raises(ResourceExhausted, match="the limit max_decompressed_bytes is 250000"):
                await client.send_message(big)
            second.cancel()
            for _ in range(5):
                assert len((await client.send_message(big)).payload) == PAYLOAD_BYTES
            async with client.stream_events(wanted) as fourth:
                await fourth.receive()


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_hundred_bombs_at_once_hold_what_the_limit_says(wire: str, tmp_path: Path) -> None:
    bomb = Message(payload=bytes(4 * 1024 * 1024))
    limit = 4 * len(bomb.payload)
    refusals: list[ResourceExhausted] = []
    all_refused = anyio.Event()

    async def attack(client: TransportClient) -> None:
        try:
            await client.send_message(bomb)
        except ResourceExhausted as error:
            refusals.append(error)
            if len(refusals) == 97:
                all_refused.set()

    config = ServerConfig(max_decompressed_bytes_per_connection=limit, drain_grace_s=0)
    async with clients(wire, tmp_path, 1, config) as them:
        tracemalloc.start()
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(attack, them.clients[0])
                await all_refused.wait()
                held, _ = tracemalloc.get_traced_memory()
                assert them.service.held == 3, "with what is around them, four payloads are more than the limit"
                tasks.cancel_scope.cancel()
        finally:
            tracemalloc.stop()
    assert held < limit + 4 * 1024 * 1024


def test_rooms_of_one_address_are_one_as_long_as_somebody_holds() -> None:
    budgets = ExpansionBudgets(ByteCounter(), CONFIG)
    first = budgets.of("ipv4:127.0.0.1:4000").loan()
    first.expand(Compression.ZSTD, compress(Compression.ZSTD, bytes(1000)), 1000)
    assert budgets.of("ipv4:127.0.0.1:4000").held == 1000
    assert budgets.of("ipv4:127.0.0.1:4001").held == 0
    del first
    assert budgets.of("ipv4:127.0.0.1:4000").held == 0
    assert budgets.of("unix:") is not budgets.of("unix:")


def test_what_does_not_expand_is_not_held() -> None:
    counter = ByteCounter()
    loan = ExpansionBudget(counter, 10_000, None).loan()
    packed = compress(Compression.ZSTD, bytes(1000))
    for _ in range(3):
        loan.expand(Compression.ZSTD, packed, 1000)
        assert counter.held == 1000
    with pytest.raises(CodecError):
        loan.expand(Compression.ZSTD, packed[:-1], 1000)
    assert counter.held == 0
    with pytest.raises(ResourceExhausted, match="the limit is 999"):
        loan.expand(Compression.ZSTD, packed, 999)
    loan.release()
    assert counter.held == 0


@pytest.mark.parametrize("owner", [ClientConfig, ServerConfig])
def test_a_limit_of_nothing_is_refused(owner: type[ClientConfig | ServerConfig]) -> None:
    with pytest.raises(ConfigError, match="max_decompressed_bytes must be at least 1 .*not 0"):
        owner(max_decompressed_bytes=0)
