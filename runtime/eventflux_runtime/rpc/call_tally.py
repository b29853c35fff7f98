"""Counters of the calls of one method, kept while they run and read when somebody asks.

Invariants: each call, or attempt of one, is counted by `begun` once and by `ended` once; a book holds at most
`MAX_METHODS` tallies beside that of `OTHERS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

__all__ = ["CallTally", "TallyBook"]

MAX_METHODS: Final = 1024
"""Methods with counters of their own: more than a program has, unless it makes them as it goes."""
OTHERS: Final = "(others)"
"""Stands for all methods beyond those."""

_FIRST_S: Final = 1e-5
_DECADES: Final = 7
_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
_STEP_COUNT: Final = 6
LATENCY_BOUNDS_S: Final = (
    *[float(f"{step}e{exponent}") for exponent in range(-5, -5 + _DECADES) for step in _STEPS],
    100.0,
)
"""The upper bounds of the buckets, in seconds; one more bucket takes what is longer."""
_BUCKETS: Final = 44
_CODES: Final = 17
"""Codes of gRPC."""


@final
class CallTally:
    """What became of the calls of one method, at one address or at one server."""

    __slots__ = (
        "begun_calls",
        "buckets",
        "codes",
        "received_bytes",
        "received_messages",
        "retries",
        "seconds",
        "sent_bytes",
        "sent_messages",
    )

    def __init__(self) -> None:
        self.begun_calls: int = 0
        self.retries: int = 0
        """Of `begun_calls`, those that repeat a call."""
        self.codes: list[int] = [0] * _CODES
        self.buckets: list[int] = [0] * _BUCKETS
        self.seconds: float = 0.0
        self.sent_messages: int = 0
        self.sent_bytes: int = 0
        self.received_messages: int = 0
        self.received_bytes: int = 0

    def begun(self) -> None:
        """A call began."""
        self.begun_calls += 1

    def ended(self, code: int, seconds: float) -> None:
        """A call ended with a code, so long after it began."""
        self.codes[code] += 1
        self.seconds += seconds
        self.buckets[_bucket_of(seconds)] += 1

    def sent(self, size: int) -> None:
        """A message of so many bytes went out."""
        self.sent_messages += 1
        self.sent_bytes += size

    def received(self, size: int) -> None:
        """A message of so many bytes was taken."""
        self.received_messages += 1
        self.received_bytes += size

    def add(self, other: CallTally) -> None:
        """Takes over what another one has counted; calls in flight there go on being its own."""
        self.begun_calls += sum(other.codes)
        self.retries += other.retries
        for index in range(_CODES):
            self.codes[index] += other.codes[index]
        for index in range(_BUCKETS):
            self.buckets[index] += other.buckets[index]
        self.seconds += other.seconds
        self.sent_messages += other.sent_messages
        self.sent_bytes += other.sent_bytes
        self.received_messages += other.received_messages
        self.received_bytes += other.received_bytes


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


def _bucket_of(seconds: float) -> int:
    """The index of the first bound that is not below a time; by comparing alone, which costs next to nothing compiled.

    A bound that arithmetic misses by its last digit does no harm here.
    """
    index = 0
    bound = _FIRST_S
    while seconds > bound * 10.0 and index < _STEP_COUNT * (_DECADES - 1):
        bound *= 10.0
        index += _STEP_COUNT
    if seconds <= bound:
        return index
    if seconds <= bound * 1.5:
        return index + 1
    if seconds <= bound * 2.0:
        return index + 2
    if seconds <= bound * 3.0:
        return index + 3
    if seconds <= bound * 5.0:
        return index + 4
    if seconds <= bound * 7.0:
        return index + 5
    return index + 6 if seconds <= bound * 10.0 else _BUCKETS - 1
