from __future__ import annotations

from typing import Final

import h2.config
import h2.connection
import h2.exceptions
import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.field import NAME_CHARACTERS, Field
from eventflux_runtime.protocol.grpc.http2.field_rule import (
    NO_PSEUDO,
    REQUEST_PSEUDO,
    RESPONSE_PSEUDO,
    malformation,
)

Pairs = list[tuple[bytes, bytes]]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS: Final = b"\0\0\0\4\0\0\0\0\0"
REQUEST: Final[Pairs] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"host"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]
RESPONSE: Final[Pairs] = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS: Final[Pairs] = [(b"grpc-status", b"0"), (b"grpc-message", b"")]


def fields(pairs: Pairs) -> list[Field]:
    return [Field(name, value) for name, value in pairs]


def headers_frame(pairs: Pairs, is_end: bool) -> bytes:
    """A HEADERS frame of stream 1 (RFC 9113, 6.2)."""
    block = hpack.Encoder().encode(pairs)
    return len(block).to_bytes(3, "big") + bytes([1, 4 | is_end]) + (1).to_bytes(4, "big") + block


def h2_refuses_request(pairs: Pairs) -> bool:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    return refuses(server, PREFACE + EMPTY_SETTINGS + headers_frame(pairs, is_end=False))


def h2_refuses_response(*lists: Pairs) -> bool:
    """Whether h2 takes the last list of a response for malformed; one behind the first ends it."""
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, REQUEST)
    client.receive_data(EMPTY_SETTINGS)
    *sound, last = lists
    for pairs in sound:
        client.receive_data(headers_frame(pairs, is_end=False))
    return refuses(client, headers_frame(last, is_end=bool(sound)))


def refuses(receiver: h2.connection.H2Connection, data: bytes) -> bool:
    try:
        receiver.receive_data(data)
    except h2.exceptions.ProtocolError:
        return True
    return False


def refused(pairs: Pairs, allowed: int, required: int) -> bool:
    found = fields(pairs)
    return bool(malformation(found, allowed, required))


NAMES: Final = st.sampled_from(
    [
        *(name for name, _ in [*REQUEST, *RESPONSE, *TRAILERS]),
        b":protocol",
        b":",
        b"",
        b"x",
        b"Upper",
        b"x\x00",
        b"x y",
        b"x:y",
        b"x\x7f",
        b"x\xff",
        b"x\n",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
        b"te",
        b"a-bin",
    ]
)
VALUES: Final = st.sampled_from([b"trailers", b"gzip", b"1", b"", b"a b", b"\xff", b"a\x00", b"a\rb", b"a\nb", b"a\tb"])
CHANGES: Final = st.lists(
    st.tuples(st.sampled_from(["insert", "remove", "repeat", "swap"]), st.integers(0, 7), NAMES, VALUES), max_size=2
)


def changed(pairs: Pairs, changes: list[tuple[str, int, bytes, bytes]]) -> Pairs:
    made = list(pairs)
    for kind, number, name, value in changes:
        place = number % (len(made) or 1)
        if kind == "insert":
            made.insert(place, (name, value))
        elif kind == "remove":
            del made[place : place + 1]
        elif kind == "repeat":
            made.extend(made[place : place + 1])
        else:
            made.insert(0, made.pop(place) if made else (name, value))
    return made


def is_stricter(pairs: Pairs) -> bool:
    """Whether a name has a character that RFC 9110 has in none (5.6.2), and that h2 lets pass."""
    return any(name.removeprefix(b":").translate(None, NAME_CHARACTERS) for name, _ in pairs)


def judged(pairs: Pairs) -> bool:
    """Whether h2 judges a list by the same rules: it asks for an authority, and wants no path or method to be empty."""
    names = [name for name, _ in pairs]
    return bool(names) and b":authority" in names and all(value for name, value in pairs if name.startswith(b":"))


@given(CHANGES)
def test_requests_are_judged_as_h2_does(changes: list[tuple[str, int, bytes, bytes]]) -> None:
    pairs = changed(REQUEST, changes)
    if judged(pairs):
        ours = refused(pairs, REQUEST_PSEUDO, REQUEST_PSEUDO)
        assert ours == h2_refuses_request(pairs) or (ours and is_stricter(pairs))


