"""Frozen, checked configuration: every knob of a client or a server, its unit in its name, its default explained."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Final, Literal, TypeAlias

from eventflux_runtime.rpc.checked import (
    Checked,
    Count,
    CountOrZero,
    FilePath,
    Limits,
    PositiveSeconds,
    Seconds,
    Timeout,
)
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.host import parse_host
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.rpc.web import WebConfig

__all__ = [
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
]

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Default limit of one message: above EventFlux's gRPC limit of 50 MiB, far below what exhausts a machine."""

MAX_DECOMPRESSED_BYTES: Final = 1024 * 1024 * 1024
"""Default limit of what came compressed and is held, in all: sixteen messages of the greatest length."""

COMPRESSION_MIN_BYTES: Final = 1024
"""Default size below which a message is not worth compressing: it fills no network packet (about 1,400 bytes), so that
fewer bytes arrive no sooner, while packing and unpacking it takes 10 to 20 microseconds with Zstandard."""

BalancerName: TypeAlias = Literal["pick_first", "round_robin", "least_loaded"]
"""How calls are spread over addresses; see `ClientConfig.balancer`."""


class Compression(Enum):
    """A compression algorithm for messages on the wire."""

    NONE = "none"
    LZ4 = "lz4"
    SNAPPY = "snappy"
    ZSTD = "zstd"
    GZIP = "gzip"


