"""WebSocket's frames: vectors written by hand, every split, violations, and the library websockets as the judge."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from eventflux_runtime.carrier.websocket import mask as masking
from eventflux_runtime.carrier.websocket.frame import (
    INVALID_DATA,
    NO_STATUS,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    UNSUPPORTED_DATA,
    FrameMachine,
)
from tests.support.websocket_peer import KEY, frame, masked


def machine(*, is_client: bool = False) -> FrameMachine:
    return FrameMachine(is_client=is_client, now=0.0)


# -- vectors of RFC 6455, 5.7, but in binary where the page has text


def test_a_message_in_one_frame() -> None:
    assert machine(is_client=True).receive_data(bytes.fromhex("820548656c6c6f"), 0.0) == b"Hello"
    assert machine().receive_data(bytes.fromhex("828537fa213d7f9f4d5158"), 0.0) == b"Hello"


def test_a_message_in_two_frames() -> None:
    client = machine(is_client=True)
    assert client.receive_data(bytes.fromhex("020348656c"), 0.0) == b"Hel"
    assert client.receive_data(bytes.fromhex("80026c6f"), 0.0) == b"lo"


def test_a_ping_and_its_pong() -> None:
    client, server = machine(is_client=True), machine()
    assert client.receive_data(bytes.fromhex("890548656c6c6f"), 0.0) == b""
    assert client.pings == [b"Hello"]
    pong = client.encode_pong(b"Hello")
    assert pong[:2] == bytes.fromhex("8a85")
    assert masked(pong[6:], pong[2:6]) == b"Hello"
    assert machine().encode_pong(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert server.receive_data(pong, 0.0) == b""
    assert (server.pings, server.failure) == ([], None)


def test_of_many_pings_the_last_ones_are_kept() -> None:
    server = machine()
    server.receive_data(b"".join(frame(9, b"%d" % number) for number in range(100)), 0.0)
    assert server.pings == [b"%d" % number for number in range(84, 100)]


def test_lengths_of_two_and_of_eight_bytes() -> None:
    small, large = bytes(256), bytes(65536)
    server = machine()
    assert server.encode(small) == bytes.fromhex("827e0100") + small
    assert server.encode(large) == bytes.fromhex("827f0000000000010000") + large
    assert machine(is_client=True).receive_data(server.encode(small) + server.encode(large), 0.0) == small + large


def test_a_close_frame() -> None:
    server = machine()
    assert server.encode_close(1001, "bye") == bytes.fromhex("880503e9627965")
    assert server.encode_close(NO_STATUS, "") == bytes.fromhex("8800")
    client = machine(is_client=True)
    assert client.receive_data(bytes.fromhex("880503e9627965") + server.encode(b"late"), 0.0) == b""
    assert (client.close_code, client.close_reason, client.failure) == (1001, "bye", None)
    client = machine(is_client=True)
    client.receive_data(bytes.fromhex("8800"), 0.0)
    assert client.close_code == NO_STATUS


def test_a_long_reason_is_cut_between_characters() -> None:
    close = machine().encode_close(1000, "é" * 100)
    assert len(close) == 2 + 2 + 122
    assert close[4:].decode() == "é" * 61


@pytest.mark.parametrize("mask", [masking.masked_by_words, masking.masked_as_number])
@given(data=st.binary(max_size=70), key=st.binary(min_size=4, max_size=4), cut=st.tuples(st.integers(0, 70)))
def test_both_ways_to_mask_are_the_same(mask: object, data: bytes, key: bytes, cut: tuple[int]) -> None:
    assert callable(mask)
    start = min(cut[0], len(data))
    assert mask(data, start, len(data), key) == masked(data[start:], key)


@pytest.mark.parametrize("size", [65536, 65537, 200_003])
def test_long_payloads_are_masked_in_parts(size: int) -> None:
    data = os.urandom(size)
    for start in (0, 3):
        parts: list[bytes] = []
        masking.mask_into(parts, data, start, size, KEY)
        assert b"".join(parts) == masking.masked_as_number(data, start, size, KEY)
        assert (len(parts) > 1) is (size - start > 65536)


def test_keys_do_not_come_again() -> None:
    client = machine(is_client=True)
    keys = [client.encode(b"")[2:6] for _ in range(3000)]
    assert len(set(keys)) > 2990
    assert keys[:1024] != keys[1024:2048]


# -- violations


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (frame(2, b"x", reserved=4), PROTOCOL_ERROR, "a reserved bit is set"),
        (frame(3), PROTOCOL_ERROR, "no frame has the opcode 3"),
        (frame(11), PROTOCOL_ERROR, "no frame has the opcode 11"),
        (frame(2, b"x", key=None), PROTOCOL_ERROR, "a client has to mask"),
        (frame(0, b"x"), PROTOCOL_ERROR, "continues no message"),
        (frame(2, b"x", final=False) + frame(2, b"y"), PROTOCOL_ERROR, "within another"),
        (frame(9, final=False), PROTOCOL_ERROR, "in fragments"),
        (frame(9, bytes(126)), PROTOCOL_ERROR, "more than 125 bytes"),
        (frame(2, b"x", form=2), PROTOCOL_ERROR, "the length 1 takes more bytes"),
        (frame(2, bytes(126), form=8), PROTOCOL_ERROR, "the length 126 takes more bytes"),
        (b"\x82\xff" + (2**63).to_bytes(8, "big"), PROTOCOL_ERROR, "2^63 bytes or more"),
        (frame(1, b"text"), UNSUPPORTED_DATA, "only binary messages"),
        (frame(8, b"\x03"), PROTOCOL_ERROR, "one byte"),
        (frame(8, b"\x03\xe8\xff"), INVALID_DATA, "not UTF-8"),
        *(
            (frame(8, code.to_bytes(2, "big")), PROTOCOL_ERROR, f"the code {code}")
            for code in (0, 999, 1005, 1015, 5000)
        ),
    ],
)
def test_a_violation_has_its_code_and_what_came_before_is_taken(data: bytes, code: int, reason: str) -> None:
    for size in (len(data) + 9, 1):
        server = machine()
        whole = frame(2, b"before") + data
        got = b"".join(server.receive_data(whole[i : i + size], 0.0) for i in range(0, len(whole), size))
        assert got.startswith(b"before")
        assert server.failure is not None
        assert server.failure.code == code
        assert reason in server.failure.reason
        assert server.receive_data(frame(2, b"after"), 0.0) == b""


def test_a_client_takes_no_masked_frame() -> None:
    client = machine(is_client=True)
    client.receive_data(frame(2, b"x"), 0.0)
    assert client.failure is not None
    assert "must not mask" in client.failure.reason


def test_a_length_that_is_announced_costs_nothing() -> None:
    server = machine()
    assert server.receive_data(b"\x82\xff" + (2**62).to_bytes(8, "big") + KEY, 0.0) == b""
    for _ in range(100):
        assert len(server.receive_data(bytes(1000), 0.0)) == 1000
    assert server._begun == b""


def test_frames_that_bring_nothing_are_limited_over_time() -> None:
    for nothing in (frame(9), frame(10), frame(2), frame(2, b"1234567")):
        server = machine()
        for second in range(3):
            server.receive_data(nothing * 1000, float(second))
            assert server.failure is None
        server.receive_data(nothing, 2.0)
        assert server.failure is not None
        assert server.failure.code == POLICY_VIOLATION
    server = machine()
    server.receive_data(frame(2, b"12345678") * 5000, 0.0)
    assert server.failure is None


# -- against the library


@dataclass(frozen=True)
class Sent:
    """Frames of one side, and where their bytes are cut."""

    frames: tuple[bytes, ...]
    cuts: tuple[int, ...]

    def parts(self) -> Iterable[bytes]:
        data = b"".join(self.frames)
        edges = [0, *sorted(cut % (len(data) + 1) for cut in self.cuts), len(data)]
        return [data[a:b] for a, b in itertools.pairwise(edges)]


@st.composite
def sent(draw: st.DrawFn, *, is_masked: bool) -> Sent:
    """Mostly good frames; now and then a bit, an opcode, a mask, a close code that is not."""
    frames = []
    is_within = False
    for _ in range(draw(st.integers(1, 8))):
        is_odd = draw(st.integers(0, 11)) == 0
        opcode = draw(st.sampled_from((0, 2, 8, 9, 10) if is_odd else (0, 9, 10) if is_within else (2, 2, 9, 10)))
        final = opcode >= 8 or draw(st.booleans())
        size = draw(st.sampled_from((0, 1, 5, 125, *((126, 300, 65535, 65536) if opcode < 8 else ()))))
        payload = draw(st.binary(min_size=8, max_size=8)) * (size // 8 + 1)
        if opcode == 8:
            code = draw(st.sampled_from((1000, 1001, 1003, 1004, 1005, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000)))
            payload = draw(st.sampled_from((b"", b"\x03", code.to_bytes(2, "big") + b"bye", b"\x03\xe8\xff")))
        else:
            payload = payload[:size]
        twist = draw(st.integers(0, 30))
        frames.append(
            frame(
                opcode if twist != 1 else draw(st.sampled_from((3, 7, 11, 15))),
                payload,
                final=final if twist != 2 else not final,
                key=KEY if is_masked is (twist != 3) else None,
                reserved=0 if twist != 4 else draw(st.integers(1, 7)),
            )
        )
        if opcode < 8:
            is_within = not final
    return Sent(tuple(frames), tuple(draw(st.lists(st.integers(0, 200_000), max_size=6))))


def judged(stream: Sent, *, by_client: bool) -> tuple[bytes, int, str]:
    """What websockets makes of it: payload, the code with which it fails or the peer's, and which of the two."""
    judge = Protocol(CLIENT if by_client else SERVER, state=OPEN, max_size=None)
    for part in stream.parts():
        judge.receive_data(part)
    data = b"".join(
        bytes(event.data)
        for event in judge.events_received()
        if isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT)
    )
    if judge.close_sent is not None and judge.close_rcvd is None:
        return data, judge.close_sent.code, "failed"
    return data, judge.close_rcvd.code if judge.close_rcvd is not None else 0, "closed"


