"""Builds the model of the message-passing transports from the options' ``peer`` section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.eventflux.model import Peer
from eventflux_codegen.eventflux.options import PeerOptions
from eventflux_codegen.extension import Draft
from eventflux_codegen.model import Enumeration, Layout, Message, Method, Service
from eventflux_codegen.yaml_source import Places

__all__ = ["PEER_NAMES", "build_peer"]

PEER_NAMES: Final = (
    "Connection",
    "ConnectionState",
    "GrpcTransport",
    "GrpcTransportConfig",
    "HealthChange",
    "HeartbeatMonitor",
    "Listener",
    "MonitorConfig",
    "SimpleGrpcConfig",
    "SimpleGrpcTransport",
    "TcpTransport",
    "TcpTransportConfig",
    "Transport",
    "TransportFactory",
)
"""What the module of the transports defines, by EventFlux's names."""

MESSAGE_FIELDS: Final = (
    "id",
    "message_type",
    "payload",
    "headers",
    "timestamp",
    "source_node",
    "target_node",
    "priority",
    "compression",
)
FRAMING: Final = ("framed_headers", "framed_payload")
"""The runtime's functions that make a message fit into frames."""
REQUEST_FIELDS: Final = ("node_id", "timestamp")
RESPONSE_FIELDS: Final = ("server_timestamp", "server_node_id", "server_status")
STATUS_FIELDS: Final = ("health", "active_connections")
SUBSCRIPTION_FIELDS: Final = ("filter",)
HEALTHS: Final = ("UNKNOWN", "HEALTHY", "DEGRADED", "UNHEALTHY", "OFFLINE")
"""What a node can be, as the heartbeat monitor has it."""


def build_peer(options: PeerOptions, draft: Draft) -> Peer:
    """The model of the transports.

    Raises:
        GenerationError: what the options name does not exist, or lacks a field that EventFlux's has.
    """
    enums, places = draft.enums, draft.places
    by_name = {message.name: message for message in draft.messages.values()}
    message = by_name.get(options.message)
    if message is None:
        raise GenerationError(
            f"no message is named {options.message!r}: {nearest(options.message, by_name)}", places("peer", "message")
        )
    layout = next((layout for layout in message.layouts if layout.name == options.layout), None)
    if layout is None:
        known = [layout.name for layout in message.layouts]
        raise GenerationError(
            f"{message.name} has no layout {options.layout!r}: {nearest(options.layout, known)}",
            places("peer", "layout"),
        )
    finder = _MethodFinder(options.service, draft.services, places)
    send = finder.find("send", options.send, "unary", message, message)
    stream = finder.find("stream", options.stream, "bidi", message, message)
    events = finder.find("events", options.events, "server_streaming", None, message)
    heartbeat = finder.find("heartbeat", options.heartbeat, "unary", None, None)
    _check_fields(message, MESSAGE_FIELDS, places)
    _check_fields(events.request, SUBSCRIPTION_FIELDS, places)
    _check_fields(heartbeat.request, REQUEST_FIELDS, places)
    _check_fields(heartbeat.response, RESPONSE_FIELDS, places)
    status = by_name[_type_of(heartbeat.response, "server_status")]
    _check_fields(status, STATUS_FIELDS, places)
    _check_members(_type_of(status, "health"), enums, places)
    for name in PEER_NAMES:
        draft.names.claim(name, f"EventFlux's {name}", places("peer"))
    local = {enum.name: enum.local for enum in enums.values()}
    types = local[_type_of(message, "message_type")]
    framed = tuple((field.name, _framed(field.name, layout, types)) for field in layout.fields)
    return Peer(
        message=message,
        layout=layout.snake,
        framed_types=layout.closed["message_type"].members if "message_type" in layout.closed else (),
        framed=framed,
        framing=tuple(name for name in FRAMING if any(name in expression for _, expression in framed)),
        send=send,
        stream=stream,
        events=events,
        heartbeat=heartbeat,
        status=status,
        types=types,
        compressions=local[_type_of(message, "compression")],
        healths=local[_type_of(status, "health")],
    )


def _framed(name: str, layout: Layout, types: str) -> str:
    """The expression that makes a field of the layout of a whole message, with what the layout lacks in its place."""
    lacks = {field.name for field in layout.lacks}
    if name == "payload" and "compression" in lacks:
        return "framed_payload(message.payload, message.compression, max_bytes)"
    if name == "headers" and not lacks.isdisjoint(("source_node", "target_node")):
        return "framed_headers(message.headers, message.source_node, message.target_node)"
    if name in layout.closed and name == "message_type":
        return f"message.{name} if message.{name} in _FRAMED_TYPES else {types}.{layout.closed[name].members[0]}"
    return f"message.{name}"


class _MethodFinder:
    def __init__(self, service: str, services: tuple[Service, ...], places: Places) -> None:
        known = {found.full_name.rpartition(".")[2]: found for found in services}
        if service not in known:
            raise GenerationError(
                f"no service is named {service!r}: {nearest(service, known)}", places("peer", "service")
            )
        self._methods = {method.proto_name: method for method in known[service].methods}
        self._places = places

    def find(self, key: str, name: str, kind: str, request: Message | None, response: Message | None) -> Method:
        """The method that an option names, of the right kind and with the right messages; None: any."""
        method = self._methods.get(name)
        if method is None:
            raise GenerationError(
                f"no method is named {name!r}: {nearest(name, self._methods)}", self._places("peer", key)
            )
        fits = method.kind == kind and request in (None, method.request) and response in (None, method.response)
        if not fits:
            wanted = f"{request.name if request else 'any message'} to {response.name if response else 'any message'}"
            raise GenerationError(
                f"{name} is {method.kind}, {method.request.name} to {method.response.name}; "
                f"here a {kind} method from {wanted} is needed",
                self._places("peer", key),
            )
        return method


def _type_of(message: Message, field: str) -> str:
    value = next(own.value for own in message.fields if own.proto_name == field)
    return value.annotation if value is not None else ""


def _check_fields(message: Message, fields: tuple[str, ...], places: Places) -> None:
    known = {field.proto_name for field in message.fields}
    for field in fields:
        if field not in known:
            raise GenerationError(
                f"{message.name} has no field {field!r}, which the transports of a peer need: add it, or drop 'peer'",
                places("peer"),
            )


def _check_members(enum: str, enums: Mapping[str, Enumeration], places: Places) -> None:
    known = {member.name for own in enums.values() if own.name == enum for member in own.members}
    for name in HEALTHS:
        if name not in known:
            raise GenerationError(
                f"{enum} has no member {name!r}, which the heartbeat monitor needs: add it, or drop 'peer'",
                places("peer"),
            )
