"""Counters of the calls of one method, kept while they run and read when somebody asks.

Invariants: each call, or attempt of one, is counted once as begun, and once by `ended` or by `exchanged`; a book
holds at most `MAX_METHODS` tallies beside that of `OTHERS`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final, final

__all__ = ["CallTally", "TallyBook"]

MAX_METHODS: Final = 1024
"""Methods with counters of their own: more than a program has, unless it makes them as it goes."""
OTHERS: Final = "(others)"
"""Stands for all methods beyond those."""

_DECADES: Final = 7
_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
LATENCY_BOUNDS_S: Final = (
    *[float(f"{step}e{exponent}") for exponent in range(-5, -5 + _DECADES) for step in _STEPS],
    100.0,
)
"""The upper bounds of the buckets, in seconds; one more bucket takes what is longer."""
_BOUNDS: Final = (*LATENCY_BOUNDS_S, float("inf"))
_BUCKETS: Final = len(_BOUNDS)
_CODES: Final = 17
"""Codes of gRPC."""
_KEPT: Final = 256
"""Times that are put into buckets together, which costs much less than one by one. A power of two."""


@final
class CallTally:
    """What became of the calls of one method, at one address or at one server.

    `exchanges` are the calls of one request and one response that went well: they count in all figures at once.
    """

    __slots__ = (
        "_buckets",
        "_codes",
        "_received_messages",
        "_seconds",
        "_sent_messages",
        "_times",
        "begun_calls",
        "exchanges",
        "received_bytes",
        "retries",
        "sent_bytes",
    )

    def __init__(self) -> None:
        self.begun_calls: int = 0
        self.retries: int = 0
        """Of `begun_calls`, those that repeat a call."""
        self.exchanges: int = 0
        self.sent_bytes: int = 0
        self.received_bytes: int = 0
        self._codes: list[int] = [0] * _CODES
        self._buckets: list[int] = [0] * _BUCKETS
        self._seconds: float = 0.0
        self._times: list[float] = []
        self._sent_messages: int = 0
        self._received_messages: int = 0

    # -- counting; a call that begins adds 1 to `begun_calls`

    def exchanged(self, seconds: float, sent_bytes: int, received_bytes: int) -> None:
        """A call ended with OK that had one message each way."""
        self.exchanges += 1
        self.sent_bytes += sent_bytes
        self.received_bytes += received_bytes
        self._times.append(seconds)
        if not self.exchanges & (_KEPT - 1):
            self._sort_in()

    def ended(self, code: int, seconds: float) -> None:
        """Another call ended with a code, so long after it began. Its messages are counted apart."""
        self._codes[code] += 1
        self._times.append(seconds)
        if len(self._times) >= _KEPT:
            self._sort_in()

    def sent(self, size: int) -> None:
        """A message of so many bytes went out."""
        self._sent_messages += 1
        self.sent_bytes += size

    def received(self, size: int) -> None:
        """A message of so many bytes was taken."""
        self._received_messages += 1
        self.received_bytes += size

    def add_messages(self, sent: int, sent_bytes: int, received: int, received_bytes: int) -> None:
        """So many messages, and bytes of them."""
        self._sent_messages += sent
        self._received_messages += received
        self.sent_bytes += sent_bytes
        self.received_bytes += received_bytes

    def _sort_in(self) -> None:
        """Puts the times that are kept into their buckets."""
        times, self._times = self._times, []
        times.sort()
        self._seconds += sum(times)
        position = 0
        while position < len(times):
            index = bisect_left(_BOUNDS, times[position])
            end = bisect_right(times, _BOUNDS[index], position)
            self._buckets[index] += end - position
            position = end

    # -- reading

    @property
    def sent_messages(self) -> int:
        """Messages that went out."""
        return self._sent_messages + self.exchanges

    @property
    def received_messages(self) -> int:
        """Messages that were taken."""
        return self._received_messages + self.exchanges

    @property
    def seconds(self) -> float:
        """Of all calls that have ended."""
        self._sort_in()
        return self._seconds

    def codes(self) -> list[int]:
        """How many calls ended with each code."""
        codes = list(self._codes)
        codes[0] += self.exchanges
        return codes

    def buckets(self) -> list[int]:
        """How many calls took as long as each bucket says."""
        self._sort_in()
        return list(self._buckets)

    def add(self, other: CallTally) -> None:
        """Takes over what another one has counted; calls in flight there go on being its own."""
        self.begun_calls += sum(other.codes())
        self.retries += other.retries
        for index, count in enumerate(other.codes()):
            self._codes[index] += count
        for index, count in enumerate(other.buckets()):
            self._buckets[index] += count
        self._seconds += other.seconds
        self.add_messages(other.sent_messages, other.sent_bytes, other.received_messages, other.received_bytes)


@final
class TallyBook:
    """Tallies by the paths of methods."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[str, CallTally] = {}

    def of(self, path: str) -> CallTally:
        """The tally of a method; of one too many, that of all `OTHERS`."""
        tally = self._tallies.get(path)
        if tally is not None:
            return tally
        if len(self._tallies) >= MAX_METHODS and path != OTHERS:
            return self.of(OTHERS)
        tally = self._tallies[path] = CallTally()
        return tally

    def items(self) -> Iterable[tuple[str, CallTally]]:
        """Each method with its tally, in the order of their first calls."""
        return list(self._tallies.items())

    def add(self, other: TallyBook) -> None:
        """Takes over what another one has counted."""
        for path, tally in other.items():
            self.of(path).add(tally)
