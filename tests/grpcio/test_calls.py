"""Calls of all four kinds through the transport, on every event loop: messages, metadata, statuses, limits."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime.protocol.api import CallHead, ClientCall, ResponseInfo
from eventflux_runtime.rpc.config import ClientConfig, Compression, ServerConfig
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.rpc_error import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    RpcError,
    Unimplemented,
    Unknown,
)
from eventflux_runtime.rpc.status import ErrorDetail, StatusCode
from tests.support.grpc_harness import (
    ABSENT,
    CHAT,
    COUNT,
    ECHO,
    HEAD,
    JOIN,
    UNDECODABLE,
    UNENCODABLE,
    Note,
    Notes,
    connected,
    drained,
    linked,
    listening,
    remaining_head,
)
from tests.support.proxy import proxied

pytestmark = pytest.mark.usefixtures("anyio_backend")

SENT = Metadata([("trace-id", "42"), ("payload-bin", b"\x00\xff"), ("trace-id", "43")])


async def test_unary_returns_the_reply() -> None:
    async with linked(Notes()) as connection:
        assert await connection.unary(ECHO, Note("héllo"), HEAD) == Note("héllo")
        assert connection.active_calls == 0


async def test_many_unary_calls_at_a_time_each_get_their_own_reply() -> None:
    replies: dict[int, str] = {}
    async with linked(Notes()) as connection, anyio.create_task_group() as tasks:

        async def ask(number: int) -> None:
            replies[number] = (await connection.unary(ECHO, Note(str(number)), HEAD)).text

        for number in range(100):
            tasks.start_soon(ask, number)
    assert replies == {number: str(number) for number in range(100)}


async def test_server_streaming_brings_every_response_and_the_status() -> None:
    async with linked(Notes(trailers={"left": "0"})) as connection:
        call = connection.start(COUNT, HEAD)
        await call.send(Note(" ".join(map(str, range(50)))))
        await call.end()
        assert await drained(call) == [str(number) for number in range(50)]
        assert call.status is not None
        assert call.status.code is StatusCode.OK
        assert call.status.trailers == Metadata([("left", "0")])
        with pytest.raises(anyio.EndOfStream):
            await call.receive()


async def test_server_streaming_takes_one_request() -> None:
    async with linked(Notes()) as connection:
        call = connection.start(COUNT, HEAD)
        await call.send(Note("a"))
        with pytest.raises(anyio.ClosedResourceError):
            await call.send(Note("b"))
        assert await drained(call) == ["a"]


async def test_client_streaming_takes_every_request() -> None:
    async with linked(Notes()) as connection:
        call = connection.start(JOIN, HEAD)
        for number in range(50):
            await call.send(Note(str(number)))
        await call.end()
        await call.end()
        assert await drained(call) == [" ".join(map(str, range(50)))]
        with pytest.raises(anyio.ClosedResourceError):
            await call.send(Note("late"))


async def test_bidi_converses() -> None:
    async with linked(Notes()) as connection:
        call = connection.start(CHAT, HEAD)
        for text in ("a", "b", "c"):
            await call.send(Note(text))
            assert await call.receive() == Note(text)
        assert call.status is None
        await call.end()
        assert await drained(call) == []
        assert connection.active_calls == 0


async def test_send_and_receive_run_side_by_side() -> None:
    texts = [str(number) for number in range(300)]
    async with linked(Notes()) as connection, anyio.create_task_group() as tasks:
        call = connection.start(CHAT, HEAD)

        async def send_all() -> None:
            for text in texts:
                await call.send(Note(text))
            await call.end()

        tasks.start_soon(send_all)
        assert await drained(call) == texts


async def test_metadata_reaches_the_handler_and_nothing_else_does() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        await connection.unary(ECHO, Note("a"), CallHead(metadata=SENT))
        call = connection.start(CHAT, CallHead(metadata=SENT))
        await call.end()
        assert await drained(call) == []
    for context in notes.contexts:
        assert sorted(context.metadata.pairs, key=str) == sorted(SENT.pairs, key=str)
        assert context.metadata.get_all("trace-id") == ("42", "43")


@pytest.mark.parametrize("method", [COUNT, CHAT], ids=lambda method: method.name)
async def test_initial_metadata_and_trailers_come_back_from_streams(method: Method[Note, Note]) -> None:
    notes = Notes(initial={"node": "n1"}, trailers={"cost-bin": b"\x01"})
    async with linked(notes) as connection:
        info = ResponseInfo()
        call = connection.start(method, CallHead(response=info))
        await call.send(Note("a"))
        assert await call.initial_metadata() == Metadata([("node", "n1")])
        await call.end()
        assert await drained(call) == ["a"]
        assert await call.initial_metadata() == Metadata([("node", "n1")])
        assert info.initial_metadata == Metadata([("node", "n1")])
        assert info.trailers == Metadata([("cost-bin", b"\x01")])


async def test_initial_metadata_and_trailers_come_back_from_unary() -> None:
    info = ResponseInfo()
    async with linked(Notes(initial={"node": "n1"}, trailers={"cost-bin": b"\x01"})) as connection:
        await connection.unary(ECHO, Note("a"), CallHead(response=info))
    assert info.initial_metadata == Metadata([("node", "n1")])
    assert info.trailers == Metadata([("cost-bin", b"\x01")])


async def test_a_call_without_metadata_has_none() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        info = ResponseInfo()
        await connection.unary(ECHO, Note("a"), CallHead(response=info))
    assert info.initial_metadata == EMPTY_METADATA
    assert info.trailers == EMPTY_METADATA
    assert notes.contexts[0].metadata == EMPTY_METADATA


FAILURE = NotFound(
    "no such nöte\nat all",
    details=[ErrorDetail("type.googleapis.com/test.Why", b"\x08\x01"), ErrorDetail("type.googleapis.com/test.No", b"")],
    metadata={"hint": "look elsewhere"},
)


async def failure_of(call: ClientCall[Note, Note]) -> RpcError:
    """The error with which a call ends."""
    with pytest.raises(RpcError) as caught:
        await drained(call)
    assert call.status == caught.value.status
    with pytest.raises(type(caught.value)):
        await call.receive()
    return caught.value


def check_failure(error: RpcError) -> None:
    """It is FAILURE, whole."""
    assert type(error) is NotFound
    assert error.message == FAILURE.message
    assert error.details == FAILURE.details
    assert error.metadata == Metadata([("hint", "look elsewhere"), ("left", "1")]) or error.metadata == Metadata(
        [("left", "1"), ("hint", "look elsewhere")]
    )
    assert not error.unprocessed


async def test_a_unary_failure_arrives_whole() -> None:
    info = ResponseInfo()
    async with linked(Notes(failure=FAILURE, initial={"node": "n1"}, trailers={"left": "1"})) as connection:
        with pytest.raises(NotFound) as caught:
            await connection.unary(ECHO, Note("fail"), CallHead(response=info))
    check_failure(caught.value)
    assert info.initial_metadata == Metadata([("node", "n1")])
    assert info.trailers.get("left") == "1"


@pytest.mark.parametrize("method", [COUNT, JOIN, CHAT], ids=lambda method: method.name)
async def test_a_streaming_failure_arrives_whole(method: Method[Note, Note]) -> None:
    async with linked(Notes(failure=FAILURE, trailers={"left": "1"})) as connection:
        call = connection.start(method, HEAD)
        await call.send(Note("fail"))
        check_failure(await failure_of(call))


async def test_responses_ahead_of_a_failure_are_delivered_first() -> None:
    async with linked(Notes(failure=FAILURE)) as connection:
        call = connection.start(COUNT, HEAD)
        await call.send(Note("a b fail"))
        assert await call.receive() == Note("a")
        assert await call.receive() == Note("b")
        with pytest.raises(NotFound):
            await call.receive()


async def test_an_unexpected_error_of_a_handler_is_unknown() -> None:
    async with linked(Notes(failure=ValueError("secret"))) as connection:
        with pytest.raises(Unknown) as caught:
            await connection.unary(ECHO, Note("fail"), HEAD)
    assert "secret" not in str(caught.value)


async def test_an_unknown_method_is_unimplemented() -> None:
    async with linked(Notes()) as connection:
        with pytest.raises(Unimplemented):
            await connection.unary(ABSENT, Note("a"), HEAD)


async def test_a_request_that_cannot_be_encoded_is_not_sent() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        with pytest.raises(CodecError, match="cannot be encoded"):
            await connection.unary(ECHO, Note(UNENCODABLE), HEAD)
        call = connection.start(CHAT, HEAD)
        with pytest.raises(CodecError, match="cannot be encoded"):
            await call.send(Note(UNENCODABLE))
        await call.send(Note("still there"))
        assert await call.receive() == Note("still there")
        call.cancel()
    assert notes.received == ["still there"]


async def test_a_request_that_cannot_be_decoded_is_an_invalid_argument() -> None:
    async with linked(Notes()) as connection:
        with pytest.raises(InvalidArgument, match="cannot be decoded"):
            await connection.unary(ECHO, Note(UNDECODABLE), HEAD)
        call = connection.start(JOIN, HEAD)
        await call.send(Note(UNDECODABLE))
        assert isinstance(await failure_of(call), InvalidArgument)


async def test_a_response_that_cannot_be_encoded_is_internal() -> None:
    async with linked(Answering(UNENCODABLE)) as connection:
        with pytest.raises(Internal, match="cannot be encoded"):
            await connection.unary(ECHO, Note("a"), HEAD)


async def test_a_response_that_cannot_be_decoded_is_the_calls_error() -> None:
    async with linked(Answering(UNDECODABLE)) as connection:
        with pytest.raises(Internal, match="cannot be decoded") as caught:
            await connection.unary(ECHO, Note("a"), HEAD)
        assert isinstance(caught.value.__cause__, CodecError)
        call = connection.start(CHAT, HEAD)
        await call.send(Note("a"))
        for _ in range(2):
            with pytest.raises(Internal, match="cannot be decoded"):
                await call.receive()


class Answering(Notes):
    """Answers every unary call and every chat with one text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    async def echo(self, request: Note, context: object) -> Note:
        return Note(self.text)

    async def chat(self, requests: object, context: object) -> object:  # type: ignore[override] # any iterator will do
        yield Note(self.text)


