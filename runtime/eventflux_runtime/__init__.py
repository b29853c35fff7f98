"""The runtime of EventFlux transport: typed clients and services over gRPC, a native TCP protocol, and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflux_runtime.loading.lazy import lazy_names

if TYPE_CHECKING:
    from eventflux_runtime.client.channel import Channel
    from eventflux_runtime.client.health_client import HealthClient
    from eventflux_runtime.client.interceptor import ClientInterceptor
    from eventflux_runtime.client.options import CallOptions
    from eventflux_runtime.client.stream import BidiStream, ClientStream, ServerStream
    from eventflux_runtime.connect import connect
    from eventflux_runtime.health.board import Health
    from eventflux_runtime.health.message import ServingStatus
    from eventflux_runtime.loading.compiled import compiled_modules
    from eventflux_runtime.protocol.api import ResponseInfo
    from eventflux_runtime.rpc.binding import AnyBinding, Binding
    from eventflux_runtime.rpc.call_head import CallHead
    from eventflux_runtime.rpc.config import (
        BalancerName,
        ClientConfig,
        Compression,
        EjectionConfig,
        KeepaliveConfig,
        PoolConfig,
        RetryPolicy,
        ServerConfig,
        SocketConfig,
        TlsConfig,
    )
    from eventflux_runtime.rpc.context import Context
    from eventflux_runtime.rpc.deadline import UNSET, Unset
    from eventflux_runtime.rpc.errors import CodecError, ConfigError, MissingExtraError, ProtocolError, TransportError
    from eventflux_runtime.rpc.metadata import Metadata, MetadataLike, MetadataValue
    from eventflux_runtime.rpc.method import AnyMethod, MessageCodec, Method, MethodKind, PeerCodec
    from eventflux_runtime.rpc.peer import Peer, PeerIdentity
    from eventflux_runtime.rpc.rpc_error import (
        Aborted,
        AlreadyExists,
        Cancelled,
        DataLoss,
        DeadlineExceeded,
        FailedPrecondition,
        Internal,
        InvalidArgument,
        NotFound,
        OutOfRange,
        PermissionDenied,
        PoolTimeout,
        ResourceExhausted,
        RpcError,
        Unauthenticated,
        Unavailable,
        Unimplemented,
        Unknown,
    )
    from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode
    from eventflux_runtime.serve import serve, serve_forever
    from eventflux_runtime.server.interceptor import ServerInterceptor
    from eventflux_runtime.server.server import Server
    from eventflux_runtime.server.service import Service
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "eventflux_runtime.rpc.call_head": ["CallHead"],
            "eventflux_runtime.client.channel": ["Channel"],
            "eventflux_runtime.client.interceptor": ["ClientInterceptor"],
            "eventflux_runtime.client.options": ["CallOptions"],
            "eventflux_runtime.client.stream": ["BidiStream", "ClientStream", "ServerStream"],
            "eventflux_runtime.loading.compiled": ["compiled_modules"],
            "eventflux_runtime.rpc.config": [
                "BalancerName",
                "ClientConfig",
                "Compression",
                "EjectionConfig",
                "KeepaliveConfig",
                "PoolConfig",
                "RetryPolicy",
                "ServerConfig",
                "SocketConfig",
                "TlsConfig",
            ],
            "eventflux_runtime.connect": ["connect"],
            "eventflux_runtime.rpc.deadline": ["UNSET", "Unset"],
            "eventflux_runtime.rpc.errors": [
                "CodecError",
                "ConfigError",
                "MissingExtraError",
                "ProtocolError",
                "TransportError",
            ],
            "eventflux_runtime.health.board": ["Health"],
            "eventflux_runtime.client.health_client": ["HealthClient"],
            "eventflux_runtime.health.message": ["ServingStatus"],
            "eventflux_runtime.rpc.metadata": ["Metadata", "MetadataLike", "MetadataValue"],
            "eventflux_runtime.rpc.method": ["AnyMethod", "MessageCodec", "Method", "MethodKind", "PeerCodec"],
            "eventflux_runtime.rpc.binding": ["AnyBinding", "Binding"],
            "eventflux_runtime.rpc.rpc_error": [
                "Aborted",
                "AlreadyExists",
                "Cancelled",
                "DataLoss",
                "DeadlineExceeded",
                "FailedPrecondition",
                "Internal",
                "InvalidArgument",
                "NotFound",
                "OutOfRange",
                "PermissionDenied",
                "PoolTimeout",
                "ResourceExhausted",
                "RpcError",
                "Unauthenticated",
                "Unavailable",
                "Unimplemented",
                "Unknown",
            ],
            "eventflux_runtime.rpc.context": ["Context"],
            "eventflux_runtime.server.interceptor": ["ServerInterceptor"],
            "eventflux_runtime.server.server": ["Server"],
            "eventflux_runtime.serve": ["serve", "serve_forever"],
            "eventflux_runtime.server.service": ["Service"],
            "eventflux_runtime.rpc.status": ["ErrorDetail", "Status", "StatusCode"],
            "eventflux_runtime.protocol.api": ["ResponseInfo"],
            "eventflux_runtime.rpc.peer": ["Peer", "PeerIdentity"],
        },
    )

__all__ = [
    "UNSET",
    "Aborted",
    "AlreadyExists",
    "AnyBinding",
    "AnyMethod",
    "BalancerName",
    "BidiStream",
    "Binding",
    "CallHead",
    "CallOptions",
    "Cancelled",
    "Channel",
    "ClientConfig",
    "ClientInterceptor",
    "ClientStream",
    "CodecError",
    "Compression",
    "ConfigError",
    "Context",
    "DataLoss",
    "DeadlineExceeded",
    "EjectionConfig",
    "ErrorDetail",
    "FailedPrecondition",
    "Health",
    "HealthClient",
    "Internal",
    "InvalidArgument",
    "KeepaliveConfig",
    "MessageCodec",
    "Metadata",
    "MetadataLike",
    "MetadataValue",
    "Method",
    "MethodKind",
    "MissingExtraError",
    "NotFound",
    "OutOfRange",
    "Peer",
    "PeerCodec",
    "PeerIdentity",
    "PermissionDenied",
    "PoolConfig",
    "PoolTimeout",
    "ProtocolError",
    "ResourceExhausted",
    "ResponseInfo",
    "RetryPolicy",
    "RpcError",
    "Server",
    "ServerConfig",
    "ServerInterceptor",
    "ServerStream",
    "Service",
    "ServingStatus",
    "SocketConfig",
    "Status",
    "StatusCode",
    "TlsConfig",
    "TransportError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "Unset",
    "compiled_modules",
    "connect",
    "serve",
    "serve_forever",
]
