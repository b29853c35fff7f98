"""The names of generated TypeScript: protobuf-es's, and what becomes of those that something else needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eventflux_codegen.order import Order
from eventflux_codegen.typescript.naming import as_member, as_method, as_property, as_type, camel
from tests.support.typescript import typescript_of

NAMES = Path(__file__).parent / "names.proto"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("foo_bar", "fooBar"),
        ("foo__bar", "fooBar"),
        ("fooBar", "fooBar"),
        ("FooBar", "FooBar"),
        ("_foo", "Foo"),
        ("foo_", "foo"),
        ("foo_1a", "foo1a"),
        ("f1_x", "f1X"),
        ("URL", "URL"),
        ("_", "_"),
    ],
)
def test_fields_are_in_camel_case_as_protobuf_es_has_them(name: str, expected: str) -> None:
    assert camel(name) == expected


def test_what_objects_and_the_language_have_gets_a_dollar() -> None:
    assert [as_property(name) for name in ("constructor", "to_string", "class")] == [
        "constructor$",
        "toString$",
        "class",
    ]
    assert [as_property("message", is_error=True), as_property("message")] == ["message$", "message"]
    assert [as_method(name) for name in ("Then", "SendMessage", "Delete")] == ["then$", "sendMessage", "delete"]
    assert [as_type(name) for name in ("Map", "string", "Shape")] == ["Map$", "string$", "Shape"]
    assert [as_member(name) for name in ("__proto__", "RED")] == ["__proto__$", "RED"]


@pytest.fixture(scope="module")
def text() -> str:
    order = Order.of_paths([str(NAMES)], "names_sdk", (), ".")
    return "\n".join(typescript_of(order).values())


@pytest.mark.parametrize(
    "line",
    [
        "export interface Map$ extends $.Message {",
        "  constructor$: string;",
        "  toString$: string;",
        "  toString$_: string;",
        "  fooBar: number;",
        "  fooBar_: number;",
        "  fooBar__: number;",
        '    | { case: "valueOf$"; value: number }',
        "  /** *\\/ export const injected = 1; /* */",
        "  toString$: 1,",
        "  then$(request: PromiseInit, options?: $.CallOptions): Promise<Map$> {",
        "  constructor$(request: MapInit, options?: $.CallOptions): Promise<Promise$> {",
    ],
)
def test_names_that_would_meet_are_told_apart(text: str, line: str) -> None:
    assert line in text.splitlines()


def test_no_name_is_exported_twice(text: str) -> None:
    found = re.findall(r"^export (?:const|class) (\S+?)[:\s]", text, re.MULTILINE)
    assert len(found) == len(set(found))
    types = re.findall(r"^export (?:interface|class|type) (\S+)", text, re.MULTILINE)
    assert len(types) == len(set(types))
