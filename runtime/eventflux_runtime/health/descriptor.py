"""The descriptors that reflection shows of the health service.

The definitions are those of https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto, in a pool of
their own: the default one may hold those of grpcio-health-checking under the same names.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool

from eventflux_runtime.health.message import ServingStatus

__all__ = ["HEALTH_POOL"]

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
