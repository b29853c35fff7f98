"""TypeScript's codecs beside Python's: the same bytes, the same values, the same refusals."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventflux_runtime import CodecError
from tests.messages.test_vectors import VECTORS
from tests.support.catalogue import descriptor_of, message_classes
from tests.support.codec_page import SAMPLE_NATIVE, SAMPLE_PROTOBUF
from tests.support.plain import is_plain
from tests.support.record import encoded_messages, mutated
from tests.support.strategy import messages_of
from tests.support.typescript import Driver
from tests.support.typescript_value import described

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FEW = settings(max_examples=3, suppress_health_check=SLOW)
SOME = settings(max_examples=40, suppress_health_check=SLOW)
CLASSES = [kind for kind in message_classes() if not is_plain(descriptor_of(kind))]
KINDS = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")


def module_of(kind: type[Any]) -> str:
    package = kind.__module__.partition(".")[0]
    # Those of the runtime that TypeScript's runtime has not are in the package that uses them.
    return "src/wellknown.js" if package == "eventflux_runtime" else f"gen/{package}/messages.js"


def ask(typescript: Driver, kind: type[Any], encoding: str, data: bytes) -> dict[str, Any]:
    module, name = module_of(kind), type_name(descriptor_of(kind))
    if module.startswith("src/") and name.rpartition(".")[2] not in PROVIDED:
        module = "gen/kitchen_package/messages.js"
    return typescript.ask(module, name, encoding, data)


PROVIDED = {"Any", "Duration", "Empty", "FieldMask", "Timestamp"}


def type_name(descriptor: Descriptor) -> str:
    return str(descriptor.full_name)


def assert_is(answer: dict[str, Any], message: Any) -> None:
    """TypeScript read the same message, and writes it as Python does."""
    assert "refusal" not in answer, answer
    assert answer["value"] == described(message)
    kind = type(message)
    if answer["protobuf"] != message.to_protobuf().hex():
        # There are several kinds of NaN, and an object of JavaScript has keys that look like numbers first.
        assert described(kind.from_protobuf(bytes.fromhex(answer["protobuf"]))) == described(message)
    try:
        native = message.to_wire().hex()
    except CodecError:
        assert answer["native"].startswith("refused: ")
        return
    if answer["native"] != native:
        assert described(kind.from_wire(bytes.fromhex(answer["native"]))) == described(
            kind.from_wire(message.to_wire())
        )


def assert_read_alike(typescript: Driver, kind: type[Any], encoding: str, data: bytes) -> None:
    """Both refuse the bytes, or both read the same."""
    answer = ask(typescript, kind, encoding, data)
    try:
        message = kind.from_protobuf(data) if encoding == "protobuf" else kind.from_wire(data)
    except CodecError:
        message = None
    if message is None:
        assert "refusal" in answer, answer
        assert 0 <= answer["offset"] <= len(data)
        return
    assert_is(answer, message)


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["layout"] == "native"], ids=lambda vector: vector["type"]
)
def test_what_bincode_wrote_is_read_and_written_again(typescript: Driver, vector: dict[str, Any]) -> None:
    module, name = "gen/eventflux_transport/messages.js", f"eventflux.transport.{vector['type']}"
    answer = typescript.ask(module, name, "native", bytes.fromhex(vector["bytes"]))
    assert answer["native"] == vector["bytes"]
    assert typescript.ask(module, name, "protobuf", bytes.fromhex(answer["protobuf"]))["native"] == vector["bytes"]


@pytest.mark.parametrize(("encoding", "data"), [("native", SAMPLE_NATIVE), ("protobuf", SAMPLE_PROTOBUF)])
def test_the_sample_of_the_protocol_page_is_read_and_written(typescript: Driver, encoding: str, data: bytes) -> None:
    answer = typescript.ask("gen/page_sdk/messages.js", "demo.Sample", encoding, data)
    assert (answer["native"], answer["protobuf"]) == (SAMPLE_NATIVE.hex(), SAMPLE_PROTOBUF.hex())
    assert dict(answer["value"]["object"])["kind"] == {"object": [["case", "code"], ["value", {"bigint": "-2"}]]}


@KINDS
@FEW
@given(data=st.data())
def test_a_message_has_the_same_bytes(typescript: Driver, kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    assert_is(ask(typescript, kind, "native", message.to_wire()), message)
    assert_is(ask(typescript, kind, "protobuf", message.to_protobuf()), message)


@SOME
@given(kind=st.sampled_from(CLASSES), data=st.data())
def test_other_bytes_are_read_alike(typescript: Driver, kind: type[Any], data: st.DataObject) -> None:
    message, other = data.draw(messages_of(kind)), data.draw(messages_of(kind))
    records = data.draw(encoded_messages(descriptor_of(kind)))
    merged = message.to_protobuf() + other.to_protobuf()
    for odd in (merged, records, data.draw(mutated(records)), data.draw(mutated(merged))):
        assert_read_alike(typescript, kind, "protobuf", odd)
    native = message.to_wire()
    for odd in (native + b"\0", native[:-1], data.draw(mutated(native))):
        assert_read_alike(typescript, kind, "native", odd)
