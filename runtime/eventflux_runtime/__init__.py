"""The runtime of EventFlux transport: typed clients and services over gRPC, a native TCP protocol, and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflux_runtime.lazy import lazy_names

if TYPE_CHECKING:
    from eventflux_runtime.call_head import CallHead
    from eventflux_runtime.channel.channel import Channel
    from eventflux_runtime.channel.interceptor import ClientInterceptor
    from eventflux_runtime.channel.options import CallOptions
    from eventflux_runtime.channel.stream import BidiStream, ClientStream, ServerStream
    from eventflux_runtime.compiled import compiled_modules
    from eventflux_runtime.config import (
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
    from eventflux_runtime.connect import connect
    from eventflux_runtime.deadline import UNSET, Unset
    from eventflux_runtime.errors import CodecError, ConfigError, MissingExtraError, ProtocolError, TransportError
    from eventflux_runtime.health.board import Health
    from eventflux_runtime.health.client import HealthClient
    from eventflux_runtime.health.message import ServingStatus
    from eventflux_runtime.metadata import Metadata, MetadataLike, MetadataValue
    from eventflux_runtime.method import (
        AnyBinding,
        AnyMethod,
        Binding,
        MessageCodec,
        Method,
        MethodKind,
        PeerCodec,
    )
    from eventflux_runtime.rpc_error import (
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
    from eventflux_runtime.server.context import Context
    from eventflux_runtime.server.interceptor import ServerInterceptor
    from eventflux_runtime.server.server import Server, serve, serve_forever
    from eventflux_runtime.server.service import Service
    from eventflux_runtime.status import ErrorDetail, Status, StatusCode
    from eventflux_runtime.transport_api import Peer, PeerIdentity, ResponseInfo
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "eventflux_runtime.call_head": ["CallHead"],
            "eventflux_runtime.channel.channel": ["Channel"],
            "eventflux_runtime.channel.interceptor": ["ClientInterceptor"],
            "eventflux_runtime.channel.options": ["CallOptions"],
            "eventflux_runtime.channel.stream": ["BidiStream", "ClientStream", "ServerStream"],
            "eventflux_runtime.compiled": ["compiled_modules"],
            "eventflux_runtime.config": [
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
            "eventflux_runtime.deadline": ["UNSET", "Unset"],
            "eventflux_runtime.errors": [
                "CodecError",
                "ConfigError",
                "MissingExtraError",
                "ProtocolError",
                "TransportError",
            ],
            "eventflux_runtime.health.board": ["Health"],
            "eventflux_runtime.health.client": ["HealthClient"],
            "eventflux_runtime.health.message": ["ServingStatus"],
            "eventflux_runtime.metadata": ["Metadata", "MetadataLike", "MetadataValue"],
            "eventflux_runtime.method": [
                "AnyBinding",
                "AnyMethod",
                "Binding",
                "MessageCodec",
                "Method",
                "MethodKind",
                "PeerCodec",
            ],
            "eventflux_runtime.rpc_error": [
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
            "eventflux_runtime.server.context": ["Context"],
            "eventflux_runtime.server.interceptor": ["ServerInterceptor"],
            "eventflux_runtime.server.server": ["Server", "serve", "serve_forever"],
            "eventflux_runtime.server.service": ["Service"],
            "eventflux_runtime.status": ["ErrorDetail", "Status", "StatusCode"],
            "eventflux_runtime.transport_api": ["Peer", "PeerIdentity", "ResponseInfo"],
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
