"""What an error's parts become, and how errors print, copy and travel between processes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import grpc
import hypothesis.strategies as st
import pytest
from hypothesis import given

from eventflux_runtime import (
    CodecError,
    ConfigError,
    ErrorDetail,
    Metadata,
    MissingExtraError,
    NotFound,
    PoolTimeout,
    ProtocolError,
    RpcError,
    Status,
    StatusCode,
    TransportError,
    Unavailable,
)
from eventflux_runtime.protocol.core.error import MessageTooLarge, RemoteProtocolError, StreamsExhausted
from eventflux_runtime.protocol.eventflux.frame import FrameTooLong
from eventflux_runtime.rpc import rpc_error as rpc_errors
from eventflux_runtime.rpc.status_part import (
    MAX_TEXT_BYTES,
    encoded_bytes,
    escaped,
    fitted,
    plain_code,
    plain_details,
    plain_metadata,
    plain_text,
    shortened,
)


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        (5, StatusCode.NOT_FOUND),
        (99, StatusCode.UNKNOWN),
        (-1, StatusCode.UNKNOWN),
        (10**30, StatusCode.UNKNOWN),
        ("NOT_FOUND", StatusCode.NOT_FOUND),
        ("not_found", StatusCode.NOT_FOUND),
        ("?", StatusCode.UNKNOWN),
        (None, StatusCode.UNKNOWN),
        (grpc.StatusCode.ABORTED, StatusCode.ABORTED),
        (StatusCode.ABORTED, StatusCode.ABORTED),
    ],
)
def test_codes(given_: object, code: StatusCode) -> None:
    assert plain_code(given_) is code


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_a_text_can_be_encoded_and_any_other_stays_as_it_is(text: str) -> None:
    plain = plain_text(text)
    assert type(plain) is str
    plain.encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        assert plain != text
    else:
        assert plain == text


class Odd(str):
    """A text that says and encodes something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "else"

    def isascii(self) -> bool:
        return False

    def encode(self, *_: Any) -> bytes:
        return b"else"


def test_a_text_of_a_class_of_its_own_is_pythons() -> None:
    plain = plain_text(Odd("given"))
    assert (type(plain), plain) == (str, "given")


class Broken:
    """What fails while it is iterated over."""

    def __iter__(self) -> Iterator[ErrorDetail]:
        yield DETAIL
        raise ValueError("no more")


DETAIL = ErrorDetail("t", b"v")
ODD: Any = ErrorDetail