def ours(stream: Sent, *, by_client: bool) -> tuple[bytes, int, str]:
    side = machine(is_client=by_client)
    data = b"".join(side.receive_data(part, 0.0) for part in stream.parts())
    return (data, side.failure.code, "failed") if side.failure is not None else (data, side.close_code, "closed")


@pytest.mark.parametrize("by_client", [False, True])
@given(data=st.data())
def test_we_read_what_the_library_reads_and_refuse_what_it_refuses(by_client: bool, data: st.DataObject) -> None:
    stream = data.draw(sent(is_masked=not by_client))
    assert ours(stream, by_client=by_client) == judged(stream, by_client=by_client)


@pytest.mark.parametrize("is_client", [False, True])
@given(messages=st.lists(st.integers(0, 70_000), max_size=4), code=st.sampled_from((1000, 1001, 1002, 4000)))
def test_the_library_reads_what_we_write(is_client: bool, messages: list[int], code: int) -> None:
    payloads = [os.urandom(size) for size in messages]
    writer = machine(is_client=is_client)
    judge = Protocol(SERVER if is_client else CLIENT, state=OPEN, max_size=None)
    for payload in payloads:
        judge.receive_data(writer.encode(payload))
    judge.receive_data(writer.encode_pong(b"pong") + writer.encode_close(code, "bye"))
    events = [event for event in judge.events_received() if isinstance(event, Frame)]
    assert [bytes(event.data) for event in events if event.opcode is Opcode.BINARY] == payloads
    assert [bytes(event.data) for event in events if event.opcode is Opcode.PONG] == [b"pong"]
    assert judge.close_rcvd is not None
    assert (judge.close_rcvd.code, judge.close_rcvd.reason) == (code, "bye")
