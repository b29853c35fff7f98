"""The configuration of message-passing transports, with EventFlux's fields, units and defaults.

The fields are those of ``TcpTransportConfig``, ``GrpcTransportConfig`` and ``SimpleGrpcConfig`` in
https://github.com/eventflux-io/engine; where that code leaves one without effect, its meaning here is in its docstring.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeAlias

from eventflux_runtime.rpc.checked import Checked, Count, Milliseconds, PositiveSeconds, Seconds
from eventflux_runtime.rpc.config import (
    ClientConfig,
    Compression,
    KeepaliveConfig,
    ServerConfig,
    SocketConfig,
    TlsConfig,
)
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["AnyTls", "GrpcPeerConfig", "SimpleGrpcPeerConfig", "TcpPeerConfig", "TlsSettings"]


class TlsSettings(Protocol):
    """TLS as EventFlux's IDL describes it; an empty string stands for what is not set."""

    enabled: bool
    cert_file: str
    key_file: str
    ca_file: str
    server_name: str
    insecure_skip_verify: bool


AnyTls: TypeAlias = TlsConfig | TlsSettings | None
"""TLS as the runtime or as EventFlux describes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpPeerConfig(Checked):
    """Everything a TCP transport can be told."""

    connection_timeout_ms: Milliseconds = 5000
    """Milliseconds for a connection to come about."""
    read_timeout_ms: Milliseconds = 30000
    """Milliseconds that a `receive` waits for a whole message. The part that has arrived is kept for the next one."""
    write_timeout_ms: Milliseconds = 30000
    """Milliseconds that a `send` waits for the system to take the message."""
    keepalive_enabled: bool = True
    """Whether the system probes an idle connection (SO_KEEPALIVE)."""
    keepalive_interval_secs: PositiveSeconds = 30
    """Seconds of silence before the first probe; as long again without an answer, and the connection is broken."""
    nodelay: bool = True
    """TCP_NODELAY: small messages leave at once."""
    send_buffer_size: Count | None = 65536
    """SO_SNDBUF in bytes; None: the system tunes it. Linux keeps twice the number, for its own bookkeeping."""
    recv_buffer_size: Count | None = 65536
    """SO_RCVBUF in bytes; None: the system tunes it."""
    max_message_size: Count = 10 * 1024 * 1024
    """Bytes of one encoded message, both ways. EventFlux's nodes take 10 MiB."""

    @property
    def socket(self) -> SocketConfig:
        """The options of each socket."""
        return SocketConfig(
            nodelay=self.nodelay,
            send_buffer_bytes=self.send_buffer_size,
            receive_buffer_bytes=self.recv_buffer_size,
            keepalive=self.keepalive_enabled,
        )

    @property
    def keepalive(self) -> KeepaliveConfig | None:
        """When the system probes."""
        if not self.keepalive_enabled:
            return None
        return KeepaliveConfig(interval_s=self.keepalive_interval_secs, timeout_s=self.keepalive_interval_secs)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcPeerConfig(Checked):
    """Everything a gRPC transport can be told."""

    connection_timeout_ms: Milliseconds = 10000
    """Milliseconds for a connection to come about, TLS and HTTP/2 included."""
    request_timeout_ms: Milliseconds = 30000
    """Milliseconds that each `send`, `receive` and heartbeat may take."""
    keep_alive_interval_secs: Seconds = 30
    """Seconds without a message after which the other node is asked for a heartbeat; one that fails breaks the
    connection. Above HTTP/2's pings, it finds a node that hangs on a machine that lives. 0: never."""
    max_message_size: Count = 50 * 1024 * 1024
    """Bytes of one encoded message, both ways."""
    enable_compression: bool = True
    """Whether payloads are compressed, towards peers that say that they decompress them, and accepted compressed."""
    preferred_compression: Compression | IntEnum = Compression.ZSTD
    """The algorithm for payloads; another one that both sides have takes its place where one side lacks it."""
    http2_keep_alive_enabled: bool = True
    """Whether HTTP/2 pings an idle connection."""
    http2_keep_alive_interval_secs: PositiveSeconds = 30
    """Seconds of silence before a ping."""
    http2_keep_alive_timeout_secs: PositiveSeconds = 5
    """Seconds to wait for its answer before the connection is broken."""
    tls_config: AnyTls = None
    """Certificates; None, or one that is not enabled: no TLS."""
    max_concurrent_requests: Count = 1000
    """Calls at a time on one connection; each connected peer is one, and so is each plain caller's."""

    def _check_together(self) -> None:
        self.compression  # noqa: B018 - its check is wanted
        self.tls  # noqa: B018 - its check is wanted

    @property
    def request_timeout_s(self) -> float:
        """`request_timeout_ms` in seconds."""
        return self.request_timeout_ms / 1000

    @property
    def compression(self) -> Compression:
        """The algorithm for payloads; NONE where compression is off."""
        try:
            preferred = Compression[self.preferred_compression.name]
        except (AttributeError, KeyError):
            raise ConfigError(
                f"preferred_compression must be NONE, LZ4, SNAPPY or ZSTD, not {self.preferred_compression!r}"
            ) from None
        return preferred if self.enable_compression else Compression.NONE

    @property
    def tls(self) -> TlsConfig | None:
        """The runtime's form of `tls_config`; None: no TLS."""
        settings = self.tls_config
        if settings is None or isinstance(settings, TlsConfig):
            return settings
        if not settings.enabled:
            return None
        return TlsConfig(
            ca_file=settings.ca_file or None,
            cert_file=settings.cert_file or None,
            key_file=settings.key_file or None,
            server_name=settings.server_name or None,
            insecure_skip_verify=settings.insecure_skip_verify,
        )

    @property
    def client(self) -> ClientConfig:
        """What a connecting side is told."""
        return ClientConfig(
            tls=self.tls,
            keepalive=self._keepalive,
            connect_timeout_s=self.connection_timeout_ms / 1000,
            max_message_bytes=self.max_message_size,
        )

    @property
    def server(self) -> ServerConfig:
        """What a listening side is told."""
        return ServerConfig(
            tls=self.tls,
            keepalive=self._keepalive,
            max_message_bytes=self.max_message_size,
            max_calls_per_connection=self.max_concurrent_requests,
            handshake_timeout_s=self.connection_timeout_ms / 1000,
        )

    @property
    def _keepalive(self) -> KeepaliveConfig | None:
        if not self.http2_keep_alive_enabled:
            return None
        return KeepaliveConfig(
            interval_s=self.http2_keep_alive_interval_secs, timeout_s=self.http2_keep_alive_timeout_secs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleGrpcPeerConfig(Checked):
    """Everything a simple gRPC transport can be told."""

    connection_timeout_ms: Milliseconds = 10000
    """Milliseconds for a connection to come about, and for the answer to each request, as in EventFlux."""
    enable_compression: bool = True
    """Whether payloads are compressed (zstd), towards servers that say that they decompress them."""
    server_address: str = "127.0.0.1:50051"
    """Where `connect` goes when it is told no address."""