async def test_the_limit_of_a_message_holds_on_every_side() -> None:
    small = 1000
    big, fitting = Note("x" * (small + 1)), Note("x" * (small - 10))
    notes = Notes()
    async with listening(notes, config=ServerConfig(max_message_bytes=small)) as listener:
        url = str(listener.endpoint)
        async with connected(url, ClientConfig(max_message_bytes=small)) as connection:
            with pytest.raises(ResourceExhausted, match=r"has 1004 bytes, .* is 1000.*raise ClientConfig") as caught:
                await connection.unary(ECHO, big, HEAD)
            assert caught.value.unprocessed
            assert await connection.unary(ECHO, fitting, HEAD) == fitting
        async with connected(url) as connection:
            with pytest.raises(ResourceExhausted):
                await connection.unary(ECHO, big, HEAD)
            call = connection.start(CHAT, HEAD)
            await call.send(big)
            assert isinstance(await failure_of(call), ResourceExhausted)
    assert notes.received == [fitting.text]


async def test_a_response_above_the_limit_of_either_side() -> None:
    text = "x" * 2000
    sender = ServerConfig(max_message_bytes=1000)
    async with listening(Answering(text), config=sender) as listener, connected(str(listener.endpoint)) as connection:
        with pytest.raises(ResourceExhausted, match="raise ServerConfig.max_message_bytes"):
            await connection.unary(ECHO, Note("a"), HEAD)
    receiver = ClientConfig(max_message_bytes=1000)
    async with listening(Answering(text)) as listener, connected(str(listener.endpoint), receiver) as connection:
        with pytest.raises(ResourceExhausted):
            await connection.unary(ECHO, Note("a"), HEAD)


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        with pytest.raises(DeadlineExceeded):
            await connection.unary(ECHO, Note("a"), remaining_head(-1))
        with pytest.raises(DeadlineExceeded):
            call = connection.start(CHAT, remaining_head(-1))
            await call.send(Note("a"))
        await connection.unary(ECHO, Note("b"), HEAD)
        assert connection.active_calls == 0
    assert notes.received == ["b"]


