"""RFC 9113's rules one by one, after the generic and HTTP/2 cases of https://github.com/summerwind/h2spec.

A case is what a client sends behind its preface and SETTINGS, and what a server has to make of it: a connection error,
a stream error, an answer, or nothing. Where the RFC leaves a choice, the table says which one is taken here.
"""

from __future__ import annotations

from typing import Final

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import StatusReceived
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS
from tests.support.http2_foreign import Ngh2
from tests.support.http2_pair import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    WHOLE,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Fields,
    block,
    client_with_call,
    data,
    frame,
    go_away,
    headers,
    padded,
    prefixed,
    rst_stream,
    settings,
    window_update,
    write,
)
from tests.support.http2_pair import frames as frames_of

PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 1, 3, 5, 6, 7, 8, 9, 11
FINE: Final = ("fine", 0)
"""Nothing is wrong: the call goes on, or the frame is passed over."""
STATUS: Final = ("a status", 0)
"""A response that ends the call."""

Verdict = tuple[str, int]


def connection(code: int) -> Verdict:
    return "connection error", code


def stream(code: int) -> Verdict:
    return "stream error", code


ONE: Final = block(REQUEST)
OPEN: Final = headers(1, REQUEST)
BEGUN: Final = frame(HEADERS, 0, 1, ONE[:3])
REST: Final = frame(CONTINUATION, END_HEADERS, 1, ONE[3:])
WRONG: Final = frame(CONTINUATION, END_HEADERS, 1, ONE)
BAD_PADDING: Final = b"\x00\x01a\x81\xff"
"""A field whose Huffman code has eight bits of padding."""
WHOLE_CALL: Final = OPEN + data(1, prefixed(b"x"), end=True)
ENDED: Final = b"ENDED"
"""Behind these bytes the server answers, so that the stream is closed on both sides."""


def without(name: str) -> Fields:
    return [field for field in REQUEST if field[0] != name]


def changed(name: str, value: str) -> Fields:
    return [(field[0], value) if field[0] == name else field for field in REQUEST]


def with_length(count: int) -> bytes:
    return headers(1, [*REQUEST, ("content-length", str(count))])


