"""Which classes stand in which module: all in one, or, where there are many, those together that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.cycle import components
from eventflux_codegen.model import Enumeration, Lines, Message
from eventflux_codegen.shared import Imports, has_unset, imports_of, values_of

__all__ = ["MessageModule", "import_order", "split"]

_MOST_AT_ALL: Final = 100
"""How many messages and enums stand in one module alone; beyond that, a program that needs one would load too many."""
_MOST_TOGETHER: Final = 25
"""How many of them stand in each module then, but for those that need each other."""


@dataclass(frozen=True, slots=True)
class MessageModule:
    """One module of classes."""

    name: str
    enums: tuple[Enumeration, ...]
    messages: tuple[Message, ...]
    aliases: tuple[tuple[str, str], ...]
    imports: tuple[tuple[str, Lines], ...] = ()
    """Other such modules, and the classes that are needed of them, sorted."""
    foreign: Imports = ()
    """Modules of other packages, and the same of them."""

    @property
    def exports(self) -> Lines:
        """Every class, union and alias, sorted as the linter sorts imports."""
        oneofs = [field for message in self.messages for field in message.oneofs]
        names = [
            *(enum.name for enum in self.enums),
            *(message.name for message in self.messages),
            *(oneof.union for oneof in oneofs),
            *(variant.class_name for oneof in oneofs for variant in oneof.variants),
            *(alias for alias, _ in self.aliases),
        ]
        return tuple(sorted(names, key=import_order))

    @property
    def makes_uuids(self) -> bool:
        """Whether some factory fills in a fresh UUID."""
        made = (text for message in self.messages for factory in message.factories for _, text in factory.assignments)
        return any("uuid." in text for text in made)

    @property
    def uses_msgspec(self) -> bool:
        """Whether something is named of msgspec: the base of choices, what copies a message, or a value left out."""
        return has_unset(self.messages) or any(own.oneofs or own.builders or own.payload for own in self.messages)

    @property
    def has_well_known(self) -> bool:
        """Whether the annotation of some field names a class of the runtime's."""
        return any("well_known." in value.annotation for value in values_of(self.messages))

    @property
    def pb_names(self) -> frozenset[str]:
        """The modules of protobuf's classes that the messages name."""
        return frozenset(message.pb_path.partition(".")[0] for message in self.messages)

    @property
    def hidden_enums(self) -> tuple[tuple[str, str], ...]:
        """Enums that an attribute of some message hides there, and their other names, sorted."""
        return tuple(sorted({hidden for message in self.messages for hidden in message.hidden_enums}))

    @property
    def hidden_messages(self) -> tuple[tuple[str, str], ...]:
        """The same for messages and unions."""
        return tuple(sorted({hidden for message in self.messages for hidden in message.hidden_messages}))


def import_order(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest, as isort has it."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return rank, name


def split(
    enums: Mapping[str, Enumeration],
    messages: Mapping[str, Message],
    aliases: Sequence[tuple[str, str]],
    foreign: Sequence[Enumeration | Message],
    files: Mapping[str, str] | None = None,
) -> tuple[MessageModule, ...]:
    """The modules of all classes; one that imports another stands behind it.

    Args:
        enums: those of the package, by full name.
        messages: the same.
        aliases: further names of classes, and the classes.
        foreign: what other packages have.
        files: the .proto file of each, where a module is to be made for each file, because the package and others
            refer to each other; files never do.
    """
    all_names = {*messages, *enums}
    needed = {
        name: [value.full_name for value in values_of([message]) if value.full_name in all_names]
        for name, message in messages.items()
    }
    if files is not None:
        groups = _by_file(all_names, files)
    elif len(all_names) <= _MOST_AT_ALL:
        groups = [[*all_names]]
    else:
        groups = _packed(list(components({**needed, **{name: [] for name in enums}})))
    homes = {name: number for number, group in enumerate(groups, 1) for name in group}
    classes = {name: own.name for name, own in messages.items()} | {name: own.name for name, own in enums.items()}
    order = {name: index for index, name in enumerate(classes)}
    modules = []
    for number, group in enumerate(groups, 1):
        group.sort(key=order.__getitem__)
        own = [name for name in group if name in messages]
        others: dict[int, set[str]] = {}
        for name in own:
            for other in needed[name]:
                if homes[other] != number:
                    others.setdefault(homes[other], set()).add(classes[other])
        names = {classes[name] for name in group}
        modules.append(
            MessageModule(
                name=f"messages_{number}" if len(groups) > 1 else "messages",
                enums=tuple(enums[name] for name in group if name in enums),
                messages=tuple(messages[name] for name in own),
                aliases=tuple((alias, name) for alias, name in aliases if name in names),
                imports=tuple(
                    (f"messages_{home}", tuple(sorted(found, key=import_order)))
                    for home, found in sorted(others.items())
                ),
                foreign=_taken([messages[name] for name in own], foreign),
            )
        )
    return tuple(modules)


def _by_file(names: Iterable[str], files: Mapping[str, str]) -> list[list[str]]:
    """Groups of the names of each file, in the order of `files`."""
    groups: dict[str, list[str]] = {file: [] for file in files.values()}
    for name in names:
        groups[files[name]].append(name)
    return [group for group in groups.values() if group] or [[]]


def _taken(messages: Iterable[Message], foreign: Sequence[Enumeration | Message]) -> Imports:
    """The classes of other packages that annotations of messages name."""
    needed = {value.full_name for value in values_of(messages)}
    return imports_of((own.home, own.exported, own.name) for own in foreign if own.full_name in needed)


def _packed(found: list[list[str]]) -> list[list[str]]:
    """Groups of about the same size, in the same order, each as large as it may be without tearing one apart."""
    groups: list[list[str]] = [[]]
    for together in found:
        if groups[-1] and len(groups[-1]) + len(together) > _MOST_TOGETHER:
            groups.append([])
        groups[-1] += together
    return groups