COMPRESSION_IDS: Final = {Compression.LZ4: 1, Compression.SNAPPY: 2, Compression.ZSTD: 3, Compression.GZIP: 4}
"""What stands for an algorithm where a number does: in docs/protocol.md, and in EventFlux's IDL, which has three."""
COMPRESSION_OF_ID: Final = {number: compression for compression, number in COMPRESSION_IDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig(Checked):
    """Certificates and checks of a TLS connection, for a client or a server. TLS 1.2 is the least that is spoken."""

    ca_file: FilePath | None = None
    """PEM file of the authorities that vouch for the other side; None: the system's."""
    cert_file: FilePath | None = None
    """PEM file of our own certificate chain, leaf first."""
    key_file: FilePath | None = None
    """PEM file of the private key that belongs to `cert_file`."""
    server_name: str | None = None
    """The name a client expects in the server's certificate, an IP address included; None: the host of the URL."""
    require_client_cert: bool = False
    """Server only: refuse a client that shows no certificate signed by `ca_file`."""
    insecure_skip_verify: bool = False
    """Client only: accept any certificate. Anyone on the path can read and change the traffic."""

    def _check_together(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigError("cert_file and key_file belong together: give both or neither")
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not os.path.isfile(path):
                raise ConfigError(f"{name}: no such file: {path!r}")
        if self.require_client_cert and self.ca_file is None:
            raise ConfigError("require_client_cert needs ca_file: the authorities that sign client certificates")
        if self.insecure_skip_verify and self.ca_file is not None:
            raise ConfigError("insecure_skip_verify and ca_file contradict each other: drop one of them")
        if self.server_name is not None:
            _check_host("server_name", self.server_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepaliveConfig(Checked):
    """How soon a silent connection is found to be dead: within ``interval_s + timeout_s``."""

    interval_s: PositiveSeconds = 30.0
    """Silence, in seconds, after which a ping is sent. 30 s outlives the idle timers of common NATs and balancers."""
    timeout_s: PositiveSeconds = 10.0
    """Seconds to wait for anything from the peer after that ping before the connection is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig(Checked):
    """How many connections a channel holds to each address, and for how long."""

    min_connections: CountOrZero = 0
    """Connections kept open to each address even when idle. 0: connect at the first call, so that a program which
    makes a channel and does not use it costs its servers nothing."""
    max_connections: Count = 16
    """Connections to each address at most. Calls are multiplexed: one connection carries a process' whole load, more
    are for calls above `max_calls_per_connection` and opened when those come. 16 carry 16,000 calls in flight."""
    max_calls_per_connection: Count = 1000
    """Calls in flight on one connection before another is opened; servers allow as many by default. A server that
    announces a lower limit has its way."""
    max_idle_s: PositiveSeconds = 300.0
    """Seconds without a call after which a connection above the minimum is closed. A client that calls every minute
    keeps its connection; a server gets its memory back from one that has stopped calling."""
    max_age_s: PositiveSeconds = 3600.0
    """Seconds after which a connection takes no new call, so that load moves to servers that came later; up to a tenth
    less, by chance, so that the clients of one server do not all reconnect at once."""
    acquire_timeout_s: Seconds = 10.0
    """Seconds a call waits for a connection with room before `PoolTimeout`; 0: not at all. Twice the time to connect,
    so that a call outlives one attempt that hangs."""
    reconnect_backoff_s: PositiveSeconds = 0.1
    """Seconds after a first failed attempt to connect to an address before the next; each further failure makes it 1.6
    times as long, plus or minus a fifth. Short, so that a server that restarts is found at once."""
    max_reconnect_backoff_s: PositiveSeconds = 5.0
    """Seconds between attempts at most, and so about the longest that a server is back unnoticed."""

    def _check_together(self) -> None:
        if self.max_connections < self.min_connections:
            raise ConfigError(
                f"max_connections must be at least min_connections ({self.min_connections}), not {self.max_connections}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Checked):
    """When a failed call is tried again; the terms are those of gRPC's proposal A6.

    A policy is for methods that are idempotent, and on any method for calls that provably never reached a handler.
    https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    """

    max_attempts: Count = 3
    """Attempts in all, the first included; 1: no retry. Three reach each of three servers."""
    initial_backoff_s: PositiveSeconds = 0.05
    """Seconds before the second attempt, plus or minus a fifth: more than a round trip, less than people notice."""
    max_backoff_s: PositiveSeconds = 2.0
    """Seconds between two attempts at most."""
    multiplier: Annotated[float, Limits(1, 1000)] = 2.0
    """How much longer each wait is than the one before."""
    codes: frozenset[StatusCode] = frozenset({StatusCode.UNAVAILABLE})
    """Codes worth another attempt of a method that is idempotent. UNAVAILABLE alone says that trying again may help."""

    def _check_together(self) -> None:
        if StatusCode.OK in self.codes:
            raise ConfigError("codes: OK is no failure, so it cannot be retried")


@dataclass(frozen=True, slots=True, kw_only=True)
class EjectionConfig(Checked):
    """When a server that accepts connections but fails its calls is left out for a while.

    What counts as a failure is UNAVAILABLE or DEADLINE_EXCEEDED on a connection that stays up. At most half of the
    addresses are left out at a time, and never the only one.
    """

    consecutive_failures: Count = 5
    """Failed calls to one address with none that succeeded between them. Five in a row are no accident."""
    ejection_s: PositiveSeconds = 5.0
    """Seconds that it is left out at first; then the next call probes it, and one more failure leaves it out again,
    for twice as long."""
    max_ejection_s: PositiveSeconds = 60.0
    """Seconds that it is left out at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig(Checked):
    """Options set on each TCP socket, and readable back from it; a UDP socket has the sizes of the buffers."""

    nodelay: bool = True
    """TCP_NODELAY: small frames leave at once; the runtime coalesces writes itself."""
    send_buffer_bytes: Count | None = None
    """SO_SNDBUF; None: the kernel tunes it."""
    receive_buffer_bytes: Count | None = None
    """SO_RCVBUF; None: the kernel tunes it."""
    keepalive: bool = True
    """SO_KEEPALIVE with TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT derived from `KeepaliveConfig`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(Checked):
    """Everything a channel can be told."""

    tls: TlsConfig | None = None
    """Certificates for ``tcps``, ``grpcs``, ``wss`` and ``quic``; None there: the system's authorities."""
    pool: PoolConfig = field(default_factory=PoolConfig)
    keepalive: KeepaliveConfig | None = field(default_factory=KeepaliveConfig)
    """None: no pings."""
    retry: RetryPolicy | None = None
    """For methods that bring no policy of their own; None: only calls are repeated that a server sent back unread."""
    retry_budget: CountOrZero = 1000
    """Failures in stock before retries stop: each failed attempt takes one, each call that succeeds gives back a tenth,
    and below half of the stock nothing is retried, so that an outage is not made worse. 1000 is the most that gRPC's A6
    allows: the loss of a server with hundreds of calls in flight fits in it, an overload of seconds does not. 0: no
    limit."""
    balancer: BalancerName = "round_robin"
    """How calls are spread over addresses: ``pick_first`` uses one until it fails, ``round_robin`` all in turn,
    ``least_loaded`` the less busy of two drawn by chance. Round robin needs nothing to be known of the calls."""
    ejection: EjectionConfig | None = field(default_factory=EjectionConfig)
    """None: a server is left out only while no connection to it can be made."""
    dns_refresh_s: PositiveSeconds = 30.0
    """Seconds after which host names are resolved again, plus or minus a fifth, and sooner after a failure: the usual
    time to live of records that move."""
    compression: Compression = Compression.NONE
    """For requests; a peer that lacks the algorithm gets them plain."""
    compression_min_bytes: CountOrZero = COMPRESSION_MIN_BYTES
    """Requests below this many bytes are sent plain."""
    socket: SocketConfig = field(default_factory=SocketConfig)
    connect_timeout_s: PositiveSeconds = 5.0
    """Seconds for the connection, TLS and protocol handshake together."""
    timeout_s: Timeout | None = None
    """Deadline of a call that names none, where its method names none either; None: no deadline."""
    max_message_bytes: Count = MAX_MESSAGE_BYTES
    max_decompressed_bytes: Count = MAX_DECOMPRESSED_BYTES
    """Bytes of messages that came compressed and that the channel's streams hold, decompressed; one more fails with
    ResourceExhausted. A stream holds a message until it takes the next or is left. The reply of a unary call is its
    caller's at once, and counts only while it is decompressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Checked):
    """Everything a server can be told."""

    tls: TlsConfig | None = None
    """Certificate and key for ``tcps``, ``grpcs``, ``wss`` and ``quic``."""
    keepalive: KeepaliveConfig | None = field(default_factory=KeepaliveConfig)
    """None: no pings; a dead client is then noticed only when a write fails."""
    compression: Compression = Compression.NONE
    """For responses to clients that know the algorithm."""
    compression_min_bytes: CountOrZero = COMPRESSION_MIN_BYTES
    """Responses below this many bytes are sent plain."""
    socket: SocketConfig = field(default_factory=SocketConfig)
    max_message_bytes: Count = MAX_MESSAGE_BYTES
    max_decompressed_bytes: Count = MAX_DECOMPRESSED_BYTES
    """Bytes of requests that came compressed and that handlers hold, decompressed, over all connections; one more fails
    with RESOURCE_EXHAUSTED. A handler holds a request until it asks for the next or ends."""
    max_decompressed_bytes_per_connection: Count = MAX_DECOMPRESSED_BYTES // 4
    """The same on one connection, so that one client leaves room for others."""
    max_connections: Count = 10_000
    """Connections at a time on each endpoint; one more is refused."""
    max_calls_per_connection: Count = 1000
    """Calls in flight on one connection; one more fails with RESOURCE_EXHAUSTED."""
    max_connection_age_s: PositiveSeconds | None = None
    """Seconds after which a client is told to connect anew, plus or minus a tenth; its calls in flight go on. Servers
    that come later get their share so, whatever the clients' own `PoolConfig.max_age_s`. None: never, because it
    costs each client a handshake and gains nothing where servers do not come and go."""
    reuse_port: bool = False
    """Share the ports that are listened on with other processes of this user that say so, too (SO_REUSEPORT); on Linux
    the kernel spreads new connections over them. ``serve_forever(..., workers=N)`` sets it. Off, because a second
    server that is started by mistake would take a part of the connections, where it is refused otherwise."""
    handshake_timeout_s: PositiveSeconds = 10.0
    """Seconds a new connection has to say what it speaks. An EventFlux peer that has begun a frame has to send 4 KiB of
    it a second on average over each such time."""
    drain_grace_s: Seconds = 10.0
    """Seconds calls in flight have to finish once the server is told to stop."""
    web: WebConfig | None = None
    """For browsers, probes and proxies; None: pages of no origin may open WebSockets, and no page is shown."""
    health: bool = True
    """Serve ``grpc.health.v1.Health`` on every endpoint, and ``GET /healthz`` on each that has a host. On unless told
    otherwise, because whoever starts and stops servers asks it before he sends calls, and the answer tells nothing but
    the names of services that the asker knows already. A service of that name among the application's own takes its
    place."""
    stats: bool = False
    """Serve ``eventflux.stats.v1.Stats`` on every endpoint: what `Server.stats` tells, to `StatsClient` and ``eventflux
    top``. Off unless told otherwise, because it shows everybody who can connect how much which method is called, and
    how often it fails. Interceptors stand before it as before any service, so one that asks for a token guards it too.
    A service of that name among the application's own takes its place."""
    reflection: bool | None = None
    """Serve ``grpc.reflection`` on every endpoint, ``v1`` and ``v1alpha``, which show everybody who can connect the
    definitions of all services and of what else protobuf has loaded. None: where protobuf is installed; True: it has to
    be. A service of either name among the application's own takes its place."""


def _check_host(name: str, value: str) -> None:
    try:
        parse_host(value)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
