"""EventFlux's frames: cut anywhere, checked at the header, and nothing but the two errors from garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_runtime import ProtocolError, ResourceExhausted
from eventflux_runtime.protocol.eventflux.frame import FrameReader, FrameTooLong, encode_frame
from eventflux_transport import Message, MessageType
from tests.support.nodes import body_of, frame

LIMIT = 1000


def write(body: bytes, writer: BytesWriter) -> None:
    writer.write(body)


def test_vector() -> None:
    message = Message(id="7", message_type=MessageType.QUERY, payload=b"\xff", headers={"k": "v"})
    assert frame(body_of(message)) == bytes.fromhex(
        "00000030"  # 48 bytes
        "0100000000000000 37"  # id
        "0100000000000000 ff"  # payload
        "0100000000000000 0100000000000000 6b 0100000000000000 76"  # headers
        "01000000"  # Query
    )
    assert encode_frame(write, body_of(message), LIMIT) == frame(body_of(message))


@given(bodies=st.lists(st.binary(max_size=50), max_size=8), cuts=st.lists(st.integers(1, 20)))
def test_frames_arrive_whole_however_they_were_cut(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frame(body) for body in bodies)
    reader = FrameReader(LIMIT)
    got: list[bytes] = []
    while data:
        size = cuts.pop() if cuts else 1
        reader.receive_data(data[:size])
        data = data[size:]
        while (body := reader.next_frame()) is not None:
            got.append(body)
    assert got == bodies
    reader.receive_eof()


@given(st.binary(max_size=200))
def test_garbage_gives_frames_or_the_protocol_error(data: bytes) -> None:
    reader = FrameReader(LIMIT)
    reader.receive_data(data)
    try:
        while reader.next_frame() is not None:
            pass
        reader.receive_eof()
    except ProtocolError:
        pass


def test_the_limit_holds_at_the_header() -> None:
    reader = FrameReader(LIMIT)
    reader.receive_data(frame(bytes(LIMIT)))
    assert reader.next_frame() == bytes(LIMIT)
    reader.receive_data((LIMIT + 1).to_bytes(4, "big"))
    with pytest.raises(FrameTooLong, match="a frame of 1001 bytes, the limit is 1000") as caught:
        reader.next_frame()
    assert (caught.value.size, caught.value.limit) == (LIMIT + 1, LIMIT)


@pytest.mark.parametrize(
    ("data", "where"), [(b"\x00", "header, after 1 of 4"), (frame(b"abcde")[:-2], "a frame, after 3 of 5")]
)
def test_an_end_within_a_frame_is_an_error(data: bytes, where: str) -> None:
    reader = FrameReader(LIMIT)
    reader.receive_data(data)
    assert reader.next_frame() is None
    with pytest.raises(ProtocolError, match=where):
        reader.receive_eof()


def test_a_message_over_the_limit_is_not_encoded() -> None:
    assert len(encode_frame(write, bytes(LIMIT), LIMIT)) == LIMIT + 4
    with pytest.raises(ResourceExhausted, match="1001 bytes is over the limit of 1000"):
        encode_frame(write, bytes(LIMIT + 1), LIMIT)
