"""Stats in Prometheus' text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/ specifies it. Labels are methods, codes and addresses,
whose number the stats bound themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.stats import (
    AddressStats,
    CallStats,
    ChannelStats,
    EndpointStats,
    LatencyHistogram,
    ServerStats,
)
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["PROMETHEUS_CONTENT_TYPE", "metric", "prometheus_text"]

PROMETHEUS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of what `prometheus_text` makes."""

_Labels: TypeAlias = str
"""As they stand between braces: written once for each method, and not for each of its series."""
_Calls: TypeAlias = Sequence[tuple[_Labels, CallStats]]
_Addresses: TypeAlias = Sequence[tuple[_Labels, AddressStats]]
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_SHOWN: Final = tuple(
    (index, f"{bound:g}")
    for index, bound in enumerate(LatencyHistogram.BOUNDS_S)
    if f"{bound:.1e}"[:3] in {"1.0", "2.0", "5.0"}
)
"""The bounds that a page has, each with its index: half of all, because each is a series of each method."""


def prometheus_text(*stats: ServerStats | ChannelStats) -> str:
    """The stats of servers and channels as one page, for an exporter of the program's own.

    Those of several servers are added up, and so are those of channels with the same target.

    Raises:
        ConfigError: an argument is neither.
    """
    servers: list[ServerStats] = []
    channels: list[ChannelStats] = []
    for given in stats:
        kept: object = given
        if isinstance(kept, ServerStats):
            servers.append(kept)
        elif isinstance(kept, ChannelStats):
            channels.append(kept)
        else:
            raise ConfigError(f"prometheus_text takes what server.stats() and channel.stats() tell, not {shown(kept)}")
    return "".join((*_of_servers(servers), *_of_channels(channels)))


def metric(name: str, kind: str, text: str, samples: Iterable[tuple[_Labels, float]]) -> list[str]:
    """The lines of a metric. Samples with the same labels are added up; without any there is no line."""
    values: dict[str, float] = {}
    for labels, value in samples:
        values[labels] = values.get(labels, 0) + value
    return _head(name, kind, text, [f"{_series(name, labels)} {value}\n" for labels, value in values.items()])


def _of_servers(servers: Sequence[ServerStats]) -> list[str]:
    calls = [(_method(path), stats) for server in servers for path, stats in server.methods.items()]
    endpoints = [(_labels(endpoint=stats.endpoint), stats) for server in servers for stats in server.endpoints]

    def of_endpoints(read: Callable[[EndpointStats], int]) -> list[tuple[_Labels, float]]:
        return [(labels, read(stats)) for labels, stats in endpoints]

    name = "eventflux_server"
    refused: list[tuple[_Labels, float]] = [("", float(server.refused_calls)) for server in servers]
    return [
        *_of_calls(name, "call", "calls", calls),
        *metric(f"{name}_refused_calls_total", "counter", "Calls of methods that are not served.", refused),
        *metric(f"{name}_connections", "gauge", "Open connections.", of_endpoints(lambda of: of.connections)),
        *metric(
            f"{name}_accepted_connections_total",
            "counter",
            "Connections that were accepted.",
            of_endpoints(lambda of: of.accepted),
        ),
        *metric(
            f"{name}_refused_connections_total",
            "counter",
            "Connections that were refused because too many were open.",
            of_endpoints(lambda of: of.refused),
        ),
    ]


def _of_channels(channels: Sequence[ChannelStats]) -> list[str]:
    calls = [
        (f"{_labels(target=channel.target)},{_method(path)}", stats)
        for channel in channels
        for path, stats in channel.methods.items()
    ]
    name = "eventflux_client"
    retries = [(labels, float(stats.retries)) for labels, stats in calls]
    queued = [(_labels(target=channel.target), float(channel.queued_calls)) for channel in channels]
    return [
        *_of_calls(name, "attempt", "attempts of calls", calls),
        *metric(f"{name}_retries_total", "counter", "Attempts that repeated a call.", retries),
        *metric(f"{name}_queued_calls", "gauge", "Calls that wait for a connection.", queued),
        *_of_addresses(
            name,
            [
                (_labels(target=channel.target, address=stats.address), stats)
                for channel in channels
                for stats in channel.addresses
            ],
        ),
    ]


