"""Every exception this package raises on purpose, all under `TransportError`."""

from __future__ import annotations

from typing import Any

__all__ = ["CodecError", "ConfigError", "MissingExtraError", "ProtocolError", "TransportError"]


class TransportError(Exception):
    """The base of every error of this package. All of them can be copied and pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would call the class with `args`, which are not what most of these classes are made with.
        return _restored, (type(self), self.args, self.__dict__.copy())


class ConfigError(TransportError):
    """What the program asked for cannot be: a bad URL, option, or combination. Raised before any I/O."""


class MissingExtraError(ConfigError):
    """A feature needs a package that the base install leaves out; the message names the command that adds it."""

    def __init__(self, feature: str, extra: str, *, package: str = "") -> None:
        """Names the extra, or the one `package` of it that is not there."""
        what, name = (package, package) if package else ("an extra", f"'eventflux-transport[{extra}]'")
        super().__init__(f"{feature} needs {what}: run pip install {name}")
        self.feature = feature
        self.extra = extra


class CodecError(TransportError):
    """Bytes that are not a message of the expected layout, or a value that the layout cannot carry.

    Attributes:
        field: the field at fault, as ``Message.field``; empty where no single field is.
        offset: the position in the input in bytes when decoding; -1 when encoding.
    """

    def __init__(self, message: str, *, field: str = "", offset: int = -1) -> None:
        super().__init__(message)
        self.field = field
        self.offset = offset


class ProtocolError(TransportError):
    """The peer broke the wire protocol. The connection cannot go on; other connections are untouched."""


def _restored(kind: type[TransportError], args: tuple[Any, ...], attributes: dict[str, Any]) -> TransportError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error
