"""The two forms of the health messages: as the generator would write them, and as protobuf does."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_codegen import generate
from eventflux_runtime import CodecError, ServingStatus
from eventflux_runtime.health.descriptor import HEALTH_POOL
from eventflux_runtime.health.message import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
    status_of,
)
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_LIST, HEALTH_WATCH
from eventflux_runtime.rpc.method import MessageCodec

THEIR_REQUEST, THEIR_RESPONSE = (
    message_factory.GetMessageClass(HEALTH_POOL.FindMessageTypeByName(f"grpc.health.v1.HealthCheck{name}"))
    for name in ("Request", "Response")
)
THEIR_LIST_REQUEST, THEIR_LIST = (
    message_factory.GetMessageClass(HEALTH_POOL.FindMessageTypeByName(f"grpc.health.v1.HealthList{name}"))
    for name in ("Request", "Response")
)
REQUEST, RESPONSE = HEALTH_CHECK.request, HEALTH_CHECK.response
LIST_REQUEST, LIST = HEALTH_LIST.request, HEALTH_LIST.response
HERE = Path(__file__).parent
NAMES = st.text()
STATUSES = st.dictionaries(NAMES, st.sampled_from(ServingStatus), max_size=5)
ENTRY = st.lists(
    st.sampled_from(
        [b"\x0a\x01a", b"\x0a\x00", b"\x12\x02\x08\x01", b"\x12\x02\x08\x02", b"\x12\x00", b"\x12\x01\x08", b"\x18\x01"]
    ),
    max_size=4,
).map(b"".join)
"""The records of an entry of a map, in any order and number, one of them cut off and one that is unknown."""


def native(codec: MessageCodec[Any], message: Any) -> bytes:
    writer = BytesWriter()
    codec.encode(message, writer)
    return writer.getvalue()


@given(NAMES)
def test_a_request_comes_back_in_both_forms(name: str) -> None:
    message = HealthCheckRequest(name)
    data = b"ahead" + native(REQUEST, message)
    assert REQUEST.decode(data + b"behind", 5, len(data)) == message
    assert REQUEST.from_protobuf(REQUEST.to_protobuf(message)) == message


@pytest.mark.parametrize("status", ServingStatus)
def test_a_response_comes_back_in_both_forms(status: ServingStatus) -> None:
    message = HealthCheckResponse(status)
    data = b"ahead" + native(RESPONSE, message)
    assert RESPONSE.decode(data + b"behind", 5, len(data)) == message
    assert RESPONSE.from_protobuf(RESPONSE.to_protobuf(message)) == message


@given(STATUSES)
def test_a_list_comes_back_in_both_forms(statuses: dict[str, ServingStatus]) -> None:
    message = HealthListResponse(statuses)
    data = b"ahead" + native(LIST, message)
    assert LIST.decode(data + b"behind", 5, len(data)) == message
    assert LIST.from_protobuf(LIST.to_protobuf(message)) == message
    theirs: Any = THEIR_LIST.FromString(LIST.to_protobuf(message))
    assert {name: value.status for name, value in theirs.statuses.items()} == statuses
    assert len(theirs.SerializeToString()) == len(LIST.to_protobuf(message))


def test_a_request_for_all_is_nothing_in_both_forms() -> None:
    assert native(LIST_REQUEST, HealthListRequest()) == LIST_REQUEST.to_protobuf(HealthListRequest()) == b""
    assert LIST_REQUEST.decode(b"ahead", 5, 5) == LIST_REQUEST.from_protobuf(b"\x12\x01a") == HealthListRequest()
    with pytest.raises(CodecError, match="HealthListRequest takes 0 bytes, not 1"):
        LIST_REQUEST.decode(b"ahead", 4, 5)


@given(st.binary(max_size=48))
def test_any_bytes_are_a_list_or_a_codec_error(data: bytes) -> None:
    try:
        message = LIST.decode(data, 0, len(data))
    except CodecError:
        return
    assert len(native(LIST, message)) <= len(data)


ONE = b"\1" + b"\0" * 7
NO_NAME = b"\0" * 8


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (b"\0" * 7, 0),
        (ONE, 0),
        (b"\xff" * 8, 0),
        (b"\2" + b"\0" * 7 + b"\0" * 12, 0),
        (ONE + b"\1" + b"\0" * 7 + b"\0" * 4, 8),
        (ONE + b"\xff" * 8 + b"\0" * 4, 8),
        (b"\2" + b"\0" * 7 + b"\x0c" + b"\0" * 7 + b"a" * 12 + b"\0" * 4, 32),
        (ONE + NO_NAME + b"\0" * 5, 20),
        (ONE + b"\2" + b"\0" * 7 + b"a\xff" + b"\0" * 4, 17),
    ],
)
def test_malformed_lists_are_refused(data: bytes, offset: int) -> None:
    with pytest.raises(CodecError, match=r"HealthListResponse\.statuses") as caught:
        LIST.decode(b"ahead" + data + b"behind", 5, 5 + len(data))
    assert caught.value.offset == offset


@example(b"\x0a\x06\x12\x02\x08\x01\x12\x00")
@example(b"\x0a\x05\x0a\x01a\x18\x01")
@given(st.lists(ENTRY.map(lambda entry: b"\x0a" + bytes([len(entry)]) + entry), max_size=3).map(b"".join))
def test_any_entries_are_read_as_protobuf_reads_them(data: bytes) -> None:
    expected: Any
    try:
        expected = THEIR_LIST.FromString(data)
    except DecodeError:
        with pytest.raises(CodecError):
            LIST.from_protobuf(data)
        return
    assert LIST.from_protobuf(data).statuses == {name: value.status for name, value in expected.statuses.items()}


@given(st.binary(max_size=24))
def test_any_bytes_are_a_message_or_a_codec_error(data: bytes) -> None:
    for codec in (REQUEST, RESPONSE):
        try:
            message = codec.decode(data, 0, len(data))
        except CodecError:
            continue
        assert codec is RESPONSE or native(codec, message) == data


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\1" + b"\0" * 7, b"\0" * 9, b"\1" + b"\0" * 7 + b"\xff"])
def test_malformed_requests_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError, match=r"HealthCheckRequest\.service"):
        REQUEST.decode(data, 0, len(data))


@pytest.mark.parametrize("data", [b"", b"\1\0\0", b"\1\0\0\0\0"])
def test_malformed_responses_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError, match=r"HealthCheckResponse\.status"):
        RESPONSE.decode(data, 0, len(data))


def test_malformed_protobuf_is_refused() -> None:
    for codec, field in ((REQUEST, "HealthCheckRequest.service"), (RESPONSE, "HealthCheckResponse.status")):
        for data in (b"\x0a", b"\x0a\x02a", b"\x08\xff", b"\x00\x01", b"\x0c", b"\x12\x05a"):
            with pytest.raises(CodecError, match=f"^{field}: ") as caught:
                codec.from_protobuf(data)
            assert caught.value.offset == 0
    for data in (
        b"\x0a",
        b"\x0a\x02a",
        b"\x00\x01",
        b"\x0a\x02\x08",
        b"\x0a\x04\x12\x02\x08\xff",
        b"\x0a\x03\x0a\x01\xff",
    ):
        with pytest.raises(CodecError, match=r"^HealthListResponse\.statuses: ") as caught:
            LIST.from_protobuf(data)
        assert caught.value.offset == 0
    for data in (b"\x0a\x02a", b"\x0c"):
        with pytest.raises(CodecError, match="^HealthListRequest: "):
            LIST_REQUEST.from_protobuf(data)
    with pytest.raises(CodecError, match="byte 3 of the input is not UTF-8"):
        REQUEST.from_protobuf(b"\x0a\x03a\xff\xff")


@given(st.binary(max_size=12))
def test_any_protobuf_is_read_as_protobuf_reads_it(data: bytes) -> None:
    judges = (
        (REQUEST, THEIR_REQUEST),
        (RESPONSE, THEIR_RESPONSE),
        (LIST_REQUEST, THEIR_LIST_REQUEST),
        (LIST, THEIR_LIST),
    )
    for codec, theirs in judges:
        expected: Any
        try:
            expected = theirs.FromString(data)
        except DecodeError:
            with pytest.raises(CodecError):
                codec.from_protobuf(data)
            continue
        message = codec.decode_protobuf(b"ahead" + data + b"behind", 5, 5 + len(data))
        if codec is REQUEST:
            assert message == HealthCheckRequest(expected.service)
        elif codec is RESPONSE:
            assert message == HealthCheckResponse(status_of(expected.status))
        elif codec is LIST:
            named = {name: status_of(value.status) for name, value in expected.statuses.items()}
            assert message == HealthListResponse(named)


def test_protobuf_is_written_as_protobuf_writes_it() -> None:
    for name in ("", "ünï", "x" * 200):
        assert REQUEST.to_protobuf(HealthCheckRequest(name)) == THEIR_REQUEST(service=name).SerializeToString()
    for status in ServingStatus:
        assert RESPONSE.to_protobuf(HealthCheckResponse(status)) == THEIR_RESPONSE(status=status).SerializeToString()


def test_what_is_not_known_is_skipped() -> None:
    unknown = b"\x12\x01a\x1b\x10\x05\x1c\x18\x80\x01"
    assert REQUEST.from_protobuf(unknown + b"\x0a\x01s" + unknown) == HealthCheckRequest("s")
    assert RESPONSE.from_protobuf(unknown + b"\x08\x01" + unknown) == HealthCheckResponse(ServingStatus.SERVING)


def test_a_status_without_a_name_here_is_unknown() -> None:
    assert RESPONSE.decode(b"\4\0\0\0", 0, 4).status is ServingStatus.UNKNOWN
    assert RESPONSE.from_protobuf(b"\x08\x04").status is ServingStatus.UNKNOWN
    assert RESPONSE.from_protobuf(b"").status is ServingStatus.UNKNOWN


def test_text_that_is_no_utf_8_is_refused() -> None:
    for encode in (lambda message: native(REQUEST, message), REQUEST.to_protobuf):
        with pytest.raises(CodecError):
            encode(HealthCheckRequest("\ud800"))
    for encode_list in (lambda message: native(LIST, message), LIST.to_protobuf):
        with pytest.raises(CodecError):
            encode_list(HealthListResponse({"\ud800": ServingStatus.SERVING}))


@pytest.mark.slow
def test_layout_and_fingerprints_are_what_the_generator_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "health.proto").write_text((HERE / "health.proto").read_text())
    config = tmp_path / "health.yaml"
    config.write_text("package: generated_health\nprotos: [health.proto]\n")
    generate(config)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("generated_health")
    methods = importlib.import_module("generated_health.methods")
    assert methods.HEALTH_CHECK.fingerprint == HEALTH_CHECK.fingerprint
    assert methods.HEALTH_LIST.fingerprint == HEALTH_LIST.fingerprint
    assert methods.HEALTH_WATCH.fingerprint == HEALTH_WATCH.fingerprint
    assert methods.HEALTH_CHECK.path == HEALTH_CHECK.path
    request = made.HealthCheckRequest(service="ünï")
    assert native(methods.HEALTH_CHECK.request, request) == native(REQUEST, HealthCheckRequest("ünï"))
    assert request.to_protobuf() == REQUEST.to_protobuf(HealthCheckRequest("ünï"))
    for status in ServingStatus:
        response = made.HealthCheckResponse(status=int(status))
        assert native(methods.HEALTH_CHECK.response, response) == native(RESPONSE, HealthCheckResponse(status))
    listed = made.HealthListResponse(statuses={"ünï": made.HealthCheckResponse(status=2)})
    ours = HealthListResponse({"ünï": ServingStatus.NOT_SERVING})
    assert native(methods.HEALTH_LIST.response, listed) == native(LIST, ours)
    assert listed.to_protobuf() == LIST.to_protobuf(ours)
    assert native(methods.HEALTH_LIST.request, made.HealthListRequest()) == b""


WITHOUT_PROTOBUF = """
import sys
sys.modules["google.protobuf"] = None
import anyio
from eventflux_runtime import HealthClient, connect, serve

async def main():
    async with serve([], "tcp://127.0.0.1:0") as server, connect(server.endpoints[0]) as channel:
        print((await HealthClient(channel).check()).name)

anyio.run(main)
"""


def test_the_native_wire_needs_no_protobuf() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PROTOBUF], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SERVING"
