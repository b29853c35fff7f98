"""The line of a call: its text, its fields, its level, and how many there may be.

Invariant: a line that is left out is counted, and the next one of its level says how many were.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from time import monotonic
from typing import Annotated, Any, Final, TypeAlias

from eventflux_runtime.rpc.call_observer import CallEnd, CallObserver
from eventflux_runtime.rpc.checked import MAX_COUNT, Limits, checked_value, shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rate_limit import RateLimit
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.rpc.status_part import escaped

__all__ = ["AccessLog", "CallLine", "usual_level"]

LOGGER: Final = "eventflux_runtime.access"
LINES_PER_S: Final = 100.0
"""Lines of one level a second by default, and as many at once."""

_LEVELS: Final = {
    StatusCode.UNKNOWN: logging.ERROR,
    StatusCode.INTERNAL: logging.ERROR,
    StatusCode.DATA_LOSS: logging.ERROR,
    StatusCode.DEADLINE_EXCEEDED: logging.WARNING,
    StatusCode.RESOURCE_EXHAUSTED: logging.WARNING,
    StatusCode.UNAVAILABLE: logging.WARNING,
    StatusCode.UNIMPLEMENTED: logging.WARNING,
}
_Rate: TypeAlias = Annotated[float, Limits(0, MAX_COUNT, is_open=True)] | None


def usual_level(end: CallEnd) -> int:
    """ERROR for what only a fault of a program ends with, WARNING for overload and failures around it, else INFO."""
    return _LEVELS.get(end.status.code, logging.INFO)


class _Level:
    """The lines of one level."""

    def __init__(self, lines_per_s: float, now: float) -> None:
        self.limit: Final = RateLimit(max(lines_per_s, 1.0), lines_per_s, now)
        self.left_out = 0


class AccessLog:
    """What the interceptors of both sides have in common."""

    def __init__(
        self,
        *,
        logger: logging.Logger | str = LOGGER,
        max_lines_per_s: float | None = LINES_PER_S,
        level_of: Callable[[CallEnd], int] = usual_level,
        only: Callable[[AnyMethod], bool] | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """An interceptor, for one channel or server or for several.

        Args:
            logger: where the lines go, or its name.
            max_lines_per_s: of each level, and as many at once; those beyond are counted. None: all calls are logged.
            level_of: the level of a call's line, one of `logging`'s.
            only: says of a method whether its calls are logged; None: all are.
            now: the clock for the rate, in seconds.

        Raises:
            ConfigError: an argument is not what it should be.
        """
        if not isinstance(logger, logging.Logger | str):
            raise ConfigError(f"logger must be a logging.Logger or its name, not {shown(logger)}")
        checked_value("max_lines_per_s", max_lines_per_s, _Rate)
        for name, value in (("level_of", level_of), ("now", now), ("only", only)):
            if value is not None and not callable(value):
                raise ConfigError(f"{name} must be a function, not {shown(value)}")
        self.left_out = 0
        """Lines that were left out so far."""
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._lines_per_s = math.inf if max_lines_per_s is None else float(max_lines_per_s)
        self._level_of = level_of
        self._only = only
        self._now = now
        self._levels: dict[int, _Level] = {}

    def wants(self, method: AnyMethod) -> bool:
        """Whether the calls of a method are logged."""
        return self._only is None or self._only(method)

    def write(self, text: str, fields: dict[str, Any], end: CallEnd) -> None:
        """Logs a line, or counts it as left out."""
        level = self._level_of(end)
        if not self._logger.isEnabledFor(level):
            return
        if self._lines_per_s < math.inf:
            now = self._now()
            known = self._levels.get(level)
            if known is None:
                known = self._levels[level] = _Level(self._lines_per_s, now)
            if not known.limit.allows(now):
                known.left_out += 1
                self.left_out += 1
                return
            if known.left_out:
                fields["left_out"] = known.left_out
                text += f" ({known.left_out} lines before this one were left out)"
                known.left_out = 0
        self._logger.log(level, "%s", text, extra=fields)


class CallLine(CallObserver):
    """The observer of one call, which writes its line when it ends."""

    def __init__(self, log: AccessLog, method: AnyMethod, *, is_client: bool) -> None:
        self._log = log
        self._path = method.path
        self._is_client = is_client

    def on_end(self, end: CallEnd) -> None:
        """See `CallObserver.on_end`."""
        self._log.write(self._text(end), self._fields(end), end)

    def _text(self, end: CallEnd) -> str:
        sent = f"sent {end.sent_messages} ({end.sent_bytes} B)"
        received = f"received {end.received_messages} ({end.received_bytes} B)"
        parts = [sent, received] if self._is_client else [received, sent]
        if self._is_client and end.attempts != 1:
            parts.append(f"{end.attempts} attempts")
        if end.cancel_cause is not None:
            parts.append(f"cut short: {end.cancel_cause.value}")
        message = f": {escaped(end.status.message)}" if end.status.message else ""
        where = self._where(end) or "-"
        took = f"{end.duration_s * 1000:.3f} ms"
        return f"{where} {self._path} {end.status.code.name} {took}, {', '.join(parts)}{message}"

    def _where(self, end: CallEnd) -> str | None:
        if self._is_client:
            return end.endpoint
        return end.peer.address if end.peer is not None else None

    def _fields(self, end: CallEnd) -> dict[str, Any]:
        """The same as attributes of the record, for a formatter that makes JSON of them."""
        fields: dict[str, Any] = {
            "side": "client" if self._is_client else "server",
            "method": self._path,
            "code": end.status.code.name,
            "duration_s": end.duration_s,
            "sent_messages": end.sent_messages,
            "sent_bytes": end.sent_bytes,
            "received_messages": end.received_messages,
            "received_bytes": end.received_bytes,
            "endpoint": end.endpoint,
        }
        if self._is_client:
            fields["attempts"] = end.attempts
        elif end.peer is not None:
            fields["peer"] = end.peer.address
            if end.peer.identity is not None:
                fields["peer_subject"] = end.peer.identity.subject
        if end.cancel_cause is not None:
            fields["cancel_cause"] = end.cancel_cause.value
        return fields
