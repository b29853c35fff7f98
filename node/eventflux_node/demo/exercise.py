"""One wire put to work: readings published over it, received by subscribers, and compared one by one."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from eventflux_node.demo.collector import END_TYPE, Collector
from eventflux_node.demo.dataset import Reading, message_of
from eventflux_node.failure import first_failure
from eventflux_node.header import STREAM_HEADER
from eventflux_node.publisher import publish
from eventflux_runtime import RpcError, connect
from eventflux_transport import EventFilter, Message, MessageType, TransportClient

__all__ = ["WireReport", "exercise"]

CALLS: Final = 1000
"""Readings sent by a call each, one at a time, to time a call; the others are streamed, to count events per second."""

_LIMIT_S: Final = 120.0


@dataclass(slots=True)
class WireReport:
    """What one wire did."""

    wire: str
    events: int = 0
    """Events that the subscriber of all of them received."""
    events_per_second: float = 0.0
    """Of those streamed, from the first one sent to the last one received."""
    p50_us: float = 0.0
    """Of a call that sends one event and gets its acknowledgment."""
    p99_us: float = 0.0
    received: list[Message] = field(default_factory=list[Message])
    """Those events, in the order in which they came."""
    faults: list[str] = field(default_factory=list[str])
    """What was not as it should be; empty: everything was."""


async def exercise(wire: str, url: str, data: Sequence[Reading]) -> WireReport:
    """Publishes every reading over one wire and checks what its subscribers receive."""
    report = WireReport(wire)
    stream = f"seattle-temps/{wire}"
    sent = [message_of(reading, stream) for reading in data]
    everything = Collector(f"{wire} subscriber of everything", EventFilter(stream_names=[stream]))
    half = len(data) // 2
    calls = min(CALLS, half)
    checkpoints = Collector(
        f"{wire} subscriber of the second half's checkpoints",
        EventFilter(
            stream_names=[stream],
            message_types=[MessageType.CHECKPOINT, END_TYPE],
            start_timestamp=data[half].timestamp,
        ),
    )
    started = time.perf_counter()
    try:
        with anyio.fail_after(_LIMIT_S):
            async with anyio.create_task_group() as subscribers, connect(url) as channel:
                for collector in (everything, checkpoints):
                    await subscribers.start(collector.run, url)
                client = TransportClient(channel)
                report.p50_us, report.p99_us = await _timed_calls(client, sent[:calls])
                started = time.perf_counter()
                await publish(client, _each(sent[calls:]))
                await client.send_message(_end(stream, data[-1]))
            report.events_per_second = len(sent[calls:]) / (everything.last_arrival - started)
    except* TimeoutError:
        report.faults.append(f"{wire} was not done within {_LIMIT_S:.0f} s")
    except* RpcError as errors:
        report.faults.append(f"{wire}: {first_failure(errors)}")
    report.received = everything.received
    report.events = len(everything.received)
    report.faults += everything.faults(sent) + checkpoints.faults(sent)
    return report


async def _timed_calls(client: TransportClient, messages: Sequence[Message]) -> tuple[float, float]:
    """Sends each message by a call of its own; the median and 99th percentile of a call in microseconds."""
    microseconds: list[float] = []
    for message in messages:
        started = time.perf_counter_ns()
        await client.send_message(message)
        microseconds.append((time.perf_counter_ns() - started) / 1000)
    percentiles = statistics.quantiles(microseconds, n=100, method="inclusive")
    return percentiles[49], percentiles[98]


async def _each(messages: Sequence[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


def _end(stream: str, last: Reading) -> Message:
    # Its time is that of the last reading, so that filters by time let it through as well.
    made = Message.event(b"").with_header(STREAM_HEADER, stream)
    made.message_type = END_TYPE
    made.timestamp = last.timestamp
    return made