@pytest.mark.parametrize(
    ("given_", "details"),
    [
        (DETAIL, (DETAIL,)),
        ([DETAIL, DETAIL], (DETAIL, DETAIL)),
        (iter([DETAIL]), (DETAIL,)),
        ([ODD("t", bytearray(b"v"))], (DETAIL,)),
        ([ODD("t", memoryview(b"v"))], (DETAIL,)),
        ([ODD(5, b"v")], (ErrorDetail("5", b"v"),)),
    ],
)
def test_details_that_can_be_sent_are(
    given_: Any, details: tuple[ErrorDetail, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert plain_details(given_) == details
    assert [type(detail.value) for detail in plain_details(given_)] == [bytes] * len(plain_details(given_))
    assert not caplog.messages


@pytest.mark.parametrize(
    ("given_", "left"),
    [
        (None, 1),
        (5, 1),
        (Broken(), 1),
        ([5], 1),
        ([ODD("t", "v")], 1),
        ([ODD("t", None), 5], 2),
    ],
)
def test_details_that_cannot_are_left_out_and_the_log_says_so(
    given_: Any, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert plain_details(given_) == ()
    assert [message.partition(" of an error")[0] for message in caplog.messages] == [
        f"left out {left} of {left} details"
    ]


def test_details_beside_those_that_are_left_out_stay(caplog: pytest.LogCaptureFixture) -> None:
    mixed: Any = [DETAIL, "x", DETAIL]
    assert NotFound("x", details=mixed).details == (DETAIL, DETAIL)
    assert "left out 1 of 3 details" in caplog.text


def test_metadata_that_breaks_the_rules_is_left_out_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert plain_metadata({"k": 5}) == Metadata()
    assert "left out the metadata of an error: " in caplog.text
    assert plain_metadata({"k": "v"}) == Metadata([("k", "v")])


def test_an_error_has_a_code_whatever_it_is_given() -> None:
    class Gone(RpcError):
        default_code = "not_found"  # type: ignore[assignment] # the mistake that is tested

    number: Any = 5
    assert Gone("x").code is StatusCode.NOT_FOUND
    assert RpcError("x", code=number).code is StatusCode.NOT_FOUND


def test_an_error_whose_parts_were_changed_still_has_a_status(caplog: pytest.LogCaptureFixture) -> None:
    error: Any = NotFound("x")
    error.code, error.message, error.details, error.metadata = "aborted", 5, ["x"], {"k": 5}
    assert error.status == Status(StatusCode.ABORTED, "5")
    assert str(error) == "ABORTED: 5"
    assert len(caplog.messages) == 2


@given(st.text(max_size=300), st.integers(40, 400))
def test_a_shortened_text_fits_and_says_what_is_missing(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert encoded_bytes(short) <= limit
    if encoded_bytes(text) <= limit:
        assert short == text
    else:
        kept, _, mark = short.rpartition("... [cut: ")
        assert text.startswith(kept)
        assert int(mark.removesuffix(" bytes]")) == len(text.encode()) - len(kept.encode())


def test_a_text_of_four_kibibytes_is_whole() -> None:
    assert shortened("a" * MAX_TEXT_BYTES) == "a" * MAX_TEXT_BYTES
    assert shortened("a" * (MAX_TEXT_BYTES + 1)).endswith("... [cut: 22 bytes]")


def test_trailers_go_before_details_and_details_before_the_text() -> None:
    def size_of(status: Status) -> int:
        details = sum(len(detail.value) for detail in status.details)
        return len(status.message) + details + sum(len(value) for _, value in status.trailers.pairs)

    whole = Status(StatusCode.ABORTED, "t" * 100, (ErrorDetail("u", bytes(50)),), Metadata([("k", "v" * 60)]))
    assert fitted(whole, size_of, 210) is whole
    cut = fitted(whole, size_of, 200)
    assert (cut.message, cut.details, cut.trailers) == (
        "t" * 100 + "... [cut: 61 bytes of trailers]",
        whole.details,
        Metadata(),
    )
    assert (
        fitted(whole, size_of, 180).message
        == "t" * 100 + "... [cut: 51 bytes of details]... [cut: 61 bytes of trailers]"
    )
    assert fitted(whole, size_of, 100).message.startswith("t")
    assert size_of(fitted(whole, size_of, 100)) <= 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字 \u3000", "plain é 漢字 \u3000"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("line\nbreak\r\t", "line\\nbreak\\r\\t"),
        ("\u202ereversed\u2028", "\\u202ereversed\\u2028"),
        ("\x9b2J", "\\x9b2J"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    error = NotFound(text)
    assert error.message == text
    assert escaped(text) == shown
    assert str(error) == f"NOT_FOUND: {shown}"


class Own(NotFound):
    def __init__(self, key: str, *, extra: int) -> None:
        super().__init__(f"no {key}", details=[ErrorDetail("t", b"v")], metadata={"k": "v"})
        self.key = key
        self.extra = extra


class Bare(NotFound):
    def __init__(self, key: str) -> None:
        self.key = key


EVERY_CODE = [rpc_errors.RpcError.from_status(Status(code, "x")) for code in StatusCode if code is not StatusCode.OK]
ERRORS: list[TransportError] = [
    *EVERY_CODE,
    RpcError("x", code=StatusCode.ABORTED, details=[ErrorDetail("t", b"v")], metadata={"k-bin": b"v"}),
    PoolTimeout("x"),
    Own("key", extra=5),
    Bare("key"),
    ConfigError("x"),
    MissingExtraError("zstd", "compression"),
    CodecError("x", field="M.f", offset=5),
    ProtocolError("x"),
    RemoteProtocolError("x", StatusCode.ABORTED),
    MessageTooLarge(5, 4),
    StreamsExhausted("x", 5, 4),
    FrameTooLong(5, 4),
]


ATTRIBUTES = (
    "code",
    "message",
    "details",
    "metadata",
    "unprocessed",
    "key",
    "extra",
    "feature",
    "field",
    "offset",
    "size",
)


def parts(error: BaseException) -> tuple[Any, ...]:
    return (
        type(error),
        error.args,
        str(error),
        {name: getattr(error, name, None) for name in (*ATTRIBUTES, "size", "limit")},
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_errors_pickle(error: TransportError, protocol: int) -> None:
    assert parts(pickle.loads(pickle.dumps(error, protocol))) == parts(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_copy(error: TransportError) -> None:
    for made in (copy.copy(error), copy.deepcopy(error)):
        assert made is not error
        assert parts(made) == parts(error)


def test_what_happens_to_a_copy_stays_with_it() -> None:
    error = Unavailable("x")
    error.unprocessed = True
    made = copy.copy(error)
    made.unprocessed = False
    made.add_note("seen")
    assert error.unprocessed
    assert not hasattr(error, "__notes__")
