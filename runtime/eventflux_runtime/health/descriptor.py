"""The descriptors that reflection shows of the health service.

The definitions are those of https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto, in a pool of
their own: the default one may hold those of grpcio-health-checking under the same names.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool

from eventflux_runtime.health.message import ServingStatus

__all__ = ["HEALTH_FILE", "HEALTH_POOL"]

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
    file.message_type.add(name="HealthListRequest")
    listed = file.message_type.add(name="HealthListResponse")
    entry = listed.nested_type.add(name="StatusesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name=f".{_PACKAGE}.HealthCheckResponse",
    )
    listed.field.add(
        name="statuses",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=f".{_PACKAGE}.HealthListResponse.StatusesEntry",
    )
    service = file.service.add(name="Health")
    for method, message in (("Check", "HealthCheck"), ("List", "HealthList"), ("Watch", "HealthCheck")):
        service.method.add(
            name=method,
            input_type=f".{_PACKAGE}.{message}Request",
            output_type=f".{_PACKAGE}.{message}Response",
            server_streaming=method == "Watch",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


HEALTH_POOL: Final = _pool()
HEALTH_FILE: Final = HEALTH_POOL.FindFileByName("grpc/health/v1/health.proto")
