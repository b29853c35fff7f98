"""The only module of the runtime that generated code may import; its names are a versioned contract.

`CONTRACT_VERSION` rises when generated code of an older generator would no longer work; `check_contract` is called by
each generated package at import and says what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflux_runtime.loading.lazy import lazy_names
from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from eventflux_runtime.client.channel import Channel
    from eventflux_runtime.client.client import Client
    from eventflux_runtime.client.options import CallOptions
    from eventflux_runtime.client.stream import BidiStream, ClientStream, ServerStream
    from eventflux_runtime.compression.payload import pack_payload, unpack_payload
    from eventflux_runtime.message.base import Message
    from eventflux_runtime.message.codec import codec_of
    from eventflux_runtime.message.open_enum import OpenEnum
    from eventflux_runtime.message.refusal import (
        bad_flag,
        bad_length,
        bad_variant,
        lacking,
        malformed,
        no_variant,
        overlong,
        require,
        too_deep,
        too_many_empty,
        trailing,
        unfit,
    )
    from eventflux_runtime.message.registration import register
    from eventflux_runtime.monitor.change import MonitorChange
    from eventflux_runtime.monitor.config import MonitorConfig
    from eventflux_runtime.monitor.monitor import Monitor, MonitorBinding
    from eventflux_runtime.peer.binding import PeerBinding
    from eventflux_runtime.peer.config import AnyTls, GrpcPeerConfig, SimpleGrpcPeerConfig, TcpPeerConfig, TlsSettings
    from eventflux_runtime.peer.factory import create_transport
    from eventflux_runtime.peer.frame import framed_headers, framed_payload
    from eventflux_runtime.peer.message import PeerMessage, size_of, stamp
    from eventflux_runtime.peer.rpc import GrpcPeerTransport
    from eventflux_runtime.peer.simple import SimpleGrpcPeerTransport
    from eventflux_runtime.peer.subscription import PeerEvent, PeerFilter, is_wanted
    from eventflux_runtime.peer.tcp import TcpPeerTransport
    from eventflux_runtime.peer.transport import PeerConnection, PeerConnectionState, PeerListener, PeerTransport
    from eventflux_runtime.rpc.binding import AnyBinding, Binding
    from eventflux_runtime.rpc.config import Compression, RetryPolicy
    from eventflux_runtime.rpc.context import Context
    from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
    from eventflux_runtime.rpc.method import MessageCodec, Method, MethodKind, PeerCodec
    from eventflux_runtime.rpc.status import StatusCode
    from eventflux_runtime.server.service import Service
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "eventflux_runtime.client.channel": ["Channel"],
            "eventflux_runtime.client.client": ["Client"],
            "eventflux_runtime.client.options": ["CallOptions"],
            "eventflux_runtime.client.stream": ["BidiStream", "ClientStream", "ServerStream"],
            "eventflux_runtime.rpc.config": ["Compression", "RetryPolicy"],
            "eventflux_runtime.rpc.errors": ["CodecError", "MissingExtraError"],
            "eventflux_runtime.message.base": ["Message"],
            "eventflux_runtime.message.codec": ["codec_of"],
            "eventflux_runtime.message.open_enum": ["OpenEnum"],
            "eventflux_runtime.message.refusal": [
                "bad_flag",
                "bad_length",
                "bad_variant",
                "lacking",
                "malformed",
                "no_variant",
                "overlong",
                "require",
                "too_deep",
                "too_many_empty",
                "trailing",
                "unfit",
            ],
            "eventflux_runtime.message.registration": ["register"],
            "eventflux_runtime.rpc.method": ["MessageCodec", "Method", "MethodKind", "PeerCodec"],
            "eventflux_runtime.rpc.binding": ["AnyBinding", "Binding"],
            "eventflux_runtime.monitor.change": ["MonitorChange"],
            "eventflux_runtime.monitor.config": ["MonitorConfig"],
            "eventflux_runtime.monitor.monitor": ["Monitor", "MonitorBinding"],
            "eventflux_runtime.compression.payload": ["pack_payload", "unpack_payload"],
            "eventflux_runtime.peer.binding": ["PeerBinding"],
            "eventflux_runtime.peer.config": [
                "AnyTls",
                "GrpcPeerConfig",
                "SimpleGrpcPeerConfig",
                "TcpPeerConfig",
                "TlsSettings",
            ],
            "eventflux_runtime.peer.factory": ["create_transport"],
            "eventflux_runtime.peer.frame": ["framed_headers", "framed_payload"],
            "eventflux_runtime.peer.message": ["PeerMessage", "size_of", "stamp"],
            "eventflux_runtime.peer.rpc": ["GrpcPeerTransport"],
            "eventflux_runtime.peer.simple": ["SimpleGrpcPeerTransport"],
            "eventflux_runtime.peer.subscription": ["PeerEvent", "PeerFilter", "is_wanted"],
            "eventflux_runtime.peer.tcp": ["TcpPeerTransport"],
            "eventflux_runtime.peer.transport": [
                "PeerConnection",
                "PeerConnectionState",
                "PeerListener",
                "PeerTransport",
            ],
            "eventflux_runtime.rpc.context": ["Context"],
            "eventflux_runtime.server.service": ["Service"],
            "eventflux_runtime.rpc.status": ["StatusCode"],
        },
    )

__all__ = [
    "CONTRACT_VERSION",
    "AnyBinding",
    "AnyTls",
    "BidiStream",
    "Binding",
    "CallOptions",
    "Channel",
    "Client",
    "ClientStream",
    "CodecError",
    "Compression",
    "ConfigError",
    "Context",
    "GrpcPeerConfig",
    "GrpcPeerTransport",
    "Message",
    "MessageCodec",
    "Method",
    "MethodKind",
    "MissingExtraError",
    "Monitor",
    "MonitorBinding",
    "MonitorChange",
    "MonitorConfig",
    "OpenEnum",
    "PeerBinding",
    "PeerCodec",
    "PeerConnection",
    "PeerConnectionState",
    "PeerEvent",
    "PeerFilter",
    "PeerListener",
    "PeerMessage",
    "PeerTransport",
    "RetryPolicy",
    "ServerStream",
    "Service",
    "SimpleGrpcPeerConfig",
    "SimpleGrpcPeerTransport",
    "StatusCode",
    "TcpPeerConfig",
    "TcpPeerTransport",
    "TlsSettings",
    "bad_flag",
    "bad_length",
    "bad_variant",
    "check_contract",
    "codec_of",
    "create_transport",
    "framed_headers",
    "framed_payload",
    "is_wanted",
    "lacking",
    "lazy_names",
    "malformed",
    "no_variant",
    "overlong",
    "pack_payload",
    "register",
    "require",
    "size_of",
    "stamp",
    "too_deep",
    "too_many_empty",
    "trailing",
    "unfit",
    "unpack_payload",
]

CONTRACT_VERSION: Final = 3
"""What generated code may count on; rises when code of an older generator would no longer work."""


def check_contract(version: int, package: str) -> None:
    """Checks at import that generated code and runtime fit each other.

    Raises:
        ConfigError: they do not; the message says which one to renew.
    """
    if version > CONTRACT_VERSION:
        raise ConfigError(
            f"{package} was generated for runtime contract {version}, this runtime offers {CONTRACT_VERSION}: "
            "upgrade eventflux-transport"
        )
    if version < CONTRACT_VERSION:
        raise ConfigError(
            f"{package} was generated for runtime contract {version}, this runtime needs {CONTRACT_VERSION}: "
            "run eventflux-codegen generate again"
        )
