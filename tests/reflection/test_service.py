"""Reflection on every wire: a client that knows nothing of a server's IDL makes a call of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from google.protobuf import message_factory
from google.protobuf.message import Message as Proto

from eventflux_runtime import (
    Channel,
    ClientConfig,
    Internal,
    ServerConfig,
    Service,
    TlsConfig,
    Unimplemented,
)
from eventflux_runtime.reflection.method import REFLECTION_METHODS, REFLECTION_V1, REFLECTION_V1ALPHA
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec, Method, MethodKind
from eventflux_runtime.rpc.status import StatusCode
from tests.support.authority import Authority
from tests.support.probe import Probe
from tests.support.reflecting import ask, pool_of, question
from tests.support.wires import WIRES, address, connect, serve

SERVICE = "eventflux.transport.Transport"
OURS = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
ALL_WIRES = (*WIRES, "grpcs")
LONG_S = 20


@asynccontextmanager
async def reflecting(
    wire: str, tmp_path: Path, services: Sequence[Service] | None = None, reflection: bool | None = None
) -> AsyncIterator[Channel]:
    """A server on a wire and a channel to it."""
    authority = Authority(tmp_path) if wire == "grpcs" else None
    tls = None if authority is None else TlsConfig(**authority.server().files)
    trusting = ClientConfig(tls=None if authority is None else authority.trusting())
    config = ServerConfig(reflection=reflection, tls=tls, drain_grace_s=0)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()] if services is None else services, address(wire, tmp_path), config=config) as server,
            connect(server.endpoints[0], config=trusting) as channel,
        ):
            yield channel


@pytest.mark.parametrize("version", REFLECTION_METHODS)
@pytest.mark.parametrize("wire", ALL_WIRES)
async def test_every_service_is_listed(wire: str, version: AnyMethod, tmp_path: Path) -> None:
    async with reflecting(wire, tmp_path) as channel:
        (answer,) = await ask(channel, version, {"list_services": ""})
        assert [service.name for service in answer.list_services_response.service] == [SERVICE, *OURS]


@pytest.mark.parametrize("version", REFLECTION_METHODS)
@pytest.mark.parametrize("wire", ALL_WIRES)
async def test_a_client_calls_what_it_has_only_been_told_of(wire: str, version: AnyMethod, tmp_path: Path) -> None:
    async with reflecting(wire, tmp_path) as channel:
        (answer,) = await ask(channel, version, {"file_containing_symbol": SERVICE})
        pool = pool_of(answer.file_descriptor_response.file_descriptor_proto)
        told = pool.FindServiceByName(SERVICE).methods_by_name["Heartbeat"]
        method = Method(
            service=SERVICE,
            name=told.name,
            kind=MethodKind.UNARY,
            request=codec_of(told.input_type),
            response=codec_of(told.output_type),
            fingerprint=0,
        )
        request: Any = message_factory.GetMessageClass(told.input_type)
        response = await channel.unary(method, request(timestamp=17))
        assert response.server_timestamp == 17


def codec_of(descriptor: Any) -> MessageCodec[Any]:
    """That of protobuf's objects, for a method on whose native layout nobody agrees."""
    kind: Any = message_factory.GetMessageClass(descriptor)

    def encode(message: Proto, writer: Any) -> None:
        writer.write(message.SerializeToString())

    def decode(data: bytes, start: int, end: int) -> Any:
        return kind.FromString(data[start:end])

    return MessageCodec(
        type_name=descriptor.full_name,
        encode=encode,
        decode=decode,
        encode_protobuf=encode,
        decode_protobuf=decode,
    )


@pytest.mark.parametrize("wire", ALL_WIRES)
async def test_several_questions_are_answered_in_one_call(wire: str, tmp_path: Path) -> None:
    questions: list[dict[str, Any]] = [
        {"host": "a", "file_by_filename": "no_such.proto"},
        {"host": "b", "list_services": "*"},
        {"file_containing_symbol": "no.Such"},
        {"file_containing_extension": {"containing_type": SERVICE, "extension_number": 7}},
        {"all_extension_numbers_of_type": "no.Such"},
        {"file_containing_symbol": f"{SERVICE}.Heartbeat"},
        {},
    ]
    async with reflecting(wire, tmp_path) as channel:
        answers = await ask(channel, REFLECTION_V1, *questions)
    for answer, asked in zip(answers, questions, strict=True):
        assert answer.original_request == question(REFLECTION_V1, **asked)
        assert answer.valid_host == asked.get("host", "")
    kinds = [answer.WhichOneof("message_response").removesuffix("_response") for answer in answers]
    assert kinds == ["error", "list_services", "error", "error", "error", "file_descriptor", "error"]
    errors = [answer.error_response for answer in answers if answer.HasField("error_response")]
    assert [error.error_code for error in errors] == [StatusCode.NOT_FOUND] * 4 + [StatusCode.INVALID_ARGUMENT]
    assert [error.error_message for error in errors[:4]] == [
        "the file 'no_such.proto' is not known here",
        "the symbol 'no.Such' is not known here",
        f"an extension 7 of '{SERVICE}' is not known here",
        "the message 'no.Such' is not known here",
    ]


