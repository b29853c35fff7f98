"""The generated classes as a user meets them."""

from __future__ import annotations

import copy
import pickle
import uuid
from typing import Any

import pytest

import eventflux_transport
from eventflux_runtime import StatusCode
from eventflux_runtime.rpc.method import MethodKind
from eventflux_transport import (
    CompressionType,
    EventFilter,
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    NodeStatus,
    TransportMessage,
    transport_pb2,
)
from eventflux_transport import methods as transport_methods
from inventory_sdk import Item, RefusalReason
from inventory_sdk import methods as inventory_methods
from kitchen_package import Awkward, Color, Heading, Version


def test_defaults_are_those_of_proto3() -> None:
    message = TransportMessage()
    assert message == TransportMessage(
        id="",
        message_type=MessageType.UNSPECIFIED,
        payload=b"",
        headers={},
        timestamp=0,
        source_node="",
        target_node="",
        priority=0,
        compression=CompressionType.NONE,
    )
    assert EventRequest().filter is None
    assert Item().price_cents is None
    assert Item().origin is None
    assert TransportMessage().headers is not TransportMessage().headers


def test_fields_are_in_the_order_of_the_idl() -> None:
    for name in transport_pb2.DESCRIPTOR.message_types_by_name:
        kind = getattr(eventflux_transport, name)
        assert kind.__struct_fields__ == tuple(field.name for field in kind().to_proto().DESCRIPTOR.fields)


def test_the_numbers_of_the_idl() -> None:
    """What other implementations rely on."""
    facts = {
        "TransportMessage": "id message_type payload headers timestamp source_node target_node priority compression",
        "EventRequest": "node_id filter batch_size",
        "EventFilter": "stream_names message_types start_timestamp end_timestamp",
        "HeartbeatRequest": "node_id timestamp status",
        "HeartbeatResponse": "server_timestamp server_node_id server_status cluster_info",
        "NodeStatus": "health cpu_usage memory_usage active_connections events_per_second version metadata",
        "ClusterInfo": "cluster_id total_nodes healthy_nodes leader_node cluster_version",
        "ConnectionConfig": "connection_timeout_ms request_timeout_ms keep_alive_interval_secs max_message_size "
        "enable_compression preferred_compression tls_config",
        "TlsConfig": "enabled cert_file key_file ca_file server_name insecure_skip_verify",
    }
    assert transport_pb2.DESCRIPTOR.package == "eventflux.transport"
    assert list(transport_pb2.DESCRIPTOR.message_types_by_name) == list(facts)
    for name, fields in facts.items():
        descriptor = transport_pb2.DESCRIPTOR.message_types_by_name[name]
        assert {field.number: field.name for field in descriptor.fields} == dict(enumerate(fields.split(), 1))


def test_enums_are_stripped_of_their_prefix() -> None:
    assert [member.name for member in MessageType][:3] == ["UNSPECIFIED", "EVENT", "QUERY"]
    assert [member.name for member in RefusalReason] == ["UNSPECIFIED", "UNKNOWN_ITEM", "OUT_OF_STOCK"]
    assert [member.name for member in Version] == ["VERSION_UNKNOWN", "VERSION_1", "VERSION_2"]
    assert [member.name for member in Awkward] == ["UNSPECIFIED", "None_", "name_", "mro_"]
    assert [member.name for member in Heading] == ["NORTH", "SOUTH"]
    assert int(Color.NONE) == -1


def test_enums_are_open() -> None:
    unknown = MessageType(4711)
    assert isinstance(unknown, MessageType)
    assert unknown == 4711 == int(unknown)
    assert repr(unknown) == "<MessageType.UNRECOGNIZED_4711: 4711>"
    assert hash(unknown) == hash(MessageType(4711))
    assert unknown == MessageType(4711)
    assert pickle.loads(pickle.dumps(unknown)) == copy.deepcopy(unknown) == unknown
    assert len(MessageType) == 9
    assert MessageType(-1).name == "UNRECOGNIZED_MINUS_1"


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, "EVENT", None, 1.5])
def test_an_enum_takes_only_what_its_field_can_hold(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid MessageType"):
        MessageType(value)


@pytest.mark.parametrize("name", ["event", "query", "state", "control", "heartbeat", "checkpoint"])
def test_factories_fill_in_what_the_eventflux_layout_carries(name: str) -> None:
    message = getattr(Message, name)(b"data")
    assert message == Message(id=message.id, payload=b"data", message_type=MessageType[name.upper()])
    assert uuid.UUID(message.id).version == 4
    assert getattr(Message, name)(b"data").id != message.id
    assert Message.from_wire(message.to_wire("eventflux"), "eventflux") == message


def test_builders_return_a_copy() -> None:
    first = Message.event(b"")
    second = first.with_header("a", "1")
    third = second.with_header("a", "2").with_header("b", "3")
    assert (first.headers, second.headers, third.headers) == ({}, {"a": "1"}, {"a": "2", "b": "3"})
    assert first.id == third.id
    item = Item(tags=["x"])
    assert (item.with_tag("y").tags, item.tags) == (["x", "y"], ["x"])
    assert item.with_stock("shelf", 3).stock == {"shelf": 3}


def test_an_alias_is_the_class() -> None:
    assert Message is TransportMessage


def test_docstrings_carry_comments_and_units() -> None:
    assert HeartbeatRequest.__doc__ == "A sign of life from a node or a client."
    assert (EventFilter.__doc__ or "").startswith("Selects events.\n\n")


def test_methods_say_what_the_options_say() -> None:
    heartbeat = transport_methods.TRANSPORT_HEARTBEAT
    assert heartbeat.path == "/eventflux.transport.Transport/Heartbeat"
    assert (heartbeat.idempotent, heartbeat.timeout_s) == (True, 10.0)
    assert not transport_methods.TRANSPORT_SEND_MESSAGE.idempotent
    get_item = inventory_methods.INVENTORY_GET_ITEM
    assert get_item.retry is not None
    assert (get_item.retry.max_attempts, get_item.retry.initial_backoff_s) == (4, 0.01)
    assert get_item.errors == (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
    kinds = [
        getattr(inventory_methods, name).kind for name in inventory_methods.__all__ if name.startswith("INVENTORY_")
    ]
    assert set(kinds) == set(MethodKind)


def test_fingerprints_differ() -> None:
    found = [
        getattr(module, name).fingerprint
        for module in (transport_methods, inventory_methods)
        for name in module.__all__
        if not name.endswith("_CODEC")
    ]
    assert len(set(found)) == len(found) == 8
    assert all(0 < fingerprint < 2**64 for fingerprint in found)


def test_a_response_can_be_built_in_full() -> None:
    response = HeartbeatResponse(
        server_timestamp=1,
        server_node_id="n",
        server_status=NodeStatus(metadata={"k": "v"}),
        cluster_info=eventflux_transport.ClusterInfo(total_nodes=3),
    )
    assert HeartbeatResponse.from_wire(response.to_wire()) == response
