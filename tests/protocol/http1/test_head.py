"""Heads of requests: whole, in pieces, with what follows, and with everything that can be wrong with one."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.http1.answer import Answer, encode_answer
from eventflux_runtime.protocol.http1.head import MAX_HEAD_BYTES, HeadError, HeadReader, RequestHead

GET = b"GET /a/b?c=d?e HTTP/1.1\r\nHost: node\r\nX-Odd:  spaced \t\r\nx-odd:\r\n\r\n"


def read(data: bytes, size: int = 0) -> RequestHead | None:
    reader = HeadReader()
    for start in range(0, len(data), size or len(data)):
        head = reader.receive_data(data[start : start + (size or len(data))])
        if head is not None:
            return head
    return None


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_a_head_is_the_same_in_pieces_of_any_size(size: int) -> None:
    head = read(GET, size)
    assert head is not None
    assert (head.method, head.path, head.query) == ("GET", "/a/b", "c=d?e")
    assert head.fields == (("host", "node"), ("x-odd", "spaced"), ("x-odd", ""))
    assert head.values("x-odd") == ["spaced", ""]
    assert head.raw == GET


def test_what_follows_the_head_is_kept() -> None:
    reader = HeadReader()
    assert reader.receive_data(GET[:-1]) is None
    assert reader.receive_data(GET[-1:] + b"rest" + bytes(MAX_HEAD_BYTES * 2)) is not None
    assert reader.rest == b"rest" + bytes(MAX_HEAD_BYTES * 2)


def test_a_target_may_be_absolute() -> None:
    head = read(b"GET http://node:7070/x?y HTTP/1.1\r\nHost: node:7070\r\n\r\n")
    assert head is not None
    assert (head.path, head.query) == ("/x", "y")


def test_words_of_a_list_and_bodies() -> None:
    head = read(b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket , h2c\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n")
    assert head is not None
    assert head.tokens("upgrade") == ["websocket", "h2c", "x"]
    assert head.has_body
    plain = read(GET)
    assert plain is not None
    assert not plain.has_body


def test_a_request_of_the_version_before_needs_no_host() -> None:
    assert read(b"GET / HTTP/1.0\r\n\r\n") is not None


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"GET /\r\n\r\n", HTTPStatus.BAD_REQUEST, "first line is no request"),
        (b"G T / HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST, "first line is no request"),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HTTPStatus.BAD_REQUEST, "first line is no request"),
        (b"GET /\xc3 HTTP/1.1\r\nHost: a\r\n\r\n", HTTPStatus.BAD_REQUEST, "first line is no request"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/2.0 is not spoken here"),
        (b"GET / HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST, "this one has 0"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", HTTPStatus.BAD_REQUEST, "this one has 2"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HTTPStatus.BAD_REQUEST, "line 2 of the head is no field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", HTTPStatus.BAD_REQUEST, "line 3 of the head is no field"),
        (b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", HTTPStatus.BAD_REQUEST, "line 2 of the head is no field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", HTTPStatus.BAD_REQUEST, "line 3 of the head is no field"),
        (b"GET / HTTP/1.1\nHost: a\n\n", HTTPStatus.BAD_REQUEST, "carriage return"),
    ],
)
def test_a_head_that_is_none_is_refused(data: bytes, status: HTTPStatus, words: str) -> None:
    for size in (0, 1):
        with pytest.raises(HeadError, match=words) as caught:
            read(data, size)
        assert caught.value.status == status


def test_a_head_is_bounded_to_the_byte() -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    longest = start + b"x" * (MAX_HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"
    assert read(longest) is not None
    for size in (0, 100):
        with pytest.raises(HeadError, match="longer than 16384 bytes") as caught:
            read(start + b"x" * MAX_HEAD_BYTES * 4, size)
        assert caught.value.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    with pytest.raises(HeadError, match="longer than 16384 bytes"):
        read(b"GET / HTTP/1.1\r\nX: x" + longest[14:])


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_a_head_or_an_error_or_not_whole(data: bytes, size: int) -> None:
    for start in (b"", b"GET / HTTP/1.1\r\n"):
        try:
            read(start + data + b"\r\n\r\n", size)
        except HeadError as error:
            assert error.reason  # noqa: PT017 - any other exception fails the test by itself


def test_an_answer_says_its_length_and_that_it_is_the_last() -> None:
    answer = Answer(404, "é".encode(), "text/plain", (("X-More", "1"),))
    head, _, body = encode_answer(answer).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 404 Not Found"
    assert lines[1].startswith("Date: ")
    assert lines[1].endswith(" GMT")
    assert lines[2:] == ["Connection: close", "Content-Type: text/plain", "Content-Length: 2", "X-More: 1"]
    assert body == "é".encode()
    assert encode_answer(answer, is_head=True).endswith(b"Content-Length: 2\r\nX-More: 1\r\n\r\n")
