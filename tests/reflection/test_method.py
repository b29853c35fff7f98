"""The messages of reflection: whose they are, how they travel, and a peer whose code was made from their definition."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from librt.strings import BytesWriter

from eventflux_codegen import generate
from eventflux_runtime import (
    CodecError,
    ServerConfig,
)
from eventflux_runtime.reflection.descriptor import V1, V1ALPHA, message_class
from eventflux_runtime.reflection.method import REFLECTION_METHODS, REFLECTION_V1, REFLECTION_V1ALPHA
from eventflux_runtime.rpc.method import AnyMethod
from tests.support.probe import Probe
from tests.support.reflecting import question
from tests.support.wires import WIRES, address, connect, serve

HERE = Path(__file__).parent


def definitions(file: Any) -> FileDescriptorProto:
    """What a file defines, without its path and what its options tell generators of other languages."""
    proto = FileDescriptorProto.FromString(file.serialized_pb)
    proto.ClearField("name")
    proto.ClearField("options")
    return proto


def test_v1alpha_is_defined_as_by_grpcio_reflection() -> None:
    assert definitions(V1ALPHA) == definitions(reflection_pb2.DESCRIPTOR)
    assert V1ALPHA.GetOptions().deprecated


def test_both_versions_have_the_same_messages_and_pools_of_their_own() -> None:
    assert [message.name for message in V1.message_types_by_name.values()] == [*V1ALPHA.message_types_by_name]
    for name, message in V1.message_types_by_name.items():
        other = V1ALPHA.message_types_by_name[name]
        assert [(f.name, f.number, f.type, f.is_repeated) for f in message.fields] == [
            (f.name, f.number, f.type, f.is_repeated) for f in other.fields
        ]
    assert V1.pool is not V1ALPHA.pool


@pytest.mark.parametrize("method", REFLECTION_METHODS)
def test_a_message_comes_back_in_both_forms(method: AnyMethod) -> None:
    request = question(method, host="h", file_containing_extension={"containing_type": "a", "extension_number": -1})
    writer = BytesWriter()
    method.request.encode(request, writer)
    data = b"ahead" + writer.getvalue() + b"behind"
    assert method.request.decode(data, 5, len(data) - 6) == request
    assert method.request.from_protobuf(method.request.to_protobuf(request)) == request


def test_malformed_bytes_are_refused() -> None:
    for data in (b"\x0a\x05a", b"\x00\x01", b"\x0a\x01\xff"):
        with pytest.raises(CodecError, match=r"^grpc\.reflection\.v1\.ServerReflectionRequest: "):
            REFLECTION_V1.request.from_protobuf(data)


@pytest.mark.parametrize("wrong", [None, b"", "list_services"])
def test_what_is_no_message_is_refused(wrong: Any) -> None:
    with pytest.raises(CodecError, match=f"protobuf's class for it, not {type(wrong).__name__}"):
        REFLECTION_V1.request.to_protobuf(wrong)
    with pytest.raises(CodecError, match="not ServerReflectionRequest"):
        REFLECTION_V1.request.to_protobuf(question(REFLECTION_V1ALPHA))


@pytest.mark.parametrize(
    "name", ["ServerReflectionRequest", "grpc.reflection.v1.NoSuch", "grpc.health.v1.ErrorResponse"]
)
def test_there_are_no_other_classes(name: str) -> None:
    with pytest.raises(KeyError):
        message_class(name)


WITHOUT_PROTOBUF = """
import sys
sys.modules["google.protobuf"] = None
from eventflux_runtime import MissingExtraError
from eventflux_runtime.reflection.method import REFLECTION_V1
for attempt in (lambda: REFLECTION_V1.request.from_protobuf(b""), lambda: REFLECTION_V1.request.to_protobuf(None)):
    try:
        attempt()
    except MissingExtraError as error:
        print(error.extra)
"""


def test_without_protobuf_the_error_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PROTOBUF], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["protobuf", "protobuf"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package that the generator makes of reflection's definition, without its protobuf classes."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "reflection.proto").write_text((HERE / "reflection.proto").read_text())
    config = folder / "reflection.yaml"
    config.write_text("package: generated_reflection\nprotos: [reflection.proto]\n")
    generate(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("generated_reflection")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_client_made_from_the_definition_is_understood(wire: str, tmp_path: Path, made: Any) -> None:
    """Its native layout is another one, so the fingerprints differ, and both sides take protobuf's encoding."""
    methods = importlib.import_module("generated_reflection.methods")
    assert methods.SERVER_REFLECTION_SERVER_REFLECTION_INFO.path == REFLECTION_V1.path
    assert methods.SERVER_REFLECTION_SERVER_REFLECTION_INFO.fingerprint != REFLECTION_V1.fingerprint
    config = ServerConfig(drain_grace_s=0)
    async with (
        serve([Probe()], address(wire, tmp_path), config=config) as server,
        connect(server.endpoints[0]) as channel,
        made.ServerReflectionClient(channel).server_reflection_info() as stream,
    ):
        kind = made.ServerReflectionRequestMessageRequestFileByFilename
        await stream.send(made.ServerReflectionRequest(host="h", message_request=kind("no_such.proto")))
        answer = await stream.receive()
        assert answer.valid_host == answer.original_request.host == "h"
        assert answer.message_response.value.error_code == 5
        await stream.end()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