async def test_what_the_runtime_serves_is_described_though_its_pools_are_its_own(tmp_path: Path) -> None:
    names = {name: ["ServerReflectionInfo"] for name in OURS} | {OURS[0]: ["Check", "List", "Watch"]}
    async with reflecting("tcp", tmp_path) as channel:
        for name, methods in names.items():
            (answer,) = await ask(channel, REFLECTION_V1, {"file_containing_symbol": name})
            pool = pool_of(answer.file_descriptor_response.file_descriptor_proto)
            assert sorted(pool.FindServiceByName(name).methods_by_name) == methods
            path = f"{name.rpartition('.')[0].replace('.', '/')}/{'health' if 'health' in name else 'reflection'}.proto"
            (by_name,) = await ask(channel, REFLECTION_V1, {"file_by_filename": path})
            assert by_name.file_descriptor_response == answer.file_descriptor_response


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_it_can_be_switched_off(wire: str, tmp_path: Path) -> None:
    async with reflecting(wire, tmp_path, reflection=False) as channel:
        for version in REFLECTION_METHODS:
            with pytest.raises((Unimplemented, Internal)) as refused:
                await ask(channel, version, {"list_services": ""})
            # grpcio may lose the status of a server that answers before it has sent the request, and says so.
            assert isinstance(refused.value, Unimplemented) or (
                wire == "grpcio" and "lost its status" in str(refused.value)
            )


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_it_can_be_asked_for(wire: str, tmp_path: Path) -> None:
    async with reflecting(wire, tmp_path, [], reflection=True) as channel:
        (answer,) = await ask(channel, REFLECTION_V1, {"list_services": ""})
        assert [service.name for service in answer.list_services_response.service] == OURS


class OwnReflection(Service):
    """An application's own reflection, in one version."""

    def _bindings(self) -> tuple[AnyBinding, ...]:
        return (Binding.bidi(REFLECTION_V1, self.server_reflection_info),)

    async def server_reflection_info(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            answer = REFLECTION_V1.response.from_protobuf(b"")
            answer.valid_host = f"own of {request.host}"
            yield answer


async def test_the_applications_own_reflection_takes_its_place(tmp_path: Path) -> None:
    async with reflecting("tcp", tmp_path, [OwnReflection()]) as channel:
        (answer,) = await ask(channel, REFLECTION_V1, {"host": "somebody"})
        assert answer.valid_host == "own of somebody"
        (answer,) = await ask(channel, REFLECTION_V1ALPHA, {"list_services": ""})
        assert [service.name for service in answer.list_services_response.service] == OURS


PROGRAM = """
import sys
{hidden}
import anyio
from eventflux_runtime import MissingExtraError, ServerConfig, serve

async def main():
    try:
        async with serve([], "tcp://127.0.0.1:0", config=ServerConfig(reflection={reflection})) as server:
            print("serves", sum("google.protobuf" in name for name in sys.modules if sys.modules[name]))
    except MissingExtraError as error:
        print(error)

anyio.run(main)
"""
HIDDEN = 'sys.modules["google.protobuf"] = None'
NO_NAMESPACE = 'sys.modules["google"] = None'


@pytest.mark.parametrize(
    ("reflection", "hidden"),
    [
        (None, HIDDEN),
        (False, HIDDEN),
        (True, HIDDEN),
        (None, NO_NAMESPACE),
        (True, NO_NAMESPACE),
        (None, ""),
        (True, ""),
    ],
)
def test_without_protobuf_only_asking_for_it_is_an_error(reflection: bool | None, hidden: str) -> None:
    program = PROGRAM.format(hidden=hidden, reflection=reflection)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    missing = "ServerConfig.reflection needs an extra: run pip install 'eventflux-transport[protobuf]'"
    # Where it serves, nothing has loaded protobuf.
    assert done.stdout.strip() == (missing if hidden and reflection else "serves 0")


DESCRIBES = """
import anyio, sys
from eventflux_runtime import connect, serve
from eventflux_runtime.reflection.method import REFLECTION_V1
from tests.support.probe import Probe

async def main():
    async with serve([Probe()], "tcp://127.0.0.1:0") as server, connect(server.endpoints[0]) as channel:
        print("eventflux_transport.transport_pb2" in sys.modules)
        from tests.support.reflecting import ask
        (answer,) = await ask(channel, REFLECTION_V1, {"file_containing_symbol": "eventflux.transport.Transport"})
        print(len(answer.file_descriptor_response.file_descriptor_proto))

anyio.run(main, backend="trio")
"""


def test_a_server_that_nobody_has_called_yet_describes_itself() -> None:
    # In a process of its own, so that nothing has loaded the protobuf form of the messages.
    done = subprocess.run([sys.executable, "-c", DESCRIBES], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
