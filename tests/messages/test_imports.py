"""What importing a generated package loads, and what it says when a part is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eventflux_runtime import ConfigError
from eventflux_runtime.codegen_api import CONTRACT_VERSION, check_contract

WITHOUT_PROTOBUF = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "google" or name.startswith(("google.", "grpc")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "package",
    [
        "eventflux_transport",
        "eventflux_transport.methods",
        "eventflux_transport.codec",
        "eventflux_transport.json_fields",
        "eventflux_transport.protobuf",
        "eventflux_runtime.health.method",
        "eventflux_runtime.well_known.json_fields",
        "eventflux_runtime.well_known.wrapper",
    ],
)
def test_importing_loads_neither_grpc_nor_protobuf(package: str) -> None:
    program = (
        f"import sys, {package}; print([name for name in sys.modules if name.split('.')[0] in ('grpc', 'google')])"
    )
    assert run(program) == "[]\n"


def test_messages_load_no_codec_before_it_is_used() -> None:
    program = """
import sys
from eventflux_transport import Message, TransportMessage
def loaded():
    return [name for name in ("codec", "protobuf") if f"eventflux_transport.{name}" in sys.modules]
message = Message.event(b"x")
print(loaded())
message.to_wire()
print(loaded())
message.to_protobuf()
print(loaded())
"""
    assert run(program) == "[]\n['codec']\n['codec', 'protobuf']\n"


def test_the_tcp_side_works_without_protobuf() -> None:
    program = """
from eventflux_transport import Message
message = Message.event(b"x")
print([Message.from_wire(message.to_wire(layout), layout) == message for layout in ("native", "eventflux")])
print(Message.from_protobuf(message.to_protobuf()) == message)
print(Message.from_json(message.to_json()) == message)
"""
    assert run(WITHOUT_PROTOBUF + program) == "[True, True]\nTrue\nTrue\n"


def test_well_known_types_work_without_protobuf() -> None:
    program = """
from eventflux_runtime.well_known import Any, Duration, Struct, Timestamp, Value
packed = Any.pack(Struct({"a": [1, None]}))
print(packed.to_json())
print(Any.from_json(packed.to_json()).unpack(Struct))
print(Timestamp.from_wire(Timestamp(1, 2).to_wire()), Duration.from_json('"-1.5s"'), Value.from_json("null"))
"""
    assert run(WITHOUT_PROTOBUF + program).splitlines() == [
        '{"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": [1.0, null]}}',
        "Struct(fields={'a': [1.0, None]})",
        "Timestamp(seconds=1, nanos=2) Duration(seconds=-1, nanos=-500000000) Value(value=None)",
    ]


def test_what_needs_protobuf_says_how_to_get_it() -> None:
    program = """
from eventflux_runtime import MissingExtraError
from eventflux_transport import Message

message = Message()
for attempt in (
    message.to_proto, lambda: Message.from_proto(None),
):
    try:
        attempt()
    except MissingExtraError as error:
        print(error.extra, error)
"""
    feature = "protobuf's objects of eventflux_transport"
    line = f"protobuf {feature} needs an extra: run pip install 'eventflux-transport[protobuf]'\n"
    assert run(WITHOUT_PROTOBUF + program) == line * 2


@pytest.mark.slow
def test_each_module_can_be_imported_first() -> None:
    for module in (
        "client",
        "codec",
        "frame",
        "json_fields",
        "messages",
        "methods",
        "peer",
        "protobuf",
        "service",
        "transport_pb2",
        "transport_pb2_grpc",
    ):
        run(f"import eventflux_transport.{module}")


def test_a_package_of_another_contract_is_refused() -> None:
    check_contract(CONTRACT_VERSION, "some_package")
    for version, advice in (
        (CONTRACT_VERSION + 1, "upgrade"),
        (CONTRACT_VERSION - 1, "eventflux-codegen generate again"),
    ):
        with pytest.raises(ConfigError, match=f"some_package was generated for runtime contract {version}, .*{advice}"):
            check_contract(version, "some_package")


def test_what_any_packs_is_known_once_its_package_is_imported() -> None:
    program = """
import sys
import eventflux_transport
from eventflux_runtime.well_known import Any
assert "eventflux_transport.messages" not in sys.modules
print(Any("x/eventflux.transport.EventFilter").to_json())
"""
    assert run(program) == '{"@type": "x/eventflux.transport.EventFilter"}\n'
