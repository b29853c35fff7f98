"""gRPC's interoperability cases on the native protocol, between us and a peer in Rust that shares no code with us.

The peer is written from docs/protocol.md, with serde, bincode and prost, so these tests judge that page, too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    ClientConfig,
    Compression,
    Context,
    ErrorDetail,
    KeepaliveConfig,
    RpcError,
    ServerConfig,
    Status,
    StatusCode,
    Unimplemented,
    connect,
    serve,
)
from interop_package import (
    EchoStatus,
    Payload,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingOutputCallRequest,
)
from interop_package import (
    TestServiceClient as Client,
)
from interop_package.methods import TEST_SERVICE_EMPTY_CALL
from tests.interop.conftest import Program, required
from tests.support.interop_cases import CASES, large_request
from tests.support.interop_service import Interop

PROGRAM = required("EVENTFLUX_NATIVE_PEER", "the native peer in Rust", "interop-rust")
PEER = Program([PROGRAM])
SMALL_WINDOWS = ("stream_window=16384", "connection_window=16384")
HUGE_BYTES = 3_000_000
SIZES = (70_000, 5, 0, 150_000)
ALGORITHMS = [Compression.LZ4, Compression.SNAPPY, Compression.GZIP]
NUMBERS = {Compression.LZ4: 1, Compression.SNAPPY: 2, Compression.GZIP: 4}
LONG_S = 30.0
QUIET_US = 900_000
"""How long a server says nothing: less than the second that it asks for between two pings."""
IMPATIENT = KeepaliveConfig(interval_s=0.01, timeout_s=0.06)
"""Left alone it would ping fifteen times in that quiet, and a burst may be of ten."""


@pytest.fixture(scope="module")
def their_server() -> Iterator[str]:
    """Their server as it is without options, one for all tests; its URL."""
    with subprocess.Popen(PEER.line("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"tcp://{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.parametrize("name", CASES)
async def test_our_client_and_their_server(their_server: str, name: str) -> None:
    async with connect(their_server) as channel:
        await CASES[name](channel)


@pytest.mark.parametrize("name", CASES)
async def test_their_client_and_our_server(name: str) -> None:
    await run_their_case(name, Interop())


async def run_their_case(name: str, service: Interop, *options: str, config: ServerConfig | None = None) -> None:
    config = config or ServerConfig(drain_grace_s=0)
    async with serve([service], "tcp://127.0.0.1:0", config=config) as server:
        assert await PEER.run("case", server.endpoints[0].removeprefix("tcp://"), name, *options) == name


async def how_it_came(channel: Channel) -> str:
    """How a request travelled, as their server tells."""
    request = large_request()
    request.fill_username = True
    return (await Client(channel).unary_call(request, timeout_s=LONG_S)).username


async def test_equal_fingerprints_mean_the_native_layout(their_server: str) -> None:
    async with connect(their_server) as channel:
        assert await how_it_came(channel) == "native"


@pytest.mark.parametrize("name", CASES)
async def test_our_client_falls_back_to_protobuf(name: str) -> None:
    async with Program([PROGRAM], ["differ"]).serving() as address, connect(f"tcp://{address}") as channel:
        await CASES[name](channel)
        assert await how_it_came(channel) == "protobuf"


@pytest.mark.parametrize("name", CASES)
async def test_their_client_falls_back_to_protobuf(name: str) -> None:
    await run_their_case(name, Interop(), "differ")


async def test_our_client_names_both_fingerprints_if_their_server_has_no_protobuf() -> None:
    program = Program([PROGRAM], ["differ", "features=0"])
    ours = TEST_SERVICE_EMPTY_CALL.fingerprint
    async with program.serving() as address, connect(f"tcp://{address}") as channel:
        with pytest.raises(Unimplemented, match=f"/EmptyCall.*{ours:016x}.*{ours ^ 1:016x}"):
            await CASES["empty_unary"](channel)


@pytest.mark.parametrize(
    "name",
    [
        "extension_frame",
        "first_message_in_open",
        "huge_messages",
        "many_streams",
        "ping",
        "server_deadline",
        "too_many_pings",
        "unasked_protobuf",
        "unknown_method_id",
    ],
)
async def test_their_clients_native_case_and_our_server(name: str) -> None:
    await run_their_case(name, Interop())


async def test_their_client_has_not_announced_protobuf() -> None:
    await run_their_case("unannounced_protobuf", Interop(), "features=0")


async def test_their_client_goes_over_our_limits() -> None:
    config = ServerConfig(drain_grace_s=0, max_calls_per_connection=3, max_message_bytes=20_000)
    await run_their_case("too_many_streams", Interop(), config=config)
    await run_their_case("too_large_message", Interop(), config=config)


class Detailing(Interop):
    async def unary_call(self, request: SimpleRequest, context: Context) -> SimpleResponse:
        context.set_trailers([("x-text", "of trailers"), ("x-bytes-bin", b"\0\xff")])
        details = (ErrorDetail("type.googleapis.com/demo.One", b"\x08\x01"), ErrorDetail("two", b""))
        raise RpcError.from_status(Status(StatusCode.UNKNOWN, "with details", details))


async def test_their_client_gets_our_details() -> None:
    await run_their_case("status_details", Detailing())


async def test_our_client_gets_their_details(their_server: str) -> None:
    wanted = EchoStatus(code=5, message="nobody")
    async with connect(their_server) as channel:
        with pytest.raises(RpcError) as failed:
            await Client(channel).unary_call(SimpleRequest(response_status=wanted), timeout_s=LONG_S)
    error = failed.value
    expected = ErrorDetail("type.googleapis.com/grpc.testing.EchoStatus", wanted.to_protobuf())
    assert (error.code, error.message, error.details) == (StatusCode.NOT_FOUND, "nobody", (expected,))


@pytest.mark.parametrize("name", [*CASES, "many_streams"])
async def test_their_client_has_small_windows(name: str) -> None:
    await run_their_case(name, Interop(), *SMALL_WINDOWS)


@pytest.mark.parametrize("name", CASES)
async def test_their_server_has_small_windows(name: str) -> None:
    async with Program([PROGRAM], SMALL_WINDOWS).serving() as address, connect(f"tcp://{address}") as channel:
        await CASES[name](channel)


@pytest.mark.parametrize("options", [(), SMALL_WINDOWS], ids=["default", "small"])
async def test_many_streams_share_their_servers_windows(options: tuple[str, ...]) -> None:
    async with (
        Program([PROGRAM], options).serving() as address,
        connect(f"tcp://{address}") as channel,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(8):
            tasks.start_soon(exchange, channel)


async def test_messages_that_no_window_of_theirs_holds(their_server: str) -> None:
    request = SimpleRequest(response_size=HUGE_BYTES, payload=Payload(body=bytes(HUGE_BYTES)))
    async with connect(their_server) as channel:
        response = await Client(channel).unary_call(request, timeout_s=LONG_S)
    assert response.payload == Payload(body=bytes(HUGE_BYTES))


async def exchange(channel: Channel) -> None:
    async with Client(channel).full_duplex_call(timeout_s=LONG_S) as stream:
        for size in SIZES:
            parameters = [ResponseParameters(size=size)]
            await stream.send(
                StreamingOutputCallRequest(response_parameters=parameters, payload=Payload(body=bytes(size)))
            )
            response = await stream.receive()
            assert response.payload == Payload(body=bytes(size))
        await stream.end()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=str)
async def test_our_client_and_their_server_compress(algorithm: Compression) -> None:
    program, config = Program([PROGRAM], [f"compression={NUMBERS[algorithm]}"]), ClientConfig(compression=algorithm)
    async with program.serving() as address, connect(f"tcp://{address}", config=config) as channel:
        assert await how_it_came(channel) == "native, compressed"
        for name in ("large_unary", "client_streaming", "server_streaming", "ping_pong"):
            await CASES[name](channel)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=str)
async def test_their_client_and_our_server_compress(algorithm: Compression) -> None:
    config, option = ServerConfig(drain_grace_s=0, compression=algorithm), f"compression={NUMBERS[algorithm]}"
    for name in ("compressed_response", "client_streaming", "server_streaming", "ping_pong"):
        await run_their_case(name, Interop(), option, config=config)


async def test_their_last_response_rides_in_the_status(their_server: str) -> None:
    request = StreamingOutputCallRequest(response_parameters=[ResponseParameters(size=size) for size in (3, 2, 1)])
    async with connect(their_server) as channel:
        client = Client(channel)
        metadata = [("x-last-in-status", "yes")]
        async with client.streaming_output_call(request, metadata=metadata, timeout_s=LONG_S) as stream:
            assert [len(response.payload.body) async for response in stream if response.payload] == [3, 2, 1]


async def test_their_second_response_fails_the_call(their_server: str) -> None:
    twice = [("x-twice", "yes")]
    async with connect(their_server) as channel:
        client = Client(channel)
        with pytest.raises(Unimplemented):
            await client.unary_call(SimpleRequest(), metadata=twice, timeout_s=LONG_S)
        async with client.streaming_input_call(metadata=twice, timeout_s=LONG_S) as stream:
            with pytest.raises(Unimplemented):
                await stream.finish()


async def test_our_client_pings_as_seldom_as_their_server_asks(their_server: str) -> None:
    parameters = [ResponseParameters(size=1, interval_us=QUIET_US)]
    async with connect(their_server, config=ClientConfig(keepalive=IMPATIENT)) as channel:
        request = StreamingOutputCallRequest(response_parameters=parameters)
        async with Client(channel).streaming_output_call(request, timeout_s=LONG_S) as stream:
            assert [response.payload async for response in stream] == [Payload(body=b"\0")]


async def connection_of(channel: Channel) -> str:
    response = await Client(channel).unary_call(SimpleRequest(fill_server_id=True), timeout_s=LONG_S)
    return response.server_id


async def test_their_server_drains(their_server: str) -> None:
    asking = StreamingOutputCallRequest(response_parameters=[ResponseParameters(size=1)])
    async with connect(their_server) as channel:
        first = await connection_of(channel)
        metadata = [("x-drain", "yes")]
        async with Client(channel).full_duplex_call(metadata=metadata, timeout_s=LONG_S) as stream:
            await stream.send(asking)
            await stream.receive()
            with anyio.fail_after(LONG_S):
                while await connection_of(channel) == first:
                    pass  # the GOAWAY is on its way
            await stream.send(asking)
            await stream.receive()
            await stream.end()
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert await connection_of(channel) != first


async def test_our_server_drains() -> None:
    asked = anyio.Event()

    class Asked(Interop):
        async def full_duplex_call(self, requests: Any, context: Context) -> Any:
            async for response in super().full_duplex_call(requests, context):
                yield response
                asked.set()

    async with anyio.create_task_group() as tasks:
        server = serve([Asked()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=LONG_S))
        async with server:
            address = server.endpoints[0].removeprefix("tcp://")
            tasks.start_soon(PEER.run, "case", address, "drain")
            await asked.wait()
