"""What a served call knows of itself when somebody asks how it went."""

from __future__ import annotations

from typing import Protocol

from eventflux_runtime.rpc.status import Status

__all__ = ["CountedCall"]


class CountedCall(Protocol):
    """A call with its outcome and its counts, which grow while it runs."""

    @property
    def begun_at(self) -> float:
        """When it began, on the clock of durations, `time.perf_counter`."""

    @property
    def outcome(self) -> Status | None:
        """How it ended; None while it runs."""

    @property
    def sent_messages(self) -> int:
        """Responses that went out."""

    @property
    def sent_bytes(self) -> int:
        """Their bytes, as they travel."""

    @property
    def received_messages(self) -> int:
        """Requests that the handler has taken."""

    @property
    def received_bytes(self) -> int:
        """Their bytes, as they travelled."""