async def test_the_deadline_reaches_the_handler() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        await connection.unary(ECHO, Note("a"), remaining_head(20))
        await connection.unary(ECHO, Note("a"), HEAD)
        with_deadline, without = notes.contexts
        remaining = with_deadline.time_remaining_s()
        assert remaining is not None
        assert 15 < remaining < 21  # HTTP/2 carries it rounded up
        assert without.deadline is None


@pytest.mark.parametrize("kind", ["unary", "streaming"])
async def test_a_deadline_ends_the_call_on_both_sides(kind: str) -> None:
    notes = Notes()
    async with linked(notes) as connection:
        with pytest.raises(DeadlineExceeded, match="raise timeout_s"), anyio.fail_after(10):
            if kind == "unary":
                await connection.unary(ECHO, Note("hang"), remaining_head(0.2))
            else:
                call = connection.start(CHAT, remaining_head(0.2))
                await call.send(Note("hang"))
                await call.receive()
        with anyio.fail_after(10):
            await notes.cancelled.wait()
        assert connection.active_calls == 0


@pytest.mark.parametrize("compression", list(Compression), ids=lambda compression: compression.name)
async def test_any_compression_setting_carries_messages(compression: Compression) -> None:
    text = "compressible " * 1000
    config = ServerConfig(compression=compression)
    async with listening(Notes(), config=config) as listener, connected(str(listener.endpoint)) as connection:
        head = CallHead(compression=compression)
        assert await connection.unary(ECHO, Note(text), head) == Note(text)
        call = connection.start(CHAT, head)
        await call.send(Note(text))
        assert await call.receive() == Note(text)
        await call.end()
        assert await drained(call) == []


