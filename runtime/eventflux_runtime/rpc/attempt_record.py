"""What a wire notes of one attempt of a client's call, for those who observe the call."""

from __future__ import annotations

from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.status import Status

__all__ = ["AttemptRecord"]


class AttemptRecord:
    """One attempt. Whoever wants to know at once what is noted overrides the methods.

    Invariant: `ended` comes at most once, and of a streaming call exactly once.
    """

    def __init__(self) -> None:
        self.sent_messages = 0
        self.sent_bytes = 0
        self.received_messages = 0
        self.received_bytes = 0
        self.cause: CancelCause | None = None
        """Why the attempt was cut short, if it was."""

    def sent(self, size: int) -> None:
        """A message of so many bytes is on its way."""
        self.sent_messages += 1
        self.sent_bytes += size

    def received(self, size: int) -> None:
        """The program takes a message of so many bytes."""
        self.received_messages += 1
        self.received_bytes += size

    def ended(self, status: Status, *, is_over: bool) -> None:
        """A streaming call has ended.

        Args:
            status: how.
            is_over: whether nothing of it waits to be received.
        """
