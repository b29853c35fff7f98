"""The methods of ``grpc.health.v1.Health``, as the runtime reads them."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.health.message import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
    decode_list_request,
    decode_list_response,
    decode_request,
    decode_response,
    encode_list_request,
    encode_list_response,
    encode_request,
    encode_response,
)
from eventflux_runtime.health.protobuf import (
    decode_list_request_protobuf,
    decode_list_response_protobuf,
    decode_request_protobuf,
    decode_response_protobuf,
    encode_list_request_protobuf,
    encode_list_response_protobuf,
    encode_request_protobuf,
    encode_response_protobuf,
)
from eventflux_runtime.rpc.method import MessageCodec, Method, MethodKind

__all__ = ["HEALTH_CHECK", "HEALTH_LIST", "HEALTH_SERVICE", "HEALTH_WATCH"]

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
_PROTO: Final = "eventflux_runtime.health.descriptor:HEALTH_FILE"


_REQUEST_CODEC: Final[MessageCodec[HealthCheckRequest]] = MessageCodec(
    type_name="grpc.health.v1.HealthCheckRequest",
    encode=encode_request,
    decode=decode_request,
    encode_protobuf=encode_request_protobuf,
    decode_protobuf=decode_request_protobuf,
)
_RESPONSE_CODEC: Final[MessageCodec[HealthCheckResponse]] = MessageCodec(
    type_name="grpc.health.v1.HealthCheckResponse",
    encode=encode_response,
    decode=decode_response,
    encode_protobuf=encode_response_protobuf,
    decode_protobuf=decode_response_protobuf,
)
_LIST_REQUEST_CODEC: Final[MessageCodec[HealthListRequest]] = MessageCodec(
    type_name="grpc.health.v1.HealthListRequest",
    encode=encode_list_request,
    decode=decode_list_request,
    encode_protobuf=encode_list_request_protobuf,
    decode_protobuf=decode_list_request_protobuf,
)
_LIST_RESPONSE_CODEC: Final[MessageCodec[HealthListResponse]] = MessageCodec(
    type_name="grpc.health.v1.HealthListResponse",
    encode=encode_list_response,
    decode=decode_list_response,
    encode_protobuf=encode_list_response_protobuf,
    decode_protobuf=decode_list_response_protobuf,
)
HEALTH_CHECK: Final[Method[HealthCheckRequest, HealthCheckResponse]] = Method(
    service=HEALTH_SERVICE,
    name="Check",
    kind=MethodKind.UNARY,
    request=_REQUEST_CODEC,
    response=_RESPONSE_CODEC,
    fingerprint=0x0FCEBC0014D5FF91,
    proto=_PROTO,
    idempotent=True,
)
HEALTH_LIST: Final[Method[HealthListRequest, HealthListResponse]] = Method(
    service=HEALTH_SERVICE,
    name="List",
    kind=MethodKind.UNARY,
    request=_LIST_REQUEST_CODEC,
    response=_LIST_RESPONSE_CODEC,
    fingerprint=0x4A5500AE4F40A484,
    proto=_PROTO,
    idempotent=True,
)
HEALTH_WATCH: Final[Method[HealthCheckRequest, HealthCheckResponse]] = Method(
    service=HEALTH_SERVICE,
    name="Watch",
    kind=MethodKind.SERVER_STREAMING,
    request=_REQUEST_CODEC,
    response=_RESPONSE_CODEC,
    fingerprint=0x9B4890CB14D0C058,
    proto=_PROTO,
    idempotent=True,
)