CASES: Final[list[tuple[str, bytes, Verdict]]] = [
    # generic: what everybody has to take
    ("generic 2: an idle stream takes HEADERS", OPEN, FINE),
    ("generic 2: and PRIORITY", frame(PRIORITY, 0, 1, bytes(5)), FINE),
    ("generic 2: a half-closed stream takes WINDOW_UPDATE", WHOLE_CALL + window_update(1, 9), FINE),
    ("generic 2: and PRIORITY", WHOLE_CALL + frame(PRIORITY, 0, 1, bytes(5)), FINE),
    ("generic 2: and RST_STREAM", WHOLE_CALL + rst_stream(1, CANCEL), FINE),
    ("generic 3.1: DATA in several frames", OPEN + data(1, prefixed(b"abc")[:6]) + data(1, b"bc"), FINE),
    ("generic 3.1: padded DATA", OPEN + frame(DATA, PADDED, 1, padded(prefixed(b"a"), 9)), FINE),
    ("generic 3.2: padded HEADERS", frame(HEADERS, WHOLE | PADDED, 1, padded(ONE, 9)), FINE),
    ("generic 3.2: HEADERS with a priority", frame(HEADERS, WHOLE | WITH_PRIORITY, 1, bytes(5) + ONE), FINE),
    ("generic 3.2: both", frame(HEADERS, WHOLE | PADDED | WITH_PRIORITY, 1, padded(bytes(5) + ONE, 9)), FINE),
    ("generic 3.5: SETTINGS", settings((3, 1), (4, 70_000), (5, 20_000), (6, 9000)), FINE),
    ("generic 3.7: PING", frame(PING, 0, 0, b"h2spec--"), FINE),
    ("generic 3.8: GOAWAY", go_away(0, 0), FINE),
    ("generic 3.9: WINDOW_UPDATE of the connection", window_update(0, 1), FINE),
    ("generic 3.9: and of a stream", OPEN + window_update(1, 1), FINE),
    ("generic 3.10: CONTINUATION", frame(HEADERS, 1, 1, ONE[:5]) + frame(CONTINUATION, 4, 1, ONE[5:]), FINE),
    # 4.1: frame format
    ("4.1: an unknown type", frame(0x16, 0, 0, bytes(8)) + OPEN, FINE),
    ("4.1: flags that mean nothing", frame(PING, 0x16, 0, bytes(8)), FINE),
    ("4.1: the reserved bit of the stream id", frame(PING, 0, 2**31, bytes(8)), FINE),
    # 4.2: frame size
    ("4.2: DATA of 2^14 bytes", OPEN + data(1, prefixed(bytes(16_379))), FINE),
    ("4.2: DATA of one more", OPEN + data(1, bytes(16_385)), connection(SIZE)),
    ("4.2: HEADERS of one more", frame(HEADERS, WHOLE, 1, bytes(16_385)), connection(SIZE)),
    ("4.2: an unknown type of one more", frame(0x16, 0, 0, bytes(16_385)), connection(SIZE)),
    # 4.3: header compression
    ("4.3: a block that is none", frame(HEADERS, WHOLE, 1, b"\x40"), connection(COMPRESSION)),
    ("4.3: PRIORITY within a block", frame(HEADERS, 1, 1, ONE) + frame(PRIORITY, 0, 1, bytes(5)), connection(PROTOCOL)),
    ("4.3: HEADERS of another stream within", frame(HEADERS, 1, 1, ONE) + headers(3, REQUEST), connection(PROTOCOL)),
    ("4.3: an unknown type within", frame(HEADERS, 1, 1, ONE) + frame(0x16, 0, 1), connection(PROTOCOL)),
    (
        "4.3: a block that is none, later",
        ENDED + frame(HEADERS, WHOLE, 1, b"\x40"),
        connection(COMPRESSION),
    ),
    # 5.1: stream states
    ("5.1 idle: DATA", data(1, b"x"), connection(PROTOCOL)),
    ("5.1 idle: RST_STREAM", rst_stream(1, CANCEL), connection(PROTOCOL)),
    ("5.1 idle: WINDOW_UPDATE", window_update(1, 1), connection(PROTOCOL)),
    ("5.1 idle: CONTINUATION", WRONG, connection(PROTOCOL)),
    ("5.1 half-closed: DATA", WHOLE_CALL + data(1, b"x"), stream(CLOSED)),
    ("5.1 half-closed: HEADERS", WHOLE_CALL + headers(1, [("k", "v")], end=True), stream(CLOSED)),
    ("5.1 half-closed: CONTINUATION", WHOLE_CALL + WRONG, connection(PROTOCOL)),
    # A closed stream is not remembered, so what might have crossed its end is passed over, whatever ended it.
    ("5.1 closed by reset: DATA", OPEN + rst_stream(1, CANCEL) + data(1, b"x"), FINE),
    ("5.1 closed by reset: trailers", OPEN + rst_stream(1, CANCEL) + headers(1, [("k", "v")], end=True), FINE),
    (
        "5.1 closed by reset: CONTINUATION",
        OPEN + rst_stream(1, CANCEL) + WRONG,
        connection(PROTOCOL),
    ),
    ("5.1 closed: DATA", ENDED + data(1, b"x"), FINE),
    ("5.1 closed: a second request", ENDED + OPEN, connection(PROTOCOL)),
    ("5.1 closed: CONTINUATION", ENDED + WRONG, connection(PROTOCOL)),
    ("5.1 closed: PRIORITY", ENDED + frame(PRIORITY, 0, 1, bytes(5)), FINE),
    ("5.1 closed: WINDOW_UPDATE and RST_STREAM", ENDED + window_update(1, 1) + rst_stream(1, CANCEL), FINE),
    # 5.1.1: stream identifiers
    ("5.1.1: an even stream", headers(2, REQUEST), connection(PROTOCOL)),
    ("5.1.1: frames of an even stream", headers(3, REQUEST) + window_update(2, 1), connection(PROTOCOL)),
    ("5.1.1: an id that falls", headers(5, REQUEST) + headers(3, REQUEST), connection(PROTOCOL)),
    ("5.1.1: stream 0", headers(0, REQUEST), connection(PROTOCOL)),
    ("5.1.1: an even stream whose block only begins", frame(HEADERS, 0, 2, ONE), connection(PROTOCOL)),
    ("5.1.2: more streams than we allow", b"".join(headers(n, REQUEST) for n in (1, 3, 5, 7)), stream(REFUSED)),
    # 5.3 is no more: priorities mean nothing, not even wrong ones.
    ("5.3.1: HEADERS that depend on themselves", frame(HEADERS, WHOLE | WITH_PRIORITY, 1, b"\0\0\0\1\xff" + ONE), FINE),
    ("5.3.1: PRIORITY that depends on itself", frame(PRIORITY, 0, 1, b"\0\0\0\1\xff"), FINE),
    # 5.5: extensions
    ("5.5: an unknown type between frames", OPEN + frame(0x16, 0, 1, b"x") + data(1, prefixed(b"x")), FINE),
    # 6.1: DATA
    ("6.1: on stream 0", data(0, b"x"), connection(PROTOCOL)),
    ("6.1: padding as long as the frame", OPEN + frame(DATA, PADDED, 1, b"\x06abcde"), connection(PROTOCOL)),
    ("6.1: padding of the whole frame", OPEN + frame(DATA, PADDED, 1, b"\x05abcde"), FINE),
    ("6.1: padded and empty", OPEN + frame(DATA, PADDED, 1), connection(SIZE)),
    # 6.2: HEADERS
    ("6.2: no END_HEADERS, and other HEADERS", frame(HEADERS, 0, 1, ONE) + headers(3, REQUEST), connection(PROTOCOL)),
    ("6.2: padding longer than the frame", frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + ONE), connection(PROTOCOL)),
    ("6.2: a priority cut short", frame(HEADERS, WHOLE | WITH_PRIORITY, 1, bytes(4)), connection(SIZE)),
    # 6.3: PRIORITY
    ("6.3: on stream 0", frame(PRIORITY, 0, 0, bytes(5)), connection(PROTOCOL)),
    ("6.3: of another length", OPEN + frame(PRIORITY, 0, 1, bytes(4)), connection(SIZE)),
    # 6.4: RST_STREAM
    ("6.4: on stream 0", rst_stream(0, CANCEL), connection(PROTOCOL)),
    ("6.4: of another length", OPEN + frame(RST_STREAM, 0, 1, bytes(3)), connection(SIZE)),
    # 6.5: SETTINGS
    ("6.5: ACK with a payload", frame(SETTINGS, ACK, 0, b"\0"), connection(SIZE)),
    ("6.5: on a stream", frame(SETTINGS, 0, 1, bytes(6)), connection(PROTOCOL)),
    ("6.5: of another length", frame(SETTINGS, 0, 0, bytes(3)), connection(SIZE)),
    ("6.5.2: push of 2", settings((2, 2)), connection(PROTOCOL)),
    ("6.5.2: a window over the limit", settings((4, 2**31)), connection(FLOW)),
    ("6.5.2: a frame size below the least", settings((5, 16_383)), connection(PROTOCOL)),
    ("6.5.2: a frame size over the limit", settings((5, 2**24)), connection(PROTOCOL)),
    ("6.5.2: one that nobody knows", settings((0xFF, 1)), FINE),
    ("6.5.3: the same one several times", settings((4, 1), (4, 70_000), (4, 0)), FINE),
    # 6.6: PUSH_PROMISE
    ("6.6: from a client", OPEN + frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + ONE), connection(PROTOCOL)),
    # 6.7: PING
    ("6.7: with ACK", frame(PING, ACK, 0, b"invalid-"), FINE),
    ("6.7: on a stream", frame(PING, 0, 1, bytes(8)), connection(PROTOCOL)),
    ("6.7: of another length", frame(PING, 0, 0, bytes(6)), connection(SIZE)),
    # 6.8: GOAWAY
    ("6.8: on a stream", frame(GOAWAY, 0, 1, bytes(8)), connection(PROTOCOL)),
    # 6.9: WINDOW_UPDATE
    ("6.9: of 0 bytes", window_update(0, 0), connection(PROTOCOL)),
    ("6.9: of 0 bytes on a stream", OPEN + window_update(1, 0), stream(PROTOCOL)),
    ("6.9: of another length", frame(WINDOW_UPDATE, 0, 0, bytes(3)), connection(SIZE)),
    ("6.9.1: over the limit", window_update(0, 2**31 - 1), connection(FLOW)),
    ("6.9.1: over the limit on a stream", OPEN + window_update(1, 2**31 - 1), stream(FLOW)),
    # 6.10: CONTINUATION
    (
        "6.10: several",
        frame(HEADERS, 1, 1, ONE[:3]) + frame(CONTINUATION, 0, 1, ONE[3:9]) + frame(CONTINUATION, 4, 1, ONE[9:]),
        FINE,
    ),
    (
        "6.10: DATA behind it",
        BEGUN + frame(CONTINUATION, 0, 1) + data(1, b""),
        connection(PROTOCOL),
    ),
    ("6.10: DATA within trailers", OPEN + frame(HEADERS, 1, 1) + data(1, prefixed(b"x")), connection(PROTOCOL)),
    ("6.10: on stream 0", BEGUN + frame(CONTINUATION, 4, 0, ONE[3:]), connection(PROTOCOL)),
    (
        "6.10: on another stream",
        BEGUN + frame(CONTINUATION, 4, 3, ONE[3:]),
        connection(PROTOCOL),
    ),
    ("6.10: behind END_HEADERS", OPEN + WRONG, connection(PROTOCOL)),
    (
        "6.10: behind a CONTINUATION that ended",
        BEGUN + REST + frame(CONTINUATION, 4, 1),
        connection(PROTOCOL),
    ),
    ("6.10: behind DATA", OPEN + data(1, prefixed(b"x")) + WRONG, connection(PROTOCOL)),
    # 7: error codes
    ("7: an unknown one in GOAWAY", go_away(0, 0xFF), FINE),
    ("7: an unknown one in RST_STREAM", OPEN + rst_stream(1, 0xFF), FINE),
    # 8.1: requests
    ("8.1: a second block without END_STREAM", OPEN + headers(1, [("k", "v")]), stream(PROTOCOL)),
    ("8.1.1: as many bytes as content-length says", with_length(6) + data(1, prefixed(b"x"), end=True), FINE),
    ("8.1.1: and in several frames", with_length(6) + data(1, prefixed(b"x")[:3]) + data(1, b"\0\1x", end=True), FINE),
    ("8.1.1: fewer", with_length(7) + data(1, prefixed(b"x"), end=True), stream(PROTOCOL)),
    (
        "8.1.1: fewer in several frames",
        with_length(7) + data(1, prefixed(b"")) + data(1, b"", end=True),
        stream(PROTOCOL),
    ),
    (
        "8.1.1: fewer, and trailers",
        with_length(7) + data(1, prefixed(b"x")) + headers(1, [("k", "v")], end=True),
        stream(PROTOCOL),
    ),
    ("8.1.1: more", with_length(5) + data(1, prefixed(b"x")), stream(PROTOCOL)),
    (
        "8.1.1: more in a later frame",
        with_length(6) + data(1, prefixed(b"x")) + data(1, prefixed(b"")),
        stream(PROTOCOL),
    ),
    ("8.1.1: none at all", headers(1, [*REQUEST, ("content-length", "1")], end=True), stream(PROTOCOL)),
    ("8.1.1: padding is none of them", with_length(6) + frame(DATA, PADDED | 1, 1, padded(prefixed(b"x"), 9)), FINE),
    ("8.1.1: a content-length that is no number", headers(1, [*REQUEST, ("content-length", "-6")]), stream(PROTOCOL)),
    ("8.1.1: two", headers(1, [*REQUEST, *[("content-length", "6")] * 2]), stream(PROTOCOL)),
    ("8.2.1: upper case in a name", headers(1, [*REQUEST, ("X-Test", "ok")]), stream(PROTOCOL)),
    ("8.2.2: a connection-specific field", headers(1, [*REQUEST, ("connection", "keep-alive")]), stream(PROTOCOL)),
    ("8.2.2: te other than trailers", headers(1, changed("te", "trailers, deflate;q=0.5")), stream(PROTOCOL)),
    ("8.3: an unknown pseudo-header field", headers(1, [(":test", "ok"), *REQUEST]), stream(PROTOCOL)),
    ("8.3: a response's", headers(1, [(":status", "200"), *REQUEST]), stream(PROTOCOL)),
    ("8.3: one in trailers", OPEN + headers(1, [(":method", "POST")], end=True), stream(PROTOCOL)),
    ("8.3: one behind a field", headers(1, [*without(":path"), (":path", "/a/b")]), stream(PROTOCOL)),
    ("8.3.1: an empty path", headers(1, changed(":path", "")), stream(PROTOCOL)),
    ("8.3.1: no method", headers(1, without(":method")), stream(PROTOCOL)),
    ("8.3.1: no scheme", headers(1, without(":scheme")), stream(PROTOCOL)),
    ("8.3.1: no path", headers(1, without(":path")), stream(PROTOCOL)),
    ("8.3.1: two methods", headers(1, [(":method", "POST"), *REQUEST]), stream(PROTOCOL)),
    ("8.3.1: two schemes", headers(1, [(":scheme", "http"), *REQUEST]), stream(PROTOCOL)),
    ("8.3.1: two paths", headers(1, [(":path", "/a/b"), *REQUEST]), stream(PROTOCOL)),
    ("8.5: CONNECT", headers(1, [(":method", "CONNECT"), (":authority", "x:1")]), STATUS),
    # RFC 7541
    ("HPACK 2.3.3: an index beyond the tables", frame(HEADERS, WHOLE, 1, ONE + b"\xff\x00"), connection(COMPRESSION)),
    ("HPACK 4.2: a table size update at the end", frame(HEADERS, WHOLE, 1, ONE + b"\x20"), connection(COMPRESSION)),
    (
        "HPACK 5.2: Huffman padding of 8 bits",
        frame(HEADERS, WHOLE, 1, ONE + BAD_PADDING),
        connection(COMPRESSION),
    ),
    ("HPACK 6.1: index 0", frame(HEADERS, WHOLE, 1, ONE + b"\x80"), connection(COMPRESSION)),
    ("HPACK 6.3: a table over our limit", frame(HEADERS, WHOLE, 1, b"\x3f\xe2\x1f" + ONE), connection(COMPRESSION)),
]


