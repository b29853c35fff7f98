"""What does not fit into proto3's JSON mapping, and where it stands."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.message.redaction import REDACTED
from eventflux_runtime.message.refusal import shown
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["Misfit"]


class Misfit(ValueError):
    """A value that has no place in a message or no JSON.

    Its path is put together while the error leaves one field after the other, so that nobody pays for it before.
    """

    def __init__(self, reason: str, found: object = None, *, is_shown: bool = True, redacted: str = "") -> None:
        """A misfit for a reason.

        Args:
            reason: why it does not fit.
            found: what was found instead.
            is_shown: whether that is told.
            redacted: the reason without what was found, if it names that itself.
        """
        super().__init__(reason)
        self._reason = reason
        self._redacted: Final = redacted or reason
        self._found = f"; found {shown(found)}" if is_shown else ""
        self._steps: list[str] = []

    @staticmethod
    def of(expected: str, found: object) -> Misfit:
        """Something else was expected."""
        return Misfit(f"expected {expected}", found)

    def within(self, step: str) -> Misfit:
        """The same, seen from one level above: ``.field``, ``[3]`` or ``["key"]``."""
        self._steps.append(step)
        return self

    def redact(self) -> None:
        """Hides what was found, and where in a value that is not shown."""
        self._steps.clear()
        self._reason = self._redacted
        if self._found:
            self._found = f"; found {REDACTED}"

    def error(self, name: str) -> CodecError:
        """The error of a message class of that name."""
        path = name + "".join(reversed(self._steps))
        return CodecError(f"{path}: {self._reason}{self._found}", field=path)
