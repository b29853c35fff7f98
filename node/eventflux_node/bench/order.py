"""What a bench run does: whom it calls, how many calls at a time, how long."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_runtime import Metadata

__all__ = ["BenchOrder"]

_NO_METADATA = Metadata()


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOrder:
    """A run, as the command line asks for it."""

    concurrency: int = 64
    """Calls in flight at most."""
    duration_s: float | None = None
    """Seconds in which calls are begun; None: until `count` of them."""
    count: int | None = None
    """Calls that are made; None: as many as `duration_s` has room for."""
    rate: float | None = None
    """Calls a second that are begun, whatever becomes of those before; None: the next begins when one has ended."""
    warm_up_s: float = 0.0
    """Seconds of calls ahead of all that, which do not count."""
    messages: int = 100
    """Requests of a call that streams them."""
    timeout_s: float | None = None
    """The deadline of each call; None: none."""
    metadata: Metadata = _NO_METADATA
    """Sent with each call."""
