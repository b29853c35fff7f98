"""What a run has seen so far, in a fixed amount of memory; it can be told at any time, also of a run broken off."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from eventflux_node.bench.histogram import Histogram
from eventflux_node.bench.raw import ReceivedBytes
from eventflux_runtime import RpcError, StatusCode

__all__ = ["Tally"]

_BATCH: Final = 256
"""Latencies that are counted at a time."""


class Tally:
    """Counts calls, latencies and failures. All times are `time.perf_counter_ns`.

    Invariants: `latencies` has every call that ended with OK but those in `_taken`, which are fewer than `_BATCH`.
    """

    def __init__(self, received: ReceivedBytes) -> None:
        self.latencies: Final = Histogram()
        self.failures: Final[Counter[StatusCode]] = Counter()
        self.examples: Final[dict[StatusCode, str]] = {}
        """The first failure of each code."""
        self.sent_messages = 0
        self.late = 0
        """Calls that began behind their time, because as many as may be were in flight."""
        self.unfinished = 0
        """Calls that were broken off at the end of the run."""
        self.in_flight = 0
        self.started_at = time.perf_counter_ns()
        self.ended_at = self.started_at
        """The end of the last call that counts, or of the run."""
        self._received = received
        self._received_before = (received.messages, received.total)
        self._cpu_before = time.thread_time()
        self._cpu = 0.0
        self._taken: list[int] = []

    def succeeded(self, nanoseconds: int) -> None:
        """A call ended with OK after so long."""
        taken = self._taken
        taken.append(nanoseconds)
        if len(taken) >= _BATCH:
            self._count()

    def failed(self, error: RpcError) -> None:
        """A call failed."""
        code = StatusCode(error.code)
        self.failures[code] += 1
        self.examples.setdefault(code, str(error))

    def stop(self, at: int) -> None:
        """The run is over; called once more, it changes nothing but the time."""
        self._count()
        self.ended_at = at
        self._cpu = time.thread_time() - self._cpu_before

    def _count(self) -> None:
        self.latencies.record_all(self._taken)
        self._taken.clear()

    @property
    def calls(self) -> int:
        """Calls that ended with OK."""
        return self.latencies.count + len(self._taken)

    @property
    def failed_calls(self) -> int:
        """Calls that ended otherwise."""
        return self.failures.total()

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return (self.ended_at - self.started_at) / 1e9

    def elapsed_s(self) -> float:
        """How long it has run by now."""
        return (time.perf_counter_ns() - self.started_at) / 1e9

    @property
    def received_messages(self) -> int:
        """Responses that came."""
        return self._received.messages - self._received_before[0]

    @property
    def received_bytes(self) -> int:
        """What they had as encoded messages."""
        return self._received.total - self._received_before[1]

    @property
    def own_load(self) -> float:
        """The part of a core that the event loop took: from about 1 on, it is what limits."""
        return self._cpu / self.seconds if self.seconds else 0.0