@pytest.mark.parametrize(
    ("compression", "min_bytes", "is_small"),
    [(Compression.GZIP, 1000, True), (Compression.GZIP, 100_000, False), (Compression.ZSTD, 1000, False)],
    ids=["gzip", "not-worth-it", "unknown-to-grpcio"],
)
@pytest.mark.parametrize("method", [ECHO, CHAT], ids=lambda method: method.name)
async def test_only_gzip_makes_messages_small(
    method: Method[Note, Note], compression: Compression, min_bytes: int, is_small: bool
) -> None:
    text = "compressible " * 4000
    server = ServerConfig(compression=compression, compression_min_bytes=min_bytes)
    client = ClientConfig(compression_min_bytes=min_bytes)
    async with (
        listening(Notes(), config=server) as listener,
        proxied(str(listener.endpoint)) as (proxy, url),
        connected(url, client) as connection,
    ):
        head = CallHead(compression=compression)
        if method is ECHO:
            assert await connection.unary(ECHO, Note(text), head) == Note(text)
        else:
            call = connection.start(CHAT, head)
            await call.send(Note(text))
            assert await call.receive() == Note(text)
            call.cancel()
        assert (proxy.downstream_bytes < len(text) / 4) is is_small
        if method is ECHO:  # a stream of requests is compressed whatever the size of one
            assert (proxy.upstream_bytes < len(text) / 4) is is_small


async def test_the_peer_is_known_by_its_address() -> None:
    notes = Notes()
    async with linked(notes) as connection:
        await connection.unary(ECHO, Note("a"), HEAD)
        peer = notes.contexts[0].peer
    assert peer.address.startswith("grpcio://127.0.0.1:")
    assert peer.identity is None
    assert notes.contexts[0].peer == peer


async def test_an_ipv6_peer_is_written_as_a_url() -> None:
    notes = Notes()
    async with listening(notes, "grpcio://[::1]:0") as listener, connected(str(listener.endpoint)) as connection:
        await connection.unary(ECHO, Note("a"), HEAD)
    assert notes.contexts[0].peer.address.startswith("grpcio://[::1]:")