def _of_addresses(name: str, addresses: _Addresses) -> list[str]:
    def counter(suffix: str, text: str, read: Callable[[AddressStats], int]) -> list[str]:
        return metric(f"{name}_{suffix}_total", "counter", text, [(labels, read(of)) for labels, of in addresses])

    states = [
        (f'{labels},state="{state}"', float(count))
        for labels, of in addresses
        for state, count in (("ready", of.ready), ("draining", of.draining), ("connecting", of.connecting))
    ]
    ejected = [(labels, float(of.is_ejected)) for labels, of in addresses]
    return [
        *metric(f"{name}_connections", "gauge", "Connections by state.", states),
        *counter("connect_attempts", "Attempts to connect.", lambda of: of.connect_attempts),
        *counter("connect_failures", "Attempts to connect that failed.", lambda of: of.connect_failures),
        *counter("ejections", "How often an address was left out because calls failed.", lambda of: of.ejections),
        *metric(f"{name}_address_ejected", "gauge", "Whether an address is left out now: 1 or 0.", ejected),
    ]


def _of_calls(name: str, unit: str, what: str, calls: _Calls) -> list[str]:
    """What servers and channels have in common, by method."""

    def counter(suffix: str, text: str, read: Callable[[CallStats], int]) -> list[str]:
        return metric(f"{name}_{suffix}_total", "counter", text, [(labels, read(of)) for labels, of in calls])

    codes = [
        (f'{labels},code="{code.name}"', float(of.ended.get(code, 0)))
        for labels, of in calls
        for code in sorted({StatusCode.OK, *of.ended})
    ]
    in_flight = [(labels, float(of.in_flight)) for labels, of in calls]
    what = what.capitalize()
    return [
        *counter(f"{unit}s_started", f"{what} that have begun.", lambda of: of.started),
        *metric(f"{name}_{unit}s_total", "counter", f"{what} that have ended, by code.", codes),
        *metric(f"{name}_{unit}s_in_flight", "gauge", f"{what} that have not ended.", in_flight),
        *_histogram(f"{name}_{unit}_duration_seconds", f"{what} that have ended, by how long they took.", calls),
        *counter("sent_messages", "Messages that were sent.", lambda of: of.sent_messages),
        *counter("received_messages", "Messages that were received.", lambda of: of.received_messages),
        *counter("sent_bytes", "Bytes of messages that were sent, without framing.", lambda of: of.sent_bytes),
        *counter(
            "received_bytes", "Bytes of messages that were received, without framing.", lambda of: of.received_bytes
        ),
    ]


def _histogram(name: str, text: str, calls: _Calls) -> list[str]:
    added: dict[_Labels, LatencyHistogram] = {}
    for labels, of in calls:
        added[labels] = added[labels] + of.latency if labels in added else of.latency
    lines: list[str] = []
    for labels, latency in added.items():
        up_to = list(accumulate(latency.counts))
        lines += [f'{name}_bucket{{{labels},le="{bound}"}} {up_to[index]}\n' for index, bound in _SHOWN]
        lines += [
            f'{name}_bucket{{{labels},le="+Inf"}} {up_to[-1]}\n',
            f"{name}_sum{{{labels}}} {latency.sum_s}\n",
            f"{name}_count{{{labels}}} {up_to[-1]}\n",
        ]
    return _head(name, "histogram", text, lines)


def _head(name: str, kind: str, text: str, lines: list[str]) -> list[str]:
    return [f"# HELP {name} {text}\n# TYPE {name} {kind}\n", *lines] if lines else []


def _method(path: str) -> _Labels:
    service, _, method = path.removeprefix("/").rpartition("/")
    return _labels(service=service, method=method)


def _labels(**values: str) -> _Labels:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())


def _series(name: str, labels: _Labels) -> str:
    return f"{name}{{{labels}}}" if labels else name
