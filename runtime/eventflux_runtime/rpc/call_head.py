"""What goes ahead of a call's first message, as channel, interceptors and wires hand it on."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.rpc.call_observer import CallObserver, checked_observer
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

__all__ = ["CallHead", "ObservedHead", "ResponseInfo"]

_PLAIN: Final = Compression.NONE
_NEVER: Final = float("inf")


@final
class ResponseInfo:
    """What came with a response besides the message; pass one as ``response=`` to a call to have it filled in."""

    __slots__ = ("initial_metadata", "trailers")

    def __init__(self) -> None:
        self.initial_metadata: Metadata = EMPTY_METADATA
        self.trailers: Metadata = EMPTY_METADATA


@mypyc_attr(acyclic=True)
class CallHead:
    """What goes ahead of a call's first message. Not to be changed; an interceptor passes on another one.

    No class of others can be based on it.

    Attributes:
        metadata: sent ahead of the first request.
        deadline: absolute, on the loop's clock; None or infinity: no deadline. One already past fails the call before
            it is sent.
        compression: for the requests, where the peer knows it.
        response: filled in when the call ends, or when its parts arrive, if that is earlier.
    """

    __slots__ = ("compression", "deadline", "metadata", "response")

    def __init__(
        self,
        metadata: Metadata = EMPTY_METADATA,
        deadline: float | None = None,
        compression: Compression = _PLAIN,
        response: ResponseInfo | None = None,
    ) -> None:
        if deadline is not None and not deadline < _NEVER:
            _refuse_no_number(deadline)
            deadline = None
        self.metadata: Final = metadata
        self.deadline: Final = deadline
        self.compression: Final = compression
        self.response: Final = response

    def with_metadata(self, metadata: Metadata) -> CallHead:
        """The same with other metadata."""
        return CallHead(metadata, self.deadline, self.compression, self.response)

    def with_deadline(self, deadline: float | None) -> CallHead:
        """The same with another deadline."""
        return CallHead(self.metadata, deadline, self.compression, self.response)

    @property
    def observers(self) -> tuple[CallObserver, ...]:
        """Who is told of the calls that are made with this head, as `observed_by` has added them."""
        return ()

    def observed_by(self, observer: CallObserver) -> CallHead:
        """The same with one more observer, who sees what becomes of the ``proceed(head)`` that it is given to.

        Raises:
            ConfigError: it is no `CallObserver`.
        """
        added = (*self.observers, checked_observer(observer))
        return ObservedHead(self.metadata, self.deadline, self.compression, self.response, added)

    def __repr__(self) -> str:
        return f"CallHead(metadata={self.metadata!r}, deadline={self.deadline!r}, compression={self.compression!r})"


@final
class ObservedHead(CallHead):
    """A head with observers. These may refer to it, so unlike a plain head it is one that the collector knows."""

    __slots__ = ("_observers",)

    def __init__(
        self,
        metadata: Metadata,
        deadline: float | None,
        compression: Compression,
        response: ResponseInfo | None,
        observers: tuple[CallObserver, ...],
    ) -> None:
        super().__init__(metadata, deadline, compression, response)
        self._observers: Final = observers

    @property
    def observers(self) -> tuple[CallObserver, ...]:
        """See `CallHead.observers`."""
        return self._observers

    def with_metadata(self, metadata: Metadata) -> CallHead:
        """See `CallHead.with_metadata`."""
        return ObservedHead(metadata, self.deadline, self.compression, self.response, self._observers)

    def with_deadline(self, deadline: float | None) -> CallHead:
        """See `CallHead.with_deadline`."""
        return ObservedHead(self.metadata, deadline, self.compression, self.response, self._observers)


def _refuse_no_number(deadline: float) -> None:
    if deadline != _NEVER:
        raise ConfigError(f"the deadline of a call must be a time on the loop's clock or None, not {deadline}")
