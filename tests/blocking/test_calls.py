"""Calls of every kind by a blocking client, on every wire: what comes back, and how they fail."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal

from eventflux_runtime import (
    Cancelled,
    ClientConfig,
    CodecError,
    Compression,
    ConfigError,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResponseInfo,
    ServingStatus,
    StatusCode,
    Unavailable,
    blocking,
)
from eventflux_runtime.blocking import BlockingHealthClient
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportBlockingClient
from inventory_sdk import InventoryBlockingClient, StockChange
from tests.support.probe import DETAIL
from tests.support.threaded import Served, served
from tests.support.wires import SHORT_S, WIRES


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.usefixtures("loop_kind")
def test_every_kind_of_call(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found:
        client = found.client
        assert client.send_message(Message(id="a", payload=b"x" * 100_000)).payload == b"x" * 100_000
        with client.stream_events(EventRequest(batch_size=300)) as events:
            assert [event.id for event in events] == [str(index) for index in range(300)]
            assert events.trailers.get("count") == "300"
            assert events.status is not None
            assert events.status.code is StatusCode.OK
        with client.stream_messages() as stream:
            for index in range(3):
                stream.send(Message(id=str(index)))
                assert stream.receive().id == str(index)
            stream.end()
            assert [message.id for message in stream] == ["end"]
        with InventoryBlockingClient(found.channel).record_changes() as changes:
            for _ in range(3):
                changes.send(StockChange(sku="s"))
            assert changes.finish().changes == 3
            assert changes.initial_metadata().get("seen") == "soon"
            assert changes.trailers.get("count") == "3"


@pytest.mark.parametrize("wire", WIRES)
def test_failures_are_those_of_async_clients(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found:
        with pytest.raises(NotFound, match="no such thing") as caught:
            found.client.send_message(Message(headers={"do": "fail-with-trailers"}))
        assert caught.value.details == (DETAIL,)
        assert caught.value.metadata.get("reason") == "gone"
        with found.client.stream_events(EventRequest(node_id="fail")) as events:
            assert events.receive().id == "first"
            for _ in range(2):
                with pytest.raises(NotFound, match="after one"):
                    events.receive()
        with InventoryBlockingClient(found.channel).record_changes() as changes:
            changes.send(StockChange())
            with pytest.raises(InvalidArgument, match="needs a sku"):
                changes.finish()


@pytest.mark.parametrize("wire", WIRES)
def test_a_timeout_passes_on_the_clock_and_ends_the_handler(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found:
        for timeout_s in SHORT_S:
            with pytest.raises(DeadlineExceeded):
                found.client.send_message(Message(headers={"do": "linger"}), timeout_s=timeout_s)
            if found.service.started.is_set():
                break
        found.wait(found.service.cancelled)


@pytest.mark.parametrize("wire", WIRES)
def test_leaving_a_stream_ends_its_handler(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found:
        with found.client.stream_events(EventRequest(node_id="forever", batch_size=300)) as events:
            for _, _ in zip(range(1000), events, strict=False):
                pass
        found.wait(found.service.cancelled)


def test_options_are_those_of_a_call(tcp: Served) -> None:
    info = ResponseInfo()
    sent = {"x-one": "1", "other": "2"}
    tcp.client.send_message(Message(headers={"do": "metadata"}), metadata=sent, response=info, timeout_s=5)
    assert info.initial_metadata.get("seen") == "2"
    assert info.trailers.get("x-one") == "1"
    tcp.client.send_message(Message(payload=bytes(5000)), compression=Compression.GZIP, inherit=False)
    with pytest.raises(ConfigError, match="timeout_s must be"):
        tcp.client.send_message(Message(), timeout_s="soon")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigError, match="wait_for_ready must be True or False"):
        tcp.client.stream_events(EventRequest(), wait_for_ready=1)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="no option 'timeout'"):
        tcp.client.stream_messages(timeout=1)  # type: ignore[call-arg]  # the mistake under test
    with pytest.raises(DeadlineExceeded, match="of 0 s passed"):
        tcp.client.send_message(Message(), timeout_s=0)
    with pytest.raises(CodecError):
        tcp.client.send_message(Message(id=5))  # type: ignore[arg-type]  # the mistake under test


def test_nobody_listens() -> None:
    channel = blocking.connect("tcp://127.0.0.1:1", config=ClientConfig(timeout_s=5))
    with channel, pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        TransportBlockingClient(channel).heartbeat(HeartbeatRequest())


def test_a_compressed_stream_is_received_one_by_one(tcp: Served) -> None:
    # What compressed messages become is not known, so they come in no batch.
    with tcp.client.stream_messages(compression=Compression.GZIP) as stream:
        for index in range(5):
            stream.send(Message(id=str(index), payload=bytes(10_000)))
        stream.end()
        assert [message.id for message in stream] == ["0", "1", "2", "3", "4", "end"]


def test_a_stream_knows_what_state_it_is_in(tcp: Served) -> None:
    stream = tcp.client.stream_messages()
    for use in (stream.receive, stream.end, stream.initial_metadata, lambda: stream.send(Message())):
        with pytest.raises(RuntimeError, match="enter it with 'with' first"):
            use()
    with stream:
        with pytest.raises(RuntimeError, match="entered before"):
            stream.__enter__()
        stream.end()
        with pytest.raises(anyio.ClosedResourceError):
            stream.send(Message())
        assert stream.receive().id == "end"
        for _ in range(2):
            with pytest.raises(anyio.EndOfStream):
                stream.receive()
        assert list(stream) == []


def test_a_cancelled_stream_says_so(tcp: Served) -> None:
    with tcp.client.stream_events(EventRequest(node_id="linger")) as events:
        assert events.receive().id == "first"
        events.cancel()
        with pytest.raises(Cancelled, match="by its caller"):
            events.receive()
    tcp.wait(tcp.service.cancelled)


@pytest.mark.parametrize("wire", WIRES)
def test_health(portal: BlockingPortal, wire: str, tmp_path: Path) -> None:
    with served(portal, wire, tmp_path) as found:
        health = BlockingHealthClient(found.channel)
        assert health.check() is ServingStatus.SERVING
        assert health.list()["eventflux.transport.Transport"] is ServingStatus.SERVING
        with pytest.raises(NotFound):
            health.check("nobody")
        watch = health.watch("eventflux.transport.Transport")
        assert next(watch) is ServingStatus.SERVING
        found.portal.call(found.server.health.set, "eventflux.transport.Transport", ServingStatus.NOT_SERVING)
        assert next(watch) is ServingStatus.NOT_SERVING
        watch.close()


def test_a_channel_tells_what_became_of_its_calls(tcp: Served) -> None:
    tcp.client.send_message(Message())
    with pytest.raises(NotFound):
        tcp.client.send_message(Message(headers={"do": "fail-with-trailers"}))
    with tcp.client.stream_events(EventRequest(batch_size=3)) as events:
        assert len(list(events)) == 3
    stats = tcp.channel.stats()
    assert stats.calls.ended == {StatusCode.OK: 2, StatusCode.NOT_FOUND: 1}
    assert stats.calls.received_messages == 4
    assert stats.addresses[0].ready == 1
