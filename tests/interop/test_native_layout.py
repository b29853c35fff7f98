"""The native layout and the fingerprints of methods, as docs/protocol.md says them to a peer in Rust.

Its structs are prost's, and serde and bincode lay them out: what the generated codecs have to be equal to.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interop.conftest import ROOT, Program, required
from tests.support.catalogue import descriptor_of, message_classes
from tests.support.strategy import messages_of
from tests.support.workspace import CONFIG, Workspace

PEER = Program([required("EVENTFLUX_NATIVE_PEER", "the native peer in Rust", "interop-rust")])
Recode: TypeAlias = Callable[[str, str, bytes], tuple[bytes, bytes]]


OLDER = "kitchen.known.Described"
"""Holds protobuf's descriptions of types, which the peer has from before they had a field `edition`."""


def is_recoded(descriptor: Descriptor) -> bool:
    is_ours = descriptor.containing_type is None and descriptor.file.package.startswith(("kitchen.", "shop."))
    return is_ours and descriptor.full_name != OLDER


RECODED = [kind for kind in message_classes() if is_recoded(descriptor_of(kind))]
"""The messages of the tests' IDL that lie in no other; those that do are fields of them."""


@pytest.fixture(scope="module")
def recode() -> Iterator[Recode]:
    """What the peer makes of a full name, an encoding and a message: the native layout of it, and protobuf."""
    command = PEER.line("recode")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        sender, receiver = process.stdin, process.stdout
        assert sender is not None
        assert receiver is not None

        def ask(name: str, encoding: str, data: bytes) -> tuple[bytes, bytes]:
            sender.write(f"{name} {encoding} {data.hex()}\n")
            sender.flush()
            native, protobuf = receiver.readline().rstrip("\n").split(" ", 1)
            assert native != "error", protobuf
            return bytes.fromhex(native), bytes.fromhex(protobuf)

        yield ask
        sender.close()


@pytest.mark.parametrize("kind", RECODED, ids=lambda kind: kind.__name__)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30)
@given(data=st.data())
def test_messages_are_what_serde_and_prost_make_of_them(recode: Recode, kind: type[Any], data: st.DataObject) -> None:
    message, name = data.draw(messages_of(kind)), descriptor_of(kind).full_name
    for encoding, encoded in (("native", message.to_wire()), ("protobuf", message.to_protobuf())):
        native, protobuf = recode(name, encoding, encoded)
        assert kind.from_wire(native) == message
        assert kind.from_protobuf(protobuf) == message


ON_EVERYTHING = """
service Everything {
  rpc Weigh(Scalars) returns (Numbers);
  rpc Chart(stream Maps) returns (Shape);
  rpc Look(Nested) returns (stream WellKnown);
  rpc Talk(stream Elsewhere) returns (stream Elsewhere);
}
"""
WITHOUT_A_PACKAGE = """syntax = "proto3";
message Point { int32 x = 1; Mark mark = 2; message Mark { string text = 1; } }
service Plane { rpc Move(Point) returns (Point); }
"""


@pytest.mark.parametrize(
    "proto",
    [
        (ROOT / "tests/idl/kitchen.proto").read_text("utf-8") + ON_EVERYTHING,
        (ROOT / "tests/idl/inventory.proto").read_text("utf-8"),
        (ROOT / "tests/idl/interop.proto").read_text("utf-8"),
        (ROOT / "idl/transport.proto").read_text("utf-8"),
        WITHOUT_A_PACKAGE,
    ],
    ids=["kitchen", "inventory", "interop", "transport", "without a package"],
)
async def test_fingerprints(tmp_path: Path, proto: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG, proto=proto)
    shutil.copytree(ROOT / "tests/idl/shared", tmp_path / "shared")
    services = workspace.facts()[2].services
    methods = [(service.full_name, method) for service in services for method in service.methods]
    ours = {f"/{service}/{method.proto_name}": method.fingerprint for service, method in methods}
    descriptors = tmp_path / "descriptors.binpb"
    descriptors.write_bytes(workspace.descriptors().SerializeToString())
    printed = await PEER.run("fingerprints", str(descriptors))
    theirs = {line.split()[0]: int(line.split()[1]) for line in printed.splitlines()}
    assert theirs == ours
