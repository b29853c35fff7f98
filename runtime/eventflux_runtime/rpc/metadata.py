"""Call metadata with gRPC's semantics: ordered pairs, lower-case keys, ``-bin`` keys carry bytes.

The rules are those of "Custom-Metadata" in https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["EMPTY_METADATA", "RETRY_KEYS", "Metadata", "MetadataLike", "MetadataValue"]

MetadataValue: TypeAlias = str | bytes
"""Text for ordinary keys, bytes for keys that end in ``-bin``."""

_KEY: Final = re.compile(r"[0-9a-z_.\-]+")
_TEXT: Final = re.compile(r"[\x20-\x7e]*")
_RESERVED: Final = "grpc-"

RETRY_KEYS: Final = frozenset({"grpc-retry-pushback-ms", "grpc-previous-rpc-attempts"})
"""The keys of gRPC's own that applications see: a server's word on when to try again, a client's on how often it has.

https://github.com/grpc/proposal/blob/master/A6-client-retries.md
"""


class Metadata:
    """An immutable, ordered list of key and value pairs in which a key may stand more than once.

    Keys are case-insensitive and kept in lower case. A key that ends in ``-bin`` has a ``bytes`` value; every
    other has printable ASCII text. Leading and trailing spaces of text are stripped, because HTTP/2 does not keep them.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, MetadataValue]] = ()) -> None:
        self._pairs: tuple[tuple[str, MetadataValue], ...] = tuple(_checked(*_pair(pair)) for pair in pairs)

    @classmethod
    def of(cls, source: MetadataLike | None) -> Metadata:
        """Metadata from a mapping, pairs, or other metadata.

        Raises:
            ConfigError: a key or a value breaks the rules above, or the key is reserved (``grpc-``).
        """
        if source is None:
            return EMPTY_METADATA
        if isinstance(source, Metadata):
            return source
        if isinstance(source, Mapping):
            return cls(source.items())
        given: object = source
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise ConfigError(f"metadata must be a mapping, or pairs of key and value, not {type(given).__name__}")
        return cls(source)

    @classmethod
    def from_trusted(cls, pairs: tuple[tuple[str, MetadataValue], ...]) -> Metadata:
        """Metadata from pairs that a wire decoder has checked already."""
        made = cls.__new__(cls)
        made._pairs = pairs
        return made

    @property
    def pairs(self) -> tuple[tuple[str, MetadataValue], ...]:
        """All pairs in their order."""
        return self._pairs

    def get(self, key: str, default: MetadataValue | None = None) -> MetadataValue | None:
        """The last value of a key, as gRPC's implementations return it, or `default`."""
        wanted = key.lower()
        for name, value in reversed(self._pairs):
            if name == wanted:
                return value
        return default

    def get_all(self, key: str) -> tuple[MetadataValue, ...]:
        """Every value of a key, in order."""
        wanted = key.lower()
        return tuple(value for name, value in self._pairs if name == wanted)

    def __getitem__(self, key: str) -> MetadataValue:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[tuple[str, MetadataValue]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def __or__(self, other: Metadata) -> Metadata:
        """Both, the other's pairs after ours."""
        if not other._pairs:
            return self
        return Metadata.from_trusted(self._pairs + other._pairs) if self._pairs else other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metadata) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Metadata({list(self._pairs)!r})"


MetadataLike: TypeAlias = Metadata | Mapping[str, MetadataValue] | Sequence[tuple[str, MetadataValue]]
"""What a call takes as metadata; a sequence, not any iterable, so that mypy infers literals of text and bytes."""


def _pair(pair: object) -> tuple[Any, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ConfigError(f"metadata must be pairs of key and value, not {pair!r}")
    key, value = pair
    return key, value


def _checked(key: str, value: MetadataValue) -> tuple[str, MetadataValue]:
    if not isinstance(key, str):
        raise ConfigError(f"metadata key {key!r} must be text, not {type(key).__name__}")
    name = key.lower()
    if not _KEY.fullmatch(name):
        raise ConfigError(f"metadata key {key!r} is not valid: use letters, digits, '-', '_' and '.'")
    if name.startswith(_RESERVED) and name not in RETRY_KEYS:
        raise ConfigError(f"metadata key {key!r} is reserved: keys that start with 'grpc-' belong to gRPC itself")
    if name.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ConfigError(
                f"metadata key {key!r} ends in '-bin', so its value must be bytes, not {type(value).__name__}"
            )
        return name, value
    if not isinstance(value, str):
        raise ConfigError(
            f"metadata key {key!r} takes text, not {type(value).__name__}: end the key in '-bin' to send bytes"
        )
    if not _TEXT.fullmatch(value):
        raise ConfigError(f"metadata value of {key!r} is not printable ASCII: end the key in '-bin' and send bytes")
    return name, value.strip(" ")


EMPTY_METADATA: Final = Metadata()
