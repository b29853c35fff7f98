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
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_codegen import generate
from eventflux_runtime import CodecError, ServingStatus
from eventflux_runtime.health.descriptor import HEALTH_POOL
from eventflux_runtime.health.message import HealthCheckRequest, HealthCheckResponse, status_of
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_WATCH
from eventflux_runtime.rpc.method import MessageCodec

THEIR_REQUEST, THEIR_RESPONSE = (
    message_factory.GetMessageClass(HEALTH_POOL.FindMessageTypeByName(f"grpc.health.v1.HealthCheck{name}"))
    for name in ("Request", "Response")
)
REQUEST, RESPONSE = HEALTH_CHECK.request, HEALTH_CHECK.response
HERE = Path(__file__).parent
NAMES = st.text()


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
    with pytest.raises(CodecError, match="byte 3 of the input is not UTF-8"):
        REQUEST.from_protobuf(b"\x0a\x03a\xff\xff")


@given(st.binary(max_size=12))
def test_any_protobuf_is_read_as_protobuf_reads_it(data: bytes) -> None:
    for codec, theirs in ((REQUEST, THEIR_REQUEST), (RESPONSE, THEIR_RESPONSE)):
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
        else:
            assert message == HealthCheckResponse(status_of(expected.status))


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


def test_layout_and_fingerprints_are_what_the_generator_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "health.proto").write_text((HERE / "health.proto").read_text())
    config = tmp_path / "health.yaml"
    config.write_text("package: generated_health\nprotos: [health.proto]\n")
    generate(config)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("generated_health")
    methods = importlib.import_module("generated_health.methods")
    assert methods.HEALTH_CHECK.fingerprint == HEALTH_CHECK.fingerprint
    assert methods.HEALTH_WATCH.fingerprint == HEALTH_WATCH.fingerprint
    assert methods.HEALTH_CHECK.path == HEALTH_CHECK.path
    request = made.HealthCheckRequest(service="ünï")
    assert native(methods.HEALTH_CHECK.request, request) == native(REQUEST, HealthCheckRequest("ünï"))
    assert request.to_protobuf() == REQUEST.to_protobuf(HealthCheckRequest("ünï"))
    for status in ServingStatus:
        response = made.HealthCheckResponse(status=int(status))
        assert native(methods.HEALTH_CHECK.response, response) == native(RESPONSE, HealthCheckResponse(status))


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