@given(CHANGES)
def test_responses_are_judged_as_h2_does(changes: list[tuple[str, int, bytes, bytes]]) -> None:
    pairs = changed(RESPONSE, changes)
    if pairs and (b":status", b"200") in pairs:
        ours = refused(pairs, RESPONSE_PSEUDO, RESPONSE_PSEUDO)
        assert ours == h2_refuses_response(pairs) or (ours and is_stricter(pairs))


@given(CHANGES)
def test_trailers_are_judged_as_h2_does(changes: list[tuple[str, int, bytes, bytes]]) -> None:
    pairs = changed(TRAILERS, changes)
    if pairs:
        ours = refused(pairs, NO_PSEUDO, NO_PSEUDO)
        assert ours == h2_refuses_response(RESPONSE, pairs) or (ours and is_stricter(pairs))


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([(b"Upper", b"x")], "the name of the field 'Upper' has upper case"),
        ([(b"x y", b"x")], "the field 'x y' has a character that is not allowed"),
        ([(b"", b"x")], "the field '' has a character that is not allowed"),
        ([(b"x\xff", b"x")], "the field 'xÿ' has a character that is not allowed"),
        ([(b"x", b"a\rb")], "the field 'x' has a character that is not allowed"),
        ([(b"x", b"a\nb")], "the field 'x' has a character that is not allowed"),
        ([(b"x", b"a\x00b")], "the field 'x' has a character that is not allowed"),
        ([(b":path", b"/\x00")], "the field ':path' has a character that is not allowed"),
        ([(b"connection", b"close")], "the field 'connection' is about a connection of HTTP/1.1"),
        ([(b"keep-alive", b"1")], "the field 'keep-alive' is about a connection of HTTP/1.1"),
        ([(b"proxy-connection", b"1")], "the field 'proxy-connection' is about a connection of HTTP/1.1"),
        ([(b"transfer-encoding", b"1")], "the field 'transfer-encoding' is about a connection of HTTP/1.1"),
        ([(b"upgrade", b"1")], "the field 'upgrade' is about a connection of HTTP/1.1"),
        ([(b"te", b"gzip")], "the field 'te' may say 'trailers' only"),
        ([(b":protocol", b"x")], "the pseudo-header field ':protocol' is none of HTTP/2's"),
        ([(b":status", b"200")], "the pseudo-header field ':status' does not belong here"),
        ([(b"a", b"b"), (b":path", b"/")], "the pseudo-header field ':path' stands behind other fields"),
        ([(b"te", b"trailers"), (b":path", b"/")], "the pseudo-header field ':path' stands behind other fields"),
        ([(b"a-bin", b""), (b":path", b"/")], "the pseudo-header field ':path' stands behind other fields"),
        ([(b":path", b"/"), (b":path", b"/")], "the pseudo-header field ':path' stands there twice"),
        ([(b"x" * 100 + b" ", b"x")], f"the field '{'x' * 64}' has"),
    ],
)
def test_each_fault_is_named(pairs: Pairs, reason: str) -> None:
    assert malformation(fields(pairs), REQUEST_PSEUDO, NO_PSEUDO).startswith(reason)


def test_what_is_missing_is_named() -> None:
    assert malformation(fields(REQUEST), REQUEST_PSEUDO, REQUEST_PSEUDO) == ""
    for place, (name, _) in enumerate(REQUEST[:4]):
        found = fields(REQUEST[:place] + REQUEST[place + 1 :])
        expected = f"the pseudo-header field {name.decode()!r} is missing"
        assert malformation(found, REQUEST_PSEUDO, REQUEST_PSEUDO) == expected
    assert "':status' is missing" in malformation([], RESPONSE_PSEUDO, RESPONSE_PSEUDO)


def test_a_sound_list_has_no_fault() -> None:
    pairs = [*REQUEST, (b"x!#$%&'*+-.^_`|~0", b"\t \x01\x7f\xff")]
    assert malformation(fields(pairs), REQUEST_PSEUDO, REQUEST_PSEUDO) == ""
