"""What the codec of a generated package registers of each message class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from librt.strings import BytesWriter

from eventflux_runtime.loading.proto import load_proto
from eventflux_runtime.message.refusal import unknown_layout
from eventflux_runtime.message.sibling import module_of

if TYPE_CHECKING:
    from eventflux_runtime.message.bridge import Bridge
    from eventflux_runtime.message.json_table import JsonForm, JsonTable

__all__ = ["Registration", "register", "register_protobuf", "registered"]

T = TypeVar("T")

_Layout: TypeAlias = tuple[Callable[[T, BytesWriter], None], Callable[[bytes, int, int], T]]
"""What appends a message, and what reads the one in ``data[start:end]``."""


class Registration(Generic[T]):
    """The names of one message class, and the functions that turn its messages into bytes and back."""

    def __init__(self, kind: type[T], type_name: str, proto: str, layouts: Mapping[str, _Layout[T]]) -> None:
        self.kind: Final = kind
        self.type_name: Final = type_name
        self.proto: Final = proto
        self._layouts: Final = layouts
        self._protobuf: _Layout[T] | None = None
        self._json: JsonTable | JsonForm | None = None

    def layout(self, name: object) -> _Layout[T]:
        """The functions of a layout.

        Raises:
            CodecError: the message has no layout of that name.
        """
        layout = self._layouts.get(name) if isinstance(name, str) else None
        if layout is None:
            raise unknown_layout(name, self._layouts)
        return layout

    @property
    def protobuf(self) -> _Layout[T]:
        """The functions of protobuf's encoding, whose module is loaded when they are first used."""
        if self._protobuf is None:
            module = module_of(self.kind, "protobuf")
            import_module(module)
            assert self._protobuf is not None, f"{module} registers {self.kind.__name__}"
        return self._protobuf

    @protobuf.setter
    def protobuf(self, functions: _Layout[T]) -> None:
        self._protobuf = functions

    @property
    def json(self) -> JsonTable | JsonForm:
        """What JSON has for the messages; the module that says so is loaded when it is first used."""
        if self._json is None:
            module = module_of(self.kind, "json_fields")
            import_module(module)
            assert self._json is not None, f"{module} registers {self.kind.__name__}"
        return self._json

    @json.setter
    def json(self, table: JsonTable | JsonForm) -> None:
        self._json = table

    @cached_property
    def bridge(self) -> Bridge[T]:
        """The way to protobuf's own objects, which is loaded when it is first used.

        Raises:
            MissingExtraError: protobuf, or what else the class needs, is not installed.
            ConfigError: the class cannot be loaded beside what this process has.
        """
        from eventflux_runtime.message.bridge import Bridge  # noqa: PLC0415 - few programs need it

        package = self.kind.__module__.rpartition(".")[0]
        return Bridge(load_proto(self.proto, f"protobuf's objects of {package}"), *self.protobuf)


_REGISTERED: Final[dict[str, Registration[Any]]] = {}


def registered(type_name: str) -> Registration[Any] | None:
    """The registration of the message class with that protobuf name, or None if none of a loaded codec has it.

    Where several packages have a class for it, that is the first one.
    """
    return _REGISTERED.get(type_name)


def register(
    kind: type[T],
    type_name: str,
    proto: str,
    layouts: Mapping[str, tuple[Callable[[T, BytesWriter], None], Callable[[bytes, int, int], T]]],
) -> None:
    """Tells a message class how its messages become bytes.

    Args:
        kind: the class, a direct child of `Message`.
        type_name: its full protobuf name.
        proto: where protobuf's own class for it is, as ``package.module_pb2:Outer.Inner``.
        layouts: the functions of each layout by name, ``native`` first.
    """
    generated: Any = kind
    generated.__registration__ = Registration(kind, type_name, proto, layouts)
    _REGISTERED.setdefault(type_name, generated.__registration__)


def register_protobuf(
    kind: type[T], encode: Callable[[T, BytesWriter], None], decode: Callable[[bytes, int, int], T]
) -> None:
    """Tells a message class, which is registered already, what writes and what reads it in protobuf's encoding."""
    generated: Any = kind
    generated.__registration__.protobuf = encode, decode
