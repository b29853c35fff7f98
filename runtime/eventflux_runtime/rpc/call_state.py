"""What interceptors and a handler keep for the time of one call, by keys that know the type of their values."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast, final, overload

__all__ = ["CallState", "StateKey"]

T = TypeVar("T")
D = TypeVar("D")


@final
class StateKey(Generic[T]):
    """Names a value of the type `T`; made once, as ``USER = StateKey[User]("user")``. Each key is one of its own."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        """For errors; two keys may have the same."""

    def __repr__(self) -> str:
        return f"StateKey({self.name!r})"


@final
class CallState:
    """The values of one call."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[StateKey[Any], Any] = {}

    def __getitem__(self, key: StateKey[T]) -> T:
        """The value of a key.

        Raises:
            KeyError: the call has none.
        """
        try:
            return cast("T", self._values[key])
        except KeyError:
            raise KeyError(f"this call has no {key!r}: nobody has set it, or only behind this point") from None

    def __setitem__(self, key: StateKey[T], value: T) -> None:
        self._values[key] = value

    def __delitem__(self, key: StateKey[Any]) -> None:
        self[key]
        del self._values[key]

    def __contains__(self, key: StateKey[Any]) -> bool:
        return key in self._values

    @overload
    def get(self, key: StateKey[T]) -> T | None: ...
    @overload
    def get(self, key: StateKey[T], default: D) -> T | D: ...
    def get(self, key: StateKey[Any], default: Any = None) -> Any:
        """The value of a key, or `default`."""
        return self._values.get(key, default)

    def __repr__(self) -> str:
        names = ", ".join(key.name for key in self._values)
        return f"<CallState {names or 'empty'}>"
