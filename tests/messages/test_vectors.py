"""The codec against bytes that bincode 1.3.3 itself wrote: 120 messages, both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

import eventflux_transport
from tests.support.catalogue import attribute_of, class_of, descriptor_of, enum_of, is_map

FILE = Path(__file__).parent / "data" / "bincode_vectors.jsonl"
VECTORS = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def build(value: dict[str, Any], descriptor: Descriptor) -> Any:
    kind = class_of(descriptor, eventflux_transport.messages)
    fields = {name: build_field(each, descriptor.fields_by_name[name]) for name, each in value.items()}
    return kind(**{attribute_of(kind, name): each for name, each in fields.items()})


def build_field(value: Any, field: FieldDescriptor) -> Any:
    if value is None or is_map(field):
        return value
    if isinstance(value, list):
        return [build_one(each, field) for each in value]
    return build_one(value, field)


def build_one(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return build(value, field.message_type)
    if field.enum_type is not None:
        return enum_of(field.enum_type, eventflux_transport.messages)(value)
    return bytes.fromhex(value) if field.type == FieldDescriptor.TYPE_BYTES else value


def test_there_are_as_many_vectors_as_there_should_be() -> None:
    counts = {(vector["layout"], vector["type"]) for vector in VECTORS}
    assert len(VECTORS) == 120
    assert len(counts) == 5


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['layout']}-{vector['type']}")
def test_the_vector_matches_in_both_directions(vector: dict[str, Any]) -> None:
    kind = getattr(eventflux_transport, vector["type"])
    message = build(vector["value"], descriptor_of(kind))
    data = bytes.fromhex(vector["bytes"])
    assert message.to_wire(vector["layout"]) == data
    assert kind.from_wire(data, vector["layout"]) == message
