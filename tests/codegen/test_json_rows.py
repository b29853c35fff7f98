"""The tables for JSON: a row for each field, in the order of the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventflux_codegen.json_source import field_row
from eventflux_codegen.model import Cardinality, Field, ValueKind, Variant
from tests.support.model import enum, field, message, plain, scalar, wrapped
from tests.support.workspace import Workspace

INT32 = scalar(ValueKind.I32)


@pytest.mark.parametrize(
    ("own", "row"),
    [
        (field(Cardinality.SINGLE, INT32), '"f", "int32"'),
        (field(Cardinality.SINGLE, scalar(ValueKind.SINT64)), '"f", "sint64"'),
        (field(Cardinality.SINGLE, scalar(ValueKind.F32)), '"f", "float"'),
        (field(Cardinality.SINGLE, enum(3)), '"f", messages.Color'),
        (field(Cardinality.OPTIONAL, message("Point")), '"f", messages.Point, is_optional=True'),
        (field(Cardinality.OPTIONAL, wrapped()), '"f", "int32", is_optional=True'),
        (field(Cardinality.OPTIONAL, plain(ValueKind.LIST_VALUE)), '"f", "list", is_optional=True'),
        (field(Cardinality.REPEATED, scalar(ValueKind.STR)), '"f", "string", is_list=True'),
        (field(Cardinality.MAP, message("Point"), key=INT32), '"f", messages.Point, key="int32"'),
        (field(Cardinality.SINGLE, INT32, name="f_"), '"f", "int32", attribute="f_"'),
        (field(Cardinality.SINGLE, INT32, json_name='a"\\é'), '"f", "int32", json_name="a\\"\\\\\\u00e9"'),
    ],
)
def test_a_row(own: Field, row: str) -> None:
    assert field_row(own, None) == f"runtime.JsonField({row})"


def test_a_choice_names_its_class_and_its_oneof() -> None:
    own = field(Cardinality.ONEOF, None, name="which", proto_name="which")
    variant = Variant("MWhichPick", "MWhichPick", "pick", 3, 0, INT32, "0", ())
    row = field_row(own, variant)
    assert row == 'runtime.JsonField("pick", "int32", attribute="which", choice=messages.MWhichPick)'


def test_rows_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        proto="""syntax = "proto3";
message M {
  int32 last = 9;
  oneof which {
    int32 second = 2;
    int32 tenth = 10;
  }
  int32 first = 1;
}
enum Mood {
  option allow_alias = true;
  MOOD_CALM = 0;
  MOOD_QUIET = 0;
}
"""
    )
    workspace.generate()
    text = (workspace.output / "json_fields.py").read_text()
    names = [line.split('"')[1] for line in text.splitlines() if "JsonField(" in line]
    assert names == ["first", "second", "last", "tenth"]
    assert '"MOOD_CALM": 0,\n        "MOOD_QUIET": 0,' in text
