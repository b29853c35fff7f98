"""How each field of a message goes to protobuf's object and back, read off the class and protobuf's descriptor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

__all__ = ["FieldTable", "chosen", "enter"]

_Convert: TypeAlias = Callable[[Any], Any]

_Choices: TypeAlias = tuple[tuple[type[Any], str, _Convert], ...]
"""The class of each choice of a oneof, its name in protobuf, and what makes protobuf's value of its own."""

_OPTIONAL: Final = (Union, UnionType)


@dataclass(frozen=True, slots=True)
class FieldTable:
    """The fields of a message by what has to be done with them; each has its name here, and most one in protobuf."""

    assigned: list[tuple[str, str, object]] = field(default_factory=list)
    """Single values that are no messages, with the default: to set these one by one costs less than to pass them."""
    entered: list[tuple[str, str]] = field(default_factory=list)
    """Maps whose values are no messages."""
    passed: list[tuple[str, str, _Convert]] = field(default_factory=list)
    """What else is passed to protobuf's class: what can be absent, lists, whatever holds messages."""
    oneofs: list[tuple[str, _Choices]] = field(default_factory=list)
    taken: list[_Convert] = field(default_factory=list)
    """What makes each attribute of protobuf's object, in the order of the class."""

    @staticmethod
    def of(kind: type[Any], descriptor: Descriptor) -> FieldTable:
        """The table of a message class, whose fields are in the order of the descriptor, a oneof where its first is."""
        table = FieldTable()
        for own, (name, choices) in zip(msgspec.structs.fields(kind), _names(descriptor), strict=True):
            if choices:
                table._add_oneof(own, name, choices)
            else:
                table._add(own, name)
        return table

    def _add(self, own: msgspec.structs.FieldInfo, name: str) -> None:
        origin = get_origin(own.type)
        inner = [part for part in get_args(own.type) if part is not NoneType]
        give, take = _converters(inner[-1] if inner else own.type)
        if origin is list:
            self.passed.append((own.name, name, _as_list if give is None else _each(give)))
            self.taken.append(_list_taker(name, take))
        elif origin is dict:
            if give is None:
                self.entered.append((own.name, name))
            else:
                self.passed.append((own.name, name, _each_entry(give)))
            self.taken.append(_dict_taker(name, take))
        elif origin in _OPTIONAL:
            self.passed.append((own.name, name, _same if give is None else _if_set(give)))
            self.taken.append(_optional_taker(name, take))
        else:
            self.assigned.append((own.name, name, own.default))
            self.taken.append(attrgetter(name) if take is None else _taker(name, take))

    def _add_oneof(self, own: msgspec.structs.FieldInfo, name: str, names: list[str]) -> None:
        kinds = [part for part in get_args(own.type) if part is not NoneType]
        choices, takers = [], {}
        for kind, choice in zip(kinds, names, strict=True):
            (value,) = msgspec.structs.fields(kind)
            give, take = _converters(value.type)
            choices.append((kind, choice, give or _same))
            takers[choice] = kind, take or _same
        self.oneofs.append((own.name, tuple(choices)))
        self.taken.append(_choice_taker(name, takers))


def chosen(value: object, choices: _Choices) -> tuple[str, _Convert]:
    """The name in protobuf of the choice that a value is, and what makes protobuf's value of it."""
    for kind, name, give in choices:
        if isinstance(value, kind):
            return name, give
    raise TypeError("none of the choices")


def enter(entries: Any, given: object) -> None:
    """Fills a map of protobuf's."""
    if not isinstance(given, dict):
        raise TypeError("expected a dict")
    for key, item in given.items():
        entries[key] = item


class _Members(dict[int, IntEnum]):
    """The members of an enum by number; a number without a name makes a member of its own."""

    def __init__(self, kind: type[IntEnum]) -> None:
        super().__init__({int(member): member for member in kind})
        self._kind = kind

    def __missing__(self, number: int) -> IntEnum:
        return self._kind(number)


def _names(descriptor: Descriptor) -> Iterable[tuple[str, list[str]]]:
    """Each field, and each oneof with the names of its choices."""
    own = DescriptorProto()
    descriptor.CopyToProto(own)
    names: dict[str, list[str]] = {}
    for each in own.field:
        if each.HasField("oneof_index") and not each.proto3_optional:
            names.setdefault(own.oneof_decl[each.oneof_index].name, []).append(each.name)
        else:
            names[each.name] = []
    return names.items()


def _converters(kind: Any) -> tuple[_Convert | None, _Convert | None]:
    """What makes protobuf's value of ours, and ours of protobuf's; None where they are the same."""
    registration = getattr(kind, "__registration__", None)  # which every message has, and no scalar
    if registration is not None:
        bridge = registration.bridge
        return bridge.to_proto, bridge.from_proto
    return None, _Members(kind).__getitem__ if issubclass(kind, IntEnum) else None


def _same(value: Any) -> Any:
    return value


def _as_list(value: object) -> object:
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return value


def _each(give: _Convert) -> _Convert:
    return lambda items: [give(item) for item in items]


def _each_entry(give: _Convert) -> _Convert:
    return lambda entries: {key: give(item) for key, item in entries.items()}


def _if_set(give: _Convert) -> _Convert:
    return lambda value: None if value is None else give(value)


def _taker(name: str, take: _Convert) -> _Convert:
    get = attrgetter(name)
    return lambda proto: take(get(proto))


def _optional_taker(name: str, take: _Convert | None) -> _Convert:
    get = _taker(name, take or _same)
    return lambda proto: get(proto) if proto.HasField(name) else None


def _list_taker(name: str, take: _Convert | None) -> _Convert:
    get = attrgetter(name)
    if take is None:
        return lambda proto: list(get(proto))
    return lambda proto: [take(item) for item in get(proto)]


def _dict_taker(name: str, take: _Convert | None) -> _Convert:
    get = attrgetter(name)
    if take is None:
        return lambda proto: _as_dict(get(proto))
    return lambda proto: {key: take(item) for key, item in get(proto).items()}


def _as_dict(entries: Any) -> dict[Any, Any]:
    # By key, because that is C code of protobuf's; what dict() and items() would call is not.
    made = {}
    for key in entries:
        made[key] = entries[key]
    return made


def _choice_taker(name: str, takers: dict[str, tuple[type[Any], _Convert]]) -> _Convert:
    def take(proto: Any) -> object:
        choice = proto.WhichOneof(name)
        if choice is None:
            return None
        kind, convert = takers[choice]
        return kind(convert(getattr(proto, choice)))

    return take
