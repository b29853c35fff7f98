"""Flow control: windows are kept and refilled, large messages get through, slow readers cost bounded memory."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest

from eventflux_runtime.protocol.core.event import MessageReceived, MessageSent, StatusReceived, StreamReset
from eventflux_runtime.protocol.native.core import Connection, LocalProtocolError, RemoteProtocolError, Settings
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.core.frame import (
    CREDIT,
    CREDIT_CEILING,
    FLAG_END,
    FLAG_MORE,
    MESSAGE,
    OPEN,
    RESET,
    STATUS,
)
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from tests.support.core_pair import Pair, content, frame, frames, make_client, make_pair, make_server, write

WINDOW = 16 * 1024
CONNECTION_WINDOW = 64 * 1024
SMALL = Settings(
    max_frame_bytes=16 * 1024, max_metadata_bytes=4096, stream_window=WINDOW, connection_window=CONNECTION_WINDOW
)
SMALL_PEER = {1: 16 * 1024, 2: 2**20, 3: 100, 4: 4096, 5: WINDOW, 6: CONNECTION_WINDOW}
OPEN_PAYLOAD = b"\x01\x00" + b"\xff" * 8
"""Method 1, no timeout."""


def opened(pair: Pair) -> int:
    """A call to which neither side has sent a message."""
    stream_id = pair.client.open(1, -1, EMPTY_METADATA, None, None, False)
    pair.settle()
    pair.take(pair.server_events, MethodOpened)
    return stream_id


def open_on(server: Connection, stream_id: int) -> None:
    """The same on a server fed with raw frames."""
    (event,) = server.receive_data(frame(OPEN, 0, stream_id, OPEN_PAYLOAD), 0.0)
    assert isinstance(event, MethodOpened)


def kinds(data: bytes) -> list[tuple[int, int]]:
    """Type and stream id of each frame."""
    return [(kind, stream_id) for kind, _, stream_id, _ in frames(data)]


def test_a_message_costs_its_bytes_and_64_more() -> None:
    client = make_client(server=SMALL_PEER)
    stream_id = client.open(1, -1, EMPTY_METADATA, None, None, False)
    assert client.send_message(stream_id, b"x" * (WINDOW - 128), write)
    assert client.send_message(stream_id, b"", write)
    assert not client.send_message(stream_id, b"", write), "even an empty message has to wait now"


def test_messages_that_ride_in_open_and_status_cost_nothing() -> None:
    pair = make_pair(SMALL, SMALL)
    for _ in range(20):
        stream_id = pair.client.open(0, -1, EMPTY_METADATA, b"q" * 10_000, write)
        pair.to_server()
        pair.server.send_status(stream_id, OK_STATUS, b"a" * 10_000, write)
        pair.to_client()
    assert pair.client.buffered_bytes == pair.server.buffered_bytes == 0
    assert not pair.client.has_output


def test_a_message_that_waits_for_credit_is_reported_when_it_has_left() -> None:
    pair = make_pair(SMALL, SMALL)
    stream_id = opened(pair)
    assert pair.client.send_message(stream_id, b"1" * 10_000, write)
    assert not pair.client.send_message(stream_id, b"2" * 10_000, write)
    assert pair.client.is_waiting(stream_id)
    with pytest.raises(LocalProtocolError, match="waiting already"):
        pair.client.send_message(stream_id, b"3", write)
    pair.settle()
    first = pair.take(pair.server_events, MessageReceived)
    assert content(first) == b"1" * 10_000
    assert pair.server_events == [], "the second one does not fit the window"
    pair.server.consumed(stream_id, 10_000)
    pair.settle()
    assert content(pair.take(pair.server_events, MessageReceived)) == b"2" * 10_000
    assert pair.take(pair.client_events, MessageSent).stream_id == stream_id
    assert not pair.client.is_waiting(stream_id)


def test_a_message_larger_than_every_window_gets_through_unread() -> None:
    pair = make_pair(SMALL, SMALL)
    message = bytes(range(256)) * 4000
    stream_id = pair.client.open(1, -1, EMPTY_METADATA, message, write)
    pair.settle()
    event = pair.take(pair.server_events, MethodOpened)
    assert not event.has_message
    assert not event.end_stream
    received = pair.take(pair.server_events, MessageReceived)
    assert content(received) == message
    assert received.end_stream
    assert not pair.server.send_status(stream_id, OK_STATUS, message, write)
    pair.settle()
    pair.take(pair.client_events, MessageSent)
    assert content(pair.take(pair.client_events, MessageReceived)) == message
    assert pair.take(pair.client_events, StatusReceived).status == OK_STATUS
    assert pair.server.active_streams == pair.client.active_streams == 0


def test_a_compressed_message_in_parts_names_its_compression_once() -> None:
    limits = Settings(
        max_frame_bytes=16 * 1024,
        max_metadata_bytes=4096,
        stream_window=WINDOW,
        connection_window=CONNECTION_WINDOW,
        compressions=(1, 2),
    )
    pair = make_pair(limits, limits)
    stream_id = opened(pair)
    message = bytes(range(256)) * 400
    assert not pair.client.send_message(stream_id, message, write, False, 2)
    pair.settle()
    event = pair.take(pair.server_events, MessageReceived)
    assert event.compression_id == 2
    assert content(event) == message
    pair.server.consumed(stream_id, len(message))
    assert pair.server.buffered_bytes == 0
    pair.client_events.clear()
    assert pair.client.send_message(stream_id, b"plain", write)
    pair.settle()
    assert pair.take(pair.server_events, MessageReceived).compression_id == 0


def test_a_part_has_at_least_a_byte_of_the_message_behind_the_id_of_its_compression() -> None:
    client = make_client(server=SMALL_PEER)
    stream_id = client.open(1, -1, EMPTY_METADATA, None, None, False)
    assert client.send_message(stream_id, bytes(WINDOW - 64 - 65), write)
    client.data_to_send()
    assert not client.send_message(stream_id, b"abc", write, False, 1)
    assert not client.has_output
    client.receive_data(frame(CREDIT, 0, stream_id, b"\x01\0\0\0"), 0.0)
    assert frames(client.data_to_send()) == [(MESSAGE, 0x18, stream_id, b"\x01a")]


def test_half_close_waits_for_the_message_before_it() -> None:
    pair = make_pair(SMALL, SMALL)
    stream_id = opened(pair)
    message = b"x" * 100_000
    assert not pair.client.send_message(stream_id, message, write)
    pair.client.half_close(stream_id)
    pair.settle()
    received = pair.take(pair.server_events, MessageReceived)
    assert content(received) == message
    assert received.end_stream
    assert pair.server_events == []


def test_a_slow_reader_blocks_only_its_own_stream() -> None:
    pair = make_pair(SMALL, SMALL)
    slow, quick = opened(pair), opened(pair)
    while pair.client.send_message(slow, b"s" * 1000, write):
        pair.settle()
    pair.settle()
    held = pair.server.buffered_bytes
    assert held <= WINDOW
    pair.server_events.clear()
    for number in range(200):
        assert pair.client.send_message(quick, b"%d" % number * 1000, write)
        pair.settle()
        event = pair.take(pair.server_events, MessageReceived)
        pair.server.consumed(quick, event.end - event.start)
        pair.settle()
    assert pair.server.buffered_bytes == held
    assert pair.client.is_waiting(slow)


def test_a_slow_reader_of_a_message_as_large_as_can_be_blocks_nobody() -> None:
    limits = Settings(
        max_frame_bytes=16 * 1024,
        max_metadata_bytes=4096,
        max_message_bytes=200_000,
        stream_window=WINDOW,
        connection_window=200_000 + 4 * WINDOW,
    )
    pair = make_pair(limits, limits)
    slow = opened(pair)
    pair.client.send_message(slow, b"s" * 200_000, write)
    pair.settle()
    pair.take(pair.server_events, MessageReceived)
    pair.take(pair.client_events, MessageSent)
    for _ in range(3):
        quick = opened(pair)
        pair.client.send_message(quick, b"q" * 150_000, write)
        pair.settle()
        assert len(content(pair.take(pair.server_events, MessageReceived))) == 150_000
        pair.take(pair.client_events, MessageSent)
        pair.server.consumed(quick, 150_000)
        pair.settle()


def test_many_large_messages_at_once_get_through_one_after_another() -> None:
    pair = make_pair(SMALL, SMALL)
    streams = [opened(pair) for _ in range(20)]
    for stream_id in streams:
        pair.client.send_message(stream_id, b"%02d" % stream_id * 50_000, write)
    arrived: list[int] = []
    most = 0
    while len(arrived) < len(streams):
        pair.settle()
        most = max(most, pair.server.buffered_bytes)
        assert pair.server_events, f"stuck after {len(arrived)} messages"
        event = pair.take(pair.server_events, MessageReceived)
        assert content(event) == b"%02d" % event.stream_id * 50_000
        arrived.append(event.stream_id)
        pair.server.consumed(event.stream_id, event.end - event.start)
    assert sorted(arrived) == streams
    assert most <= CONNECTION_WINDOW + 100_000 + 64 * 10


def test_the_oldest_part_sent_message_alone_may_use_the_last_of_the_credit() -> None:
    client = make_client(server=SMALL_PEER)
    streams = [client.open(1, -1, EMPTY_METADATA, None, None, False) for _ in range(8)]
    client.data_to_send()
    for stream_id in streams:
        assert not client.send_message(stream_id, b"x" * 40_000, write)
    sent: dict[int, int] = {}
    for kind, _, stream_id, payload in frames(client.data_to_send()):
        assert kind == MESSAGE
        sent[stream_id] = sent.get(stream_id, 0) + len(payload) + 64
    assert sum(sent.values()) == CONNECTION_WINDOW - CONNECTION_WINDOW // 4, "the reserve is untouched"
    assert sent[streams[0]] == WINDOW
    client.receive_data(frame(CREDIT, 0, streams[4], (40_000).to_bytes(4, "little")), 0.0)
    assert not client.has_output, "the reserve is not for a later message"
    client.receive_data(frame(CREDIT, 0, streams[0], (40_000).to_bytes(4, "little")), 0.0)
    first = frames(client.data_to_send())
    assert {stream_id for _, _, stream_id, _ in first} == {streams[0]}
    assert sum(len(payload) + 64 for _, _, _, payload in first) == CONNECTION_WINDOW // 4


def test_the_first_message_that_has_readers_gets_the_loan() -> None:
    """The oldest unfinished message stands behind one that nobody reads, so the next one is helped in its place."""
    server = make_server(SMALL)
    for stream_id in (1, 2):
        open_on(server, stream_id)
    server.receive_data(frame(MESSAGE, 0, 1, b"unread"), 0.0)
    server.receive_data(frame(MESSAGE, FLAG_MORE, 1, b"a" * 9000), 0.0)
    assert not server.has_output
    server.receive_data(frame(MESSAGE, FLAG_MORE, 2, b"b" * 9000), 0.0)
    assert kinds(server.data_to_send()) == [(CREDIT, 2), (CREDIT, 0)]
    server.consumed(1, len(b"unread"))
    assert kinds(server.data_to_send()) == [(CREDIT, 1)], "now the older one has its turn"
    server.receive_data(frame(MESSAGE, FLAG_MORE, 2, b"b" * 9000), 0.0)
    assert not server.has_output, "and the later one gets no more"


def test_credit_is_sent_in_lumps() -> None:
    server = make_server(SMALL)
    open_on(server, 1)
    for _ in range(7):
        server.receive_data(frame(MESSAGE, 0, 1, b"x" * 1000), 0.0)
        server.consumed(1, 1000)
    assert not server.has_output
    server.receive_data(frame(MESSAGE, 0, 1, b"x" * 1000), 0.0)
    server.consumed(1, 1000)
    spent = (8 * 1064).to_bytes(4, "little")
    assert frames(server.data_to_send()) == [(CREDIT, 0, 1, spent), (CREDIT, 0, 0, spent)]


def test_no_credit_is_sent_to_a_stream_that_the_client_has_ended() -> None:
    server = make_server(SMALL)
    open_on(server, 1)
    server.receive_data(frame(MESSAGE, FLAG_END, 1, b"x" * 10_000), 0.0)
    server.consumed(1, 10_000)
    assert kinds(server.data_to_send()) == [(CREDIT, 0)]


@pytest.mark.parametrize("streams", [1, 5])
def test_overrunning_a_window_is_a_fault(streams: int) -> None:
    server = make_server(SMALL)
    for stream_id in range(1, streams + 1):
        open_on(server, stream_id)
    what = "stream 1 overran" if streams == 1 else "overran the connection's window"
    share = WINDOW - 64 if streams > 1 else WINDOW // 2
    with pytest.raises(RemoteProtocolError, match=what) as caught:
        for number in range(5):
            server.receive_data(frame(MESSAGE, 0, number % streams + 1, bytes(share)), 0.0)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED


def test_overrunning_the_connection_with_frames_of_ended_streams_is_a_fault() -> None:
    server = make_server(SMALL)
    open_on(server, 1)
    open_on(server, 2)
    for stream_id in range(3, 7):
        open_on(server, stream_id)
        server.receive_data(frame(MESSAGE, 0, stream_id, bytes(WINDOW - 64)), 0.0)
    server.reset(1, StatusCode.CANCELLED)
    with pytest.raises(RemoteProtocolError, match="overran the connection's window of 65536 bytes by 65"):
        server.receive_data(frame(MESSAGE, 0, 1, b"x"), 0.0)


def test_frames_of_an_ended_stream_give_their_credit_back_at_once() -> None:
    server = make_server(SMALL)
    open_on(server, 1)
    server.reset(1, StatusCode.CANCELLED)
    server.data_to_send()
    for _ in range(50):
        assert server.receive_data(frame(MESSAGE, FLAG_MORE, 1, bytes(8000)), 0.0) == []
    assert server.buffered_bytes == 0
    assert set(kinds(server.data_to_send())) == {(CREDIT, 0)}


def test_the_end_of_a_call_gives_the_credit_of_its_messages_back() -> None:
    server = make_server(SMALL)
    for stream_id in (1, 2, 3):
        open_on(server, stream_id)
        server.receive_data(frame(MESSAGE, 0, stream_id, bytes(10_000)), 0.0)
    assert server.buffered_bytes == 30_192
    server.send_status(1, OK_STATUS)
    assert server.buffered_bytes == 20_128
    server.reset(2, StatusCode.CANCELLED)
    server.receive_data(frame(RESET, 0, 3, b"\x01"), 0.0)
    assert server.buffered_bytes == 0
    server.consumed(3, 10_000)
    assert server.buffered_bytes == 0, "what is consumed later counts no second time"


def test_messages_may_be_taken_after_the_status() -> None:
    pair = make_pair(SMALL, SMALL)
    stream_id = opened(pair)
    pair.server.send_message(stream_id, b"one", write)
    pair.server.send_message(stream_id, b"two", write)
    pair.server.send_status(stream_id, OK_STATUS)
    pair.settle()
    assert pair.client.active_streams == 0
    assert pair.client.buffered_bytes == 2 * 67
    pair.client.consumed(stream_id, 3)
    assert pair.client.buffered_bytes == 67
    pair.client.discard(stream_id)
    assert pair.client.buffered_bytes == 0
    pair.client.consumed(stream_id, 3)
    pair.client.discard(stream_id)
    assert pair.client.buffered_bytes == 0
    assert pair.client._link.lingering == {}


def test_an_error_status_gives_up_the_message_it_interrupts() -> None:
    pair = make_pair(SMALL, SMALL)
    stream_id = opened(pair)
    other = opened(pair)
    assert pair.server.send_message(stream_id, b"whole", write)
    assert not pair.server.send_message(stream_id, bytes(500_000), write)
    pair.to_client()
    assert content(pair.take(pair.client_events, MessageReceived)) == b"whole"
    assert pair.server.send_status(stream_id, Status(StatusCode.ABORTED, "enough"))
    pair.settle()
    assert pair.take(pair.client_events, StatusReceived).status.message == "enough"
    assert pair.client.buffered_bytes == 64 + 5
    pair.client.consumed(stream_id, 5)
    assert pair.client.buffered_bytes == 0
    assert pair.server.send_message(other, bytes(10_000), write)
    pair.server_events.clear()
    pair.settle()
    assert pair.server_events == [], "there is nothing left to report of the message that was given up"


@pytest.mark.parametrize("size", [1000, 40_000])
def test_a_call_that_has_ended_sends_nothing_more_of_its_message(size: int) -> None:
    client = make_client(server=SMALL_PEER)
    streams = [client.open(1, -1, EMPTY_METADATA, None, None, False) for _ in range(5)]
    for stream_id in streams[:4]:
        client.send_message(stream_id, bytes(WINDOW - 64), write)
    assert not client.send_message(streams[4], bytes(size), write)
    client.reset(streams[4], StatusCode.CANCELLED)
    client.data_to_send()
    assert not client.is_waiting(streams[4])
    assert client.receive_data(frame(CREDIT, 0, 0, b"\0\xff\0\0"), 0.0) == []
    assert not client.has_output


def starving(count: int) -> Connection:
    """A client whose connection credit is used up by streams 1 to 4, with more streams that wait for it."""
    client = make_client(server=SMALL_PEER)
    streams = [client.open(1, -1, EMPTY_METADATA, None, None, False) for _ in range(4 + count)]
    for stream_id in streams[:4]:
        assert client.send_message(stream_id, bytes(WINDOW - 64), write)
    for stream_id in streams[4:]:
        assert not client.send_message(stream_id, bytes(WINDOW), write)
    client.data_to_send()
    return client


def sent_by_stream(data: bytes) -> dict[int, int]:
    """The cost of what was sent on each stream."""
    sent: dict[int, int] = {}
    for _, _, stream_id, payload in frames(data):
        sent[stream_id] = sent.get(stream_id, 0) + len(payload) + 64
    return sent


def test_streams_that_wait_for_the_connection_are_served_in_turn() -> None:
    client = starving(3)
    client.receive_data(frame(CREDIT, 0, 0, WINDOW.to_bytes(4, "little")), 0.0)
    assert sent_by_stream(client.data_to_send()) == {5: WINDOW}
    client.receive_data(frame(CREDIT, 0, 0, (3 * WINDOW).to_bytes(4, "little")), 0.0)
    assert sent_by_stream(client.data_to_send()) == {6: WINDOW, 7: WINDOW}, "one that lacks its own credit blocks none"


def test_a_call_that_ends_while_it_waits_makes_way() -> None:
    client = starving(2)
    client.reset(5, StatusCode.CANCELLED)
    client.data_to_send()
    client.receive_data(frame(CREDIT, 0, 0, WINDOW.to_bytes(4, "little")), 0.0)
    assert sent_by_stream(client.data_to_send()) == {6: WINDOW}


def test_consuming_what_did_not_arrive_is_a_bug_of_the_caller() -> None:
    server = make_server(SMALL)
    open_on(server, 1)
    with pytest.raises(LocalProtocolError, match="no message"):
        server.consumed(1, 5)
    server.receive_data(frame(MESSAGE, 0, 1, b"four"), 0.0)
    with pytest.raises(LocalProtocolError, match="no unread message"):
        server.consumed(1, 5)
    with pytest.raises(LocalProtocolError, match="no message"):
        server.consumed(2, 4)
    with pytest.raises(LocalProtocolError, match="has not ended"):
        server.discard(1)
    server.consumed(1, 4)


def test_a_message_over_the_limit_fails_its_stream_alone() -> None:
    server = make_server(Settings(max_message_bytes=1000))
    open_on(server, 1)
    open_on(server, 2)
    events = server.receive_data(frame(MESSAGE, 0, 1, bytes(1001)), 0.0)
    events += server.receive_data(frame(MESSAGE, FLAG_MORE, 2, bytes(600)), 0.0)
    events += server.receive_data(frame(MESSAGE, FLAG_MORE, 2, bytes(401)), 0.0)
    for event, stream_id in zip(events, (1, 2), strict=True):
        assert isinstance(event, StreamReset)
        assert event.stream_id == stream_id
        assert event.code == StatusCode.RESOURCE_EXHAUSTED
        assert event.is_local
        assert "1001 bytes or more is over the limit of 1000" in event.reason
    told = frames(server.data_to_send())
    assert [(kind, stream_id) for kind, _, stream_id, _ in told] == [(RESET, 1), (RESET, 2)]
    assert b"over the limit of 1000" in told[0][3]
    assert server.buffered_bytes == 0
    open_on(server, 3)


def test_an_inline_message_over_the_limit_fails_its_call_alone() -> None:
    server = make_server(Settings(max_message_bytes=1000))
    assert server.receive_data(frame(OPEN, 0x03, 1, OPEN_PAYLOAD + bytes(1001)), 0.0) == []
    assert kinds(server.data_to_send()) == [(RESET, 1)]
    assert server.active_streams == 0
    client = make_client(Settings(max_message_bytes=1000))
    stream_id = client.open(0, -1, EMPTY_METADATA, b"", write)
    client.data_to_send()
    (event,) = client.receive_data(frame(STATUS, 0x02, stream_id, bytes(1001)), 0.0)
    assert isinstance(event, StreamReset)
    assert event.is_local
    assert kinds(client.data_to_send()) == [(RESET, stream_id)]


@pytest.mark.parametrize("stream_id", [0, 1])
@pytest.mark.parametrize("increment", [0, 2**31])
def test_credit_outside_its_range_is_a_fault(stream_id: int, increment: int) -> None:
    client = make_client()
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    with pytest.raises(RemoteProtocolError, match=f"credit of {increment} bytes"):
        client.receive_data(frame(CREDIT, 0, stream_id, increment.to_bytes(4, "little")), 0.0)


@pytest.mark.parametrize("stream_id", [0, 1])
def test_credit_without_end_is_a_fault(stream_id: int) -> None:
    client = make_client()
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    grant = frame(CREDIT, 0, stream_id, (2**31 - 1).to_bytes(4, "little"))
    for _ in range(CREDIT_CEILING // 2**31 - 1):
        client.receive_data(grant, 0.0)
    with pytest.raises(RemoteProtocolError, match=f"over the limit of {CREDIT_CEILING}"):
        client.receive_data(grant * 3, 0.0)


def test_credit_for_an_ended_stream_is_ignored() -> None:
    client = make_client()
    stream_id = client.open(1, -1, EMPTY_METADATA, None, None, False)
    client.reset(stream_id, StatusCode.CANCELLED)
    assert client.receive_data(frame(CREDIT, 0, stream_id, b"\x01\0\0\0"), 0.0) == []


def test_tiny_parts_cost_no_more_memory_than_they_are_charged_for() -> None:

    server = make_server()
    open_on(server, 1)
    part = frame(MESSAGE, FLAG_MORE, 1, b"x")
    chunk = part * 1000
    tracemalloc.start()
    for _ in range(15):
        server.receive_data(chunk, 0.0)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert server.buffered_bytes == 15_000 * 65
    assert held < 100_000, f"{held} bytes for a message of 15000"


def test_a_message_in_parts_goes_with_its_connection() -> None:
    server = make_server()
    open_on(server, 1)
    tracemalloc.start()
    try:
        server.receive_data(frame(MESSAGE, FLAG_MORE, 1, bytes(60_000)), 0.0)
        server.receive_data(frame(MESSAGE, FLAG_MORE, 1, bytes(60_000)), 0.0)
        server.close()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 30_000


def calls_during(action: Callable[[], object]) -> int:
    """How many functions of the code under test an action calls."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def test_a_small_credit_frame_makes_no_long_walk() -> None:
    client = make_client(server={**SMALL_PEER, 3: 1000, 6: 2**30})
    for _ in range(900):
        client.open(1, -1, EMPTY_METADATA, bytes(40_000), write, False)
    client.data_to_send()
    credit = frame(CREDIT, 0, 0, b"\x01\0\0\0")
    assert calls_during(lambda: client.receive_data(credit, 0.0)) < 60
    starving = make_client(server={**SMALL_PEER, 3: 1000})
    for _ in range(900):
        starving.open(1, -1, EMPTY_METADATA, bytes(40_000), write, False)
    starving.data_to_send()
    assert calls_during(lambda: starving.receive_data(credit, 0.0)) < 60


def test_a_small_part_of_a_message_makes_no_long_walk() -> None:
    server = make_server(Settings(max_streams=1000))
    for stream_id in range(1, 901):
        open_on(server, stream_id)
        server.receive_data(frame(MESSAGE, 0, stream_id, b"unread"), 0.0)
        server.receive_data(frame(MESSAGE, FLAG_MORE, stream_id, b"part"), 0.0)
    assert calls_during(lambda: server.receive_data(frame(MESSAGE, FLAG_MORE, 450, b"x"), 0.0)) < 60
    assert calls_during(lambda: server.consumed(450, len(b"unread"))) < 60
    assert calls_during(lambda: server.receive_data(frame(MESSAGE, 0, 450, b"x"), 0.0)) < 60
