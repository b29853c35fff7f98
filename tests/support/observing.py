"""An observer that keeps what it was told, and interceptors that attach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from eventflux_runtime import (
    AnyMethod,
    Attempt,
    CallEnd,
    CallHead,
    CallObserver,
    ClientProceed,
    Context,
    Status,
    StatusCode,
)

T = TypeVar("T")


class Seen(CallObserver):
    """Everything that one observer was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.attempts: list[Attempt] = []
        self.attempt_ends: list[tuple[int, StatusCode]] = []
        self.requests: list[Any] = []
        self.responses: list[Any] = []
        self.ends: list[CallEnd] = []
        self.ended = anyio.Event()

    @property
    def end(self) -> CallEnd:
        """How the one call ended."""
        (end,) = self.ends
        return end

    def on_attempt(self, attempt: Attempt) -> None:
        self.told.append("attempt")
        self.attempts.append(attempt)

    def on_attempt_end(self, attempt: Attempt, status: Status) -> None:
        self.told.append("attempt end")
        self.attempt_ends.append((attempt.number, status.code))

    def on_request(self, message: Any) -> None:
        self.told.append("request")
        self.requests.append(message)

    def on_response(self, message: Any) -> None:
        self.told.append("response")
        self.responses.append(message)

    def on_end(self, end: CallEnd) -> None:
        self.told.append("end")
        self.ends.append(end)
        self.ended.set()


class Watching:
    """Interceptor of either side: an observer for each call."""

    def __init__(self) -> None:
        self.calls: list[Seen] = []

    @property
    def seen(self) -> Seen:
        """The observer of the only call."""
        (seen,) = self.calls
        return seen

    def add(self) -> Seen:
        """One more."""
        self.calls.append(Seen())
        return self.calls[-1]


class WatchingClient(Watching):
    """A client's."""

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        return await proceed(head.observed_by(self.add()))


class WatchingServer(Watching):
    """A server's."""

    def __init__(self) -> None:
        super().__init__()
        self.began = anyio.Event()

    async def __call__(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        context.observe(self.add())
        self.began.set()
        await proceed()