def verdict(server: ServerMachine, sent: bytes, step: int) -> Verdict:
    """What a server makes of bytes that come `step` at a time."""
    answer = b""
    try:
        for start in range(0, len(sent), step):
            server.receive_data(sent[start : start + step], 0.0)
            answer += server.data_to_send()
    except RemoteProtocolError:
        kind, _, _, payload = frames_of(server.data_to_send())[-1]
        assert kind == GOAWAY
        assert server.is_closed
        return connection(int.from_bytes(payload[4:8], "big"))
    for kind, flags, _, payload in frames_of(answer):
        if kind == HEADERS and flags & END_STREAM:
            return STATUS
        if kind == RST_STREAM:
            return stream(int.from_bytes(payload, "big"))
    return FINE


@pytest.mark.parametrize("step", [1, 10**6], ids=["bytewise", "whole"])
@pytest.mark.parametrize(("sent", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_rule(sent: bytes, expected: Verdict, step: int) -> None:
    server = ServerMachine(Settings(max_streams=3, min_ping_interval_s=1e-3), now=0.0)
    server.receive_data(PREFACE + settings(), 0.0)
    if sent.startswith(ENDED):
        server.receive_data(WHOLE_CALL, 0.0)
        server.send_status(1, OK_STATUS, b"x", write)
        sent = sent.removeprefix(ENDED)
    server.data_to_send()
    assert verdict(server, sent, step) == expected
    if is_connection(expected):
        return
    # The connection is as good as before.
    server.receive_data(headers(99, REQUEST), 0.0)
    server.data_to_send()
    server.receive_data(frame(PING, 0, 0, b"are you?"), 1.0)
    assert frames_of(server.data_to_send())[-1] == (PING, ACK, 0, b"are you?")


NGHTTP2_DIFFERS: Final[dict[str, Verdict]] = {
    # It ends the connection where the RFC asks for no more than the stream.
    "5.1 half-closed: DATA": connection(CLOSED),
    "5.1 half-closed: HEADERS": connection(CLOSED),
    "6.9: of 0 bytes on a stream": connection(PROTOCOL),
    "6.9.1: over the limit on a stream": connection(FLOW),
    # It takes ids that do not rise for those of closed streams, and any frame of PRIORITY for none.
    "5.1 closed: a second request": FINE,
    "5.1.1: an id that falls": FINE,
    "6.3: on stream 0": FINE,
    # It still knows priorities of RFC 7540.
    "5.3.1: HEADERS that depend on themselves": connection(PROTOCOL),
    "6.1: padded and empty": connection(PROTOCOL),
    # It allows more streams, and methods that are not gRPC's.
    "5.1.2: more streams than we allow": FINE,
    "8.5: CONNECT": FINE,
}
"""What nghttp2 makes of the cases in which it does not agree."""


@pytest.mark.parametrize(("name", "sent", "expected"), CASES, ids=[case[0] for case in CASES])
def test_nghttp2_agrees(name: str, sent: bytes, expected: Verdict) -> None:
    server = Ngh2(is_client=False)
    server.receive(PREFACE + settings())
    if sent.startswith(ENDED):
        server.receive(WHOLE_CALL)
        server.respond(1, [(":status", "200")], end=False)
        server.trail(1, [("grpc-status", "0")])
        sent = sent.removeprefix(ENDED)
    server.output()
    server.receive(sent)
    assert told_by(server.output()) == NGHTTP2_DIFFERS.get(name, expected)


def told_by(answer: bytes) -> Verdict:
    """The verdict that a server's frames tell."""
    errors = [
        connection(int.from_bytes(payload[4:8], "big")) if kind == GOAWAY else stream(int.from_bytes(payload, "big"))
        for kind, _, _, payload in frames_of(answer)
        if kind in {GOAWAY, RST_STREAM}
    ]
    return errors[-1] if errors else FINE


BLOCKS = st.sampled_from([ONE, ONE, block([("k", "v")]), ONE[:9], ONE + b"\x20", b"\xbe"])
CALLS = st.sampled_from([1, 1, 1, 3, 3, 5, 7])
ANY_STREAM = st.sampled_from([0, 1, 1, 3, 5, 2])
PAYLOADS: Final = {
    DATA: [b"", prefixed(b"x"), prefixed(b"abc")[:6], b"\0", b"\5abcdef"],
    RST_STREAM: [bytes(4), b"\0\0\0\x08", b"\0\0\0", b"\xff" * 4],
    SETTINGS: [b"", b"\0\4\0\0\0\x10", b"\0\4\x80\0\0\0", b"\0\5\0\0\0\1", b"\0\2\0\0\0\3", b"\0\1\0\0\0\0"],
    PING: [bytes(8), bytes(7)],
    WINDOW_UPDATE: [b"\0\0\0\1", b"\x80\0\0\1", b"\x7f\xff\xff\xff", bytes(4), b"\0\0"],
    CONTINUATION: [b"", ONE],
    0x20: [b"", b"abc"],
}


@st.composite
def units(draw: st.DrawFn) -> bytes:
    """A frame, or a whole header block in one to three."""
    kind = draw(st.sampled_from([HEADERS, HEADERS, HEADERS, DATA, DATA, DATA, WINDOW_UPDATE, *PAYLOADS]))
    if kind != HEADERS:
        is_calls = kind in {DATA, RST_STREAM, WINDOW_UPDATE, CONTINUATION}
        stream_id = draw(ANY_STREAM if is_calls or draw(st.integers(0, 9)) == 0 else st.just(0))
        # nghttp2 counts acknowledgements, which we do not.
        flags = draw(st.sampled_from([0, 0, 4, 8] if kind == SETTINGS else [0, 0, 1, 4, 8, 9]))
        return frame(kind, flags, stream_id, draw(st.sampled_from(PAYLOADS[kind])))
    fields, end = draw(BLOCKS), draw(st.sampled_from([0, END_STREAM]))
    stream_id = draw(CALLS) if draw(st.integers(0, 9)) else draw(ANY_STREAM)
    parts = [fields[: len(fields) // 2], fields[len(fields) // 2 :]] if draw(st.integers(0, 3)) == 0 else [fields]
    sent = frame(HEADERS, end | (END_HEADERS if len(parts) == 1 else 0), stream_id, parts[0])
    return sent + b"".join(frame(CONTINUATION, END_HEADERS, stream_id, part) for part in parts[1:])


@given(st.lists(units(), max_size=12))
@profile(max_examples=400, deadline=None)
def test_nghttp2_keeps_and_loses_the_same_connections(sent: list[bytes]) -> None:
    ours = ServerMachine(Settings(min_ping_interval_s=1e-6), now=0.0)
    ours.receive_data(PREFACE + settings(), 0.0)
    ours.data_to_send()
    theirs = Ngh2(is_client=False)
    theirs.receive(PREFACE + settings())
    theirs.output()
    for place, unit in enumerate(sent):
        theirs.receive(unit)
        expected = told_by(theirs.output())
        try:
            ours.receive_data(unit, float(place))
            is_lost = False
        except RemoteProtocolError:
            is_lost = True
        answer = ours.data_to_send()
        told = told_by(answer)
        if expected == FINE and is_lost and unit[3] == HEADERS:
            assert told == connection(PROTOCOL)
            return  # an id that falls
        if expected == FINE and is_lost and unit[3] == DATA and unit[4] & PADDED:
            return  # wrong padding, which nghttp2 does not look at once a stream has ended
        if is_connection(expected) and not is_lost:
            # The cases of `NGHTTP2_DIFFERS` in which the stream is enough.
            assert told == stream(expected[1])
            return
        assert is_lost == is_connection(expected), (unit, expected, told)
        if is_lost or any(kind == HEADERS for kind, *_ in frames_of(answer)):
            return  # a status: a rule of gRPC's has ended the call


def is_connection(verdict: Verdict) -> bool:
    return verdict[0] == "connection error"


def test_the_table_of_the_peers_encoder_is_followed_through_refusals() -> None:
    """Blocks of streams that are refused, malformed or over still change the table."""
    encoder = Encoder()
    server = ServerMachine(Settings(max_streams=1), now=0.0)
    server.receive_data(PREFACE + settings(), 0.0)
    for place, fields in enumerate([REQUEST, [*REQUEST, ("a", "1")], [*REQUEST, ("B", "2")], changed("te", "x")]):
        server.receive_data(frame(HEADERS, END_HEADERS, 1 + 2 * place, encoder.encode(fields)), 0.0)
    server.send_status(1, OK_STATUS)
    server.receive_data(frame(HEADERS, WHOLE, 1, encoder.encode([("late", "trailers")])), 0.0)
    (opened,) = server.receive_data(
        frame(HEADERS, END_HEADERS, 99, encoder.encode([*REQUEST, ("a", "1"), ("late", "trailers")])), 0.0
    )
    assert isinstance(opened, RequestOpened)
    assert opened.metadata.pairs == (("a", "1"), ("late", "trailers"))


def test_a_client_follows_the_table_as_well() -> None:
    encoder = Encoder()
    client = client_with_call()
    client.open(client.route("/p.S/M"), -1, EMPTY_METADATA, None, None, False)
    client.receive_data(rst_stream(1, CANCEL), 0.0)
    late = [(":status", "200"), ("content-type", "application/grpc"), ("k", "late")]
    client.receive_data(frame(HEADERS, END_HEADERS, 1, encoder.encode(late)), 0.0)
    (ended,) = client.receive_data(frame(HEADERS, WHOLE, 3, encoder.encode([*late, ("grpc-status", "0")])), 0.0)
    assert isinstance(ended, StatusReceived)
    assert ended.status.trailers.pairs == (("k", "late"),)
