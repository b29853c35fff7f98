"""The protobuf form of the health messages, and the descriptors that reflection shows of their service.

The definitions are those of https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto, in a pool of
their own: the default one may hold those of grpcio-health-checking under the same names.
"""

from __future__ import annotations

from typing import Any, Final

from eventflux_runtime.health.message import HealthCheckRequest, HealthCheckResponse, ServingStatus, status_of
from eventflux_runtime.rpc.errors import CodecError, MissingExtraError

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
except ModuleNotFoundError as missing:
    raise MissingExtraError("protobuf encoding of grpc.health.v1", "grpc") from missing

__all__ = [
    "HEALTH_POOL",
    "request_from_protobuf",
    "request_to_protobuf",
    "response_from_protobuf",
    "response_to_protobuf",
]

_PACKAGE: Final = "grpc.health.v1"


def _pool() -> descriptor_pool.DescriptorPool:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="grpc/health/v1/health.proto", package=_PACKAGE, syntax="proto3")
    request = file.message_type.add(name="HealthCheckRequest")
    request.field.add(name="service", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    response = file.message_type.add(name="HealthCheckResponse")
    statuses = response.enum_type.add(name="ServingStatus")
    for status in ServingStatus:
        statuses.value.add(name=status.name, number=status)
    response.field.add(
        name="status",
        number=1,
        type=field.TYPE_ENUM,
        label=field.LABEL_OPTIONAL,
        type_name=f".{_PACKAGE}.HealthCheckResponse.ServingStatus",
    )
    service = file.service.add(name="Health")
    for name in ("Check", "Watch"):
        service.method.add(
            name=name,
            input_type=f".{_PACKAGE}.HealthCheckRequest",
            output_type=f".{_PACKAGE}.HealthCheckResponse",
            server_streaming=name == "Watch",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


HEALTH_POOL: Final = _pool()
_REQUEST: Final = message_factory.GetMessageClass(HEALTH_POOL.FindMessageTypeByName(f"{_PACKAGE}.HealthCheckRequest"))
_RESPONSE: Final = message_factory.GetMessageClass(HEALTH_POOL.FindMessageTypeByName(f"{_PACKAGE}.HealthCheckResponse"))


def request_to_protobuf(request: HealthCheckRequest) -> bytes:
    """See `MessageCodec.to_protobuf`."""
    return _encoded(_REQUEST, service=request.service)


def request_from_protobuf(data: bytes) -> HealthCheckRequest:
    """See `MessageCodec.from_protobuf`."""
    return HealthCheckRequest(_decoded(_REQUEST, data).service)


def response_to_protobuf(response: HealthCheckResponse) -> bytes:
    """See `MessageCodec.to_protobuf`."""
    return _encoded(_RESPONSE, status=int(response.status))


def response_from_protobuf(data: bytes) -> HealthCheckResponse:
    """See `MessageCodec.from_protobuf`."""
    return HealthCheckResponse(status_of(_decoded(_RESPONSE, data).status))


def _encoded(kind: Any, **fields: Any) -> bytes:
    try:
        encoded: bytes = kind(**fields).SerializeToString()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise CodecError(f"{kind.DESCRIPTOR.name} cannot be encoded: {error}") from None
    return encoded


def _decoded(kind: Any, data: bytes) -> Any:
    decoded = kind()
    try:
        decoded.ParseFromString(data)
    except message.DecodeError as error:
        raise CodecError(f"not a {kind.DESCRIPTOR.name}: {error}", offset=0) from None
    return decoded
