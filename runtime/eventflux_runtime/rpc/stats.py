"""What channels and servers tell of their calls and connections: frozen snapshots, made when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from eventflux_runtime.rpc.call_tally import LATENCY_BOUNDS_S, CallTally, TallyBook
from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.status import StatusCode

__all__ = [
    "AddressStats",
    "CallStats",
    "ChannelStats",
    "EndpointStats",
    "LatencyHistogram",
    "ServerStats",
    "call_stats",
    "merged",
    "stats_of",
]


class LatencyHistogram(msgspec.Struct, frozen=True):
    """How long calls took, in buckets whose bounds are the same for all of them."""

    BOUNDS_S: ClassVar[tuple[float, ...]] = LATENCY_BOUNDS_S
    """The upper bound of each bucket but the last, in seconds, from 10 µs to 100 s."""

    counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_S) + 1)
    """Calls in each bucket; the last one has those above all bounds."""
    sum_s: float = 0.0
    """Seconds of all calls together."""

    @property
    def count(self) -> int:
        """Calls in all buckets."""
        return sum(self.counts)

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the calls ended, such as 0.99; NaN where there are none.

        It lies in the right bucket, and within that where it would be if its calls were spread evenly. Of the last
        bucket nothing is known but its lower bound.

        Raises:
            ConfigError: the share is not from 0 to 1.
        """
        given: object = share
        if not isinstance(given, int | float) or not 0 <= given <= 1:
            raise ConfigError(f"percentile takes a share from 0 to 1, such as 0.99, not {shown(given)}")
        rank = share * self.count
        below = 0
        lower = 0.0
        for upper, count in zip((*self.BOUNDS_S, math.inf), self.counts, strict=True):
            if count and below + count >= rank:
                part = max(0.0, rank - below) / count
                return lower if upper == math.inf else lower + (upper - lower) * part
            below += count
            lower = upper
        return math.nan

    def __add__(self, other: LatencyHistogram) -> LatencyHistogram:
        """The calls of both."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return LatencyHistogram(counts, self.sum_s + other.sum_s)


class CallStats(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a method. On a channel each attempt of a call counts."""

    started: int = 0
    ended: Mapping[StatusCode, int] = {}
    """How many ended with each code; codes that none ended with are left out."""
    retries: int = 0
    """On a channel: of `started`, the attempts that repeated a call."""
    latency: LatencyHistogram = LatencyHistogram()
    """Of the calls that have ended, with whatever code."""
    sent_messages: int = 0
    received_messages: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    """Bytes of encoded messages, compressed where they were, without what frames them."""

    @property
    def in_flight(self) -> int:
        """Calls that have not ended."""
        return self.started - sum(self.ended.values())

    @property
    def failed(self) -> int:
        """Calls that ended with another code than OK."""
        return sum(count for code, count in self.ended.items() if code is not StatusCode.OK)

    def __add__(self, other: CallStats) -> CallStats:
        """The calls of both."""
        codes = sorted({*self.ended, *other.ended})
        return CallStats(
            started=self.started + other.started,
            ended={code: self.ended.get(code, 0) + other.ended.get(code, 0) for code in codes},
            retries=self.retries + other.retries,
            latency=self.latency + other.latency,
            sent_messages=self.sent_messages + other.sent_messages,
            received_messages=self.received_messages + other.received_messages,
            sent_bytes=self.sent_bytes + other.sent_bytes,
            received_bytes=self.received_bytes + other.received_bytes,
        )


class AddressStats(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a channel."""

    address: str
    """Its URL, of one of the addresses that a name was resolved to."""
    ready: int = 0
    """Connections that take calls."""
    draining: int = 0
    """Connections whose calls in flight go on, and that take no others."""
    connecting: int = 0
    """Attempts to connect that are under way."""
    connect_attempts: int = 0
    connect_failures: int = 0
    last_failure: str = ""
    """Why the last attempt to connect failed; empty since one succeeded."""
    is_ejected: bool = False
    """Whether it gets no calls for a while, because those before failed."""
    ejections: int = 0
    is_retired: bool = False
    """Whether the target no longer has it; calls in flight there go on."""
    methods: Mapping[str, CallStats] = {}
    """By the methods' paths, ``/package.Service/Method``."""


class ChannelStats(msgspec.Struct, frozen=True, kw_only=True):
    """A channel, since it was opened. Addresses that have gone are in `methods` only."""

    target: str
    queued_calls: int = 0
    """Calls that wait for a connection."""
    methods: Mapping[str, CallStats] = {}
    """By the methods' paths. A call that never had a connection counts here and at no address."""
    addresses: tuple[AddressStats, ...] = ()

    @property
    def calls(self) -> CallStats:
        """Those of all methods together."""
        return merged(self.methods)


class EndpointStats(msgspec.Struct, frozen=True, kw_only=True):
    """One address that a server listens on. Of `grpcio` no connections are known."""

    endpoint: str
    connections: int = 0
    """Open now."""
    accepted: int = 0
    """All connections so far, those that were refused not counted."""
    refused: int = 0
    """Connections refused because `ServerConfig.max_connections` were open."""
    active_calls: int = 0


class ServerStats(msgspec.Struct, frozen=True, kw_only=True):
    """A server, since it was made."""

    methods: Mapping[str, CallStats] = {}
    """By the methods' paths; each that is served and was called."""
    refused_calls: int = 0
    """Calls of methods that it does not serve."""
    endpoints: tuple[EndpointStats, ...] = ()

    @property
    def calls(self) -> CallStats:
        """Those of all methods together."""
        return merged(self.methods)


def call_stats(tally: CallTally) -> CallStats:
    """What a tally has counted by now."""
    return CallStats(
        started=tally.begun_calls,
        ended={StatusCode(code): count for code, count in enumerate(tally.codes()) if count},
        retries=tally.retries,
        latency=LatencyHistogram(tuple(tally.buckets()), tally.seconds),
        sent_messages=tally.sent_messages,
        received_messages=tally.received_messages,
        sent_bytes=tally.sent_bytes,
        received_bytes=tally.received_bytes,
    )


def stats_of(*books: TallyBook) -> dict[str, CallStats]:
    """What books have counted by now, together, by the paths of methods."""
    found: dict[str, CallStats] = {}
    for book in books:
        for path, tally in book.items():
            stats = call_stats(tally)
            found[path] = found[path] + stats if path in found else stats
    return found


def merged(methods: Mapping[str, CallStats]) -> CallStats:
    """Those of all methods together."""
    return sum(methods.values(), CallStats())
