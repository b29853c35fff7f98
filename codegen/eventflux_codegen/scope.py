"""Namespaces of generated code, in which no two things have one name, and how things that would meet are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from eventflux_codegen.error import Place

__all__ = ["Scope", "Wish", "settle"]


@final
class Scope:
    """The names of one namespace: a class, a module.

    No two things have one name: the first that asks keeps it, and later ones get underscores at the end.
    """

    __slots__ = ("_taken",)

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def take(self, wished: str) -> str:
        """The name, or the next to it that is free."""
        while wished in self._taken:
            wished += "_"
        self._taken.add(wished)
        return wished

    def take_all(self, wished: Mapping[str, str], plain: Mapping[str, str]) -> dict[str, str]:
        """Names for several things at once.

        Those that have the name of the IDL, which `plain` has, come first, so that none loses it to a changed one.
        """
        order = sorted(wished, key=lambda key: wished[key] != plain[key])
        taken = {key: self.take(wished[key]) for key in order}
        return {key: taken[key] for key in wished}


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that wants a name, or several that belong together, in a namespace."""

    key: str
    """What it is known by."""
    what: str
    """The same in words, for messages."""
    place: Place
    rank: tuple[int, ...]
    """Who of several has the least keeps a name that all of them want."""
    candidates: Sequence[tuple[str, ...]]
    """What it would be called, the best first; behind the last, underscores are added."""

    def names(self, level: int) -> tuple[str, ...]:
        """What it is called after it had to give way that many times."""
        beyond = level - len(self.candidates) + 1
        if beyond <= 0:
            return self.candidates[level]
        return tuple(f"{name}{'_' * beyond}" for name in self.candidates[-1])


def settle(wishes: Sequence[Wish], taken: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """What each is called. Of those that meet, the one of least rank keeps the name; with two of that, none does.

    So the outcome depends on what there is, and not on the order in which it is written down, as long as it can.
    """
    reserved = frozenset(taken)
    levels = dict.fromkeys((wish.key for wish in wishes), 0)
    while moving := _losers(wishes, levels, reserved):
        for key in moving:
            levels[key] += 1
    return {wish.key: wish.names(levels[wish.key]) for wish in wishes}


def _losers(wishes: Sequence[Wish], levels: Mapping[str, int], reserved: frozenset[str]) -> set[str]:
    wanting: defaultdict[str, list[tuple[tuple[int, ...], str]]] = defaultdict(list)
    for order, wish in enumerate(wishes):
        level = levels[wish.key]
        # Where only underscores are left, the order has to decide.
        last = order if level >= len(wish.candidates) else 0
        for name in wish.names(level):
            wanting[name].append(((level, *wish.rank, last), wish.key))
    losers: set[str] = set()
    for name, group in wanting.items():
        if name in reserved:
            losers.update(key for _, key in group)
        elif len(group) > 1:
            group.sort()
            is_decided = group[0][0] != group[1][0]
            losers.update(key for _, key in group[1 if is_decided else 0 :])
    return losers
