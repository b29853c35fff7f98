"""The two forms of the health messages: as the generator would write them, and as protobuf does."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_codegen import generate
from eventflux_runtime import CodecError, ServingStatus
from eventflux_runtime.health.message import HealthCheckRequest, HealthCheckResponse
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_WATCH
from eventflux_runtime.rpc.method import MessageCodec

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
    for codec in (REQUEST, RESPONSE):
        with pytest.raises(CodecError, match="not a HealthCheck"):
            codec.from_protobuf(b"\x0a\xff")


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
