"""How things that would have one name are told apart."""

from __future__ import annotations

import itertools

import pytest

from eventflux_codegen.cycle import around_cycles, components
from eventflux_codegen.error import Place
from eventflux_codegen.scope import Scope, Wish, settle


def wish(key: str, *candidates: str, rank: tuple[int, ...] = (0,)) -> Wish:
    return Wish(key, key, Place("x.proto"), rank, [(name,) for name in candidates])


def settled(*wishes: Wish, taken: tuple[str, ...] = ()) -> dict[str, str]:
    return {key: name for key, (name,) in settle(wishes, taken).items()}


def test_the_first_keeps_a_name_and_later_ones_get_underscores() -> None:
    scope = Scope({"self"})
    assert [scope.take(name) for name in ("a", "a", "a", "self")] == ["a", "a_", "a__", "self_"]


def test_a_name_of_the_idl_is_not_lost_to_a_changed_one() -> None:
    plain = {name: name for name in ("class", "class_", "x")}
    wished = {"class": "class_", "class_": "class_", "x": "x"}
    assert Scope().take_all(wished, plain) == {"class": "class__", "class_": "class_", "x": "x"}


def test_who_has_the_least_rank_keeps_the_name() -> None:
    assert settled(wish("near", "A", rank=(0,)), wish("far", "A", "PA", rank=(1,))) == {"near": "A", "far": "PA"}


def test_of_equals_none_keeps_the_name_whatever_their_order() -> None:
    wishes = [wish("p.A", "A", "PA"), wish("q.A", "A", "QA"), wish("r.B", "B", "RB")]
    for order in itertools.permutations(wishes):
        assert settled(*order) == {"p.A": "PA", "q.A": "QA", "r.B": "B"}


def test_giving_way_does_not_take_a_name_from_somebody_else() -> None:
    wishes = [wish("p.A", "A", "PA"), wish("q.A", "A", "QA"), wish("PA", "PA", "XPA", rank=(5,))]
    assert settled(*wishes) == {"p.A": "PA_", "q.A": "QA", "PA": "PA"}


def test_equals_without_another_name_are_told_apart_by_their_order() -> None:
    assert settled(wish("one", "A"), wish("two", "A")) == {"one": "A_", "two": "A__"}


def test_a_reserved_name_is_nobodys() -> None:
    assert settled(wish("one", "typing"), taken=("typing",)) == {"one": "typing_"}


def test_names_that_belong_together_give_way_together() -> None:
    service = Wish("S", "S", Place("x.proto"), (1,), [("SClient", "SService"), ("PSClient", "PSService")])
    assert settle([service, wish("message", "SService")]) == {
        "S": ("PSClient", "PSService"),
        "message": ("SService",),
    }


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({"a": ["b"], "b": []}, set()),
        ({"a": ["a"]}, {"a"}),
        ({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}, {"a", "b", "c"}),
        ({"d": [], "c": ["b", "d"], "b": ["c"], "a": ["d"]}, {"a", "b", "c", "d"}),
        ({"f": ["g"], "g": [], "e": [], "d": ["e"], "c": ["b", "d"], "b": ["c"], "a": ["e", "g"]}, set("abcde")),
    ],
)
def test_what_has_to_do_with_a_cycle(edges: dict[str, list[str]], found: set[str]) -> None:
    assert around_cycles(edges) == found


def test_no_chain_is_too_long() -> None:
    edges = {str(number): [str(number + 1)] for number in range(20_000)} | {"20000": []}
    assert len(list(components(edges))) == 20_001
    assert around_cycles(edges | {"20000": ["19000"]}) == set(edges)
