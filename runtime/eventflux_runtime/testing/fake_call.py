"""A call that was never made: what a test gives a handler or an interceptor in the place of a server's."""

from __future__ import annotations

from typing import Final

import anyio

from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.deadline import checked_timeout
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer

__all__ = ["FakeCall"]


class FakeCall:
    """Has a `context` to call a handler with, and keeps what the handler did to it.

    ``call = FakeCall(metadata={"user": "ada"})``, then ``await Greeter().say_hello(request, call.context)``. Trailers
    and state are in the context, as `Context.trailers` and `Context.state`; an interceptor's answer is in `answered`.
    What goes wrong in a handler is raised as it is: no status is made of it.
    """

    def __init__(
        self,
        method: AnyMethod | None = None,
        *,
        metadata: MetadataLike | None = None,
        timeout_s: float | None = None,
        peer: Peer | None = None,
        protocol: str = "native",
        cancel_cause: CancelCause | None = None,
    ) -> None:
        """A call that has come in.

        Args:
            method: one of a generated package's ``methods``; only code that asks for it needs it.
            metadata: what the client sent.
            timeout_s: seconds until its deadline, on the clock of the event loop that runs; None: it has none.
            peer: who calls; None: ``memory://fake``, without a certificate.
            protocol: what the client speaks; see `Context.protocol`.
            cancel_cause: why it was cut short; it may be set later, as the attribute.

        Raises:
            ConfigError: an argument is not what it should be, or `timeout_s` is given where no event loop runs.
        """
        self.cancel_cause: CancelCause | None = cancel_cause
        """What `Context.cancel_cause` says."""
        self.initial_metadata: Metadata | None = None
        """What the handler sent ahead of its first response; None: nothing yet."""
        self._method = method
        self._metadata: Final = Metadata.of(metadata)
        self._deadline: Final = _deadline_in(timeout_s)
        self._peer: Final = peer if peer is not None else Peer("memory://fake")
        self._protocol: Final = protocol
        self.context: Final = Context(self)
        """For the handler or the interceptor."""

    @property
    def answered(self) -> tuple[object, ...] | None:
        """The responses that an interceptor gave by `Context.answer`; None: it gave none."""
        return self.context.answered

    @property
    def method(self) -> AnyMethod:
        """See `Context.method`. Raises ConfigError where the call was made without one."""
        if self._method is None:
            raise ConfigError("this fake call has no method: make it as FakeCall(methods.…), of a generated package")
        return self._method

    @property
    def metadata(self) -> Metadata:
        """See `Context.metadata`."""
        return self._metadata

    @property
    def deadline(self) -> float | None:
        """See `Context.deadline`."""
        return self._deadline

    @property
    def peer(self) -> Peer:
        """See `Context.peer`."""
        return self._peer

    @property
    def endpoint(self) -> None:
        """It came in nowhere."""
        return

    @property
    def protocol(self) -> str:
        """See `Context.protocol`."""
        return self._protocol

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Keeps the metadata. Raises ConfigError the second time."""
        if self.initial_metadata is not None:
            raise ConfigError("initial metadata is sent at most once")
        self.initial_metadata = metadata


def _deadline_in(timeout_s: float | None) -> float | None:
    seconds = checked_timeout(timeout_s) if timeout_s is not None else None
    if seconds is None:
        return None
    try:
        return anyio.current_time() + seconds
    except RuntimeError:  # anyio's own, NoEventLoopError, is one
        raise ConfigError("a deadline is a time of an event loop: make the call within an async function") from None
