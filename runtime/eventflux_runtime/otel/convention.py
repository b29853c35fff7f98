"""The names and values of OpenTelemetry's semantic conventions for RPC, as of version 1.44.0.

https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/rpc
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from eventflux_runtime.rpc.endpoint import Endpoint, parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.scheme import AddressForm
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = [
    "BUCKETS_S",
    "CLIENT_DURATION",
    "CLIENT_ERRORS",
    "SCHEMA_URL",
    "SERVER_DURATION",
    "SERVER_ERRORS",
    "Attributes",
    "call_attributes",
    "end_attributes",
    "peer_attributes",
    "span_name",
    "target_attributes",
]

Attributes = dict[str, str | int]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

CLIENT_DURATION: Final = "rpc.client.call.duration"
SERVER_DURATION: Final = "rpc.server.call.duration"
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of the buckets of both, in seconds."""

CLIENT_ERRORS: Final = frozenset(StatusCode) - {StatusCode.OK}
"""Codes that are errors to a client."""
SERVER_ERRORS: Final = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)
"""Codes that are errors of a server; the others tell its client of an error of its own."""

_SYSTEM: Final = "rpc.system.name"
_METHOD: Final = "rpc.method"
_CODE: Final = "rpc.response.status_code"
_ERROR: Final = "error.type"
_SERVER_ADDRESS: Final = "server.address"
_SERVER_PORT: Final = "server.port"
_PEER_ADDRESS: Final = "network.peer.address"
_PEER_PORT: Final = "network.peer.port"

_KEPT_PEERS: Final = 1024
"""Peers whose attributes are kept: to read a URL takes longer than to make the rest of a span."""
_GRPC: Final = "grpc"
_OWN: Final = "eventflux"
"""The system of the native protocol and of EventFlux's frames, for which the conventions have no name."""


def span_name(method: AnyMethod) -> str:
    """The name of a call's span: ``package.Service/Method``."""
    return method.path[1:]


def call_attributes(method: AnyMethod, *, is_grpc: bool) -> Attributes:
    """What is known of a call when it begins."""
    return {_SYSTEM: _GRPC if is_grpc else _OWN, _METHOD: method.path[1:]}


def end_attributes(status: Status, errors: frozenset[StatusCode]) -> Attributes:
    """What is known of a call when it has ended."""
    name = status.code.name
    return {_CODE: name, _ERROR: name} if status.code in errors else {_CODE: name}


def target_attributes(target: str) -> tuple[Attributes, bool]:
    """The server that a channel was made for, and whether it is spoken to in gRPC.

    Several addresses are one server, named by all that the channel was told, because which of them a call goes to is
    not the caller's choice.
    """
    first, _, others = target.partition(",")
    endpoint = _endpoint(first)
    if endpoint is None:
        return {_SERVER_ADDRESS: target}, False
    is_grpc = endpoint.rows[0].speaks_grpc
    if others or endpoint.is_resolved_by_protocol:
        return {_SERVER_ADDRESS: target}, is_grpc
    address, port = _address(endpoint)
    return {_SERVER_ADDRESS: address, _SERVER_PORT: port} if port else {_SERVER_ADDRESS: address}, is_grpc


@lru_cache(maxsize=_KEPT_PEERS)
def peer_attributes(url: str) -> Attributes:
    """The other side of a connection, by its URL. The same dictionary each time: not to be changed."""
    endpoint = _endpoint(url)
    if endpoint is None:
        return {}
    address, port = _address(endpoint)
    return {_PEER_ADDRESS: address, _PEER_PORT: port} if port else {_PEER_ADDRESS: address}


def _endpoint(url: str) -> Endpoint | None:
    try:
        return parse_endpoint(url)
    except ConfigError:
        return None


def _address(endpoint: Endpoint) -> tuple[str, int]:
    if endpoint.form is AddressForm.HOST:
        return endpoint.name or endpoint.host, endpoint.port
    return endpoint.path, 0
