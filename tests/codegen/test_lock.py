"""The lock: which changes of an IDL break peers, and that they are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventflux_codegen.cli import main
from tests.codegen.workspace import CONFIG, Workspace

PROTO = """syntax = "proto3";
package demo;
message Point {
  int32 x = 1;
  int32 y = 2;
  repeated string names = 3;
  map<string, int32> sizes = 4;
  optional bool visible = 5;
  oneof kind {
    Color color = 6;
    string text = 7;
  }
}
enum Color {
  COLOR_NONE = 0;
  COLOR_RED = 1;
  COLOR_BLUE = 2;
}
service Plane {
  rpc Move(Point) returns (Point);
  rpc Watch(Point) returns (stream Point);
}
"""
LAYOUT = (
    CONFIG
    + """messages:
  Point:
    layouts:
      small: {fields: [x, y]}
"""
)

BREAKING = {
    "type": ("int32 y = 2", "int64 y = 2", "5: field 2 (y) of demo.Point was int32 and is int64"),
    "encoding": ("int32 y = 2", "sint32 y = 2", "5: field 2 (y) of demo.Point was int32 and is sint32"),
    "name": ("int32 y = 2", "int32 z = 2", "5: field 2 of demo.Point was named y and is named z"),
    "number": ("int32 y = 2", "int32 y = 8", "3: field 2 (y) of demo.Point is gone and not reserved"),
    "gone": ("  int32 y = 2;\n", "", "3: field 2 (y) of demo.Point is gone and not reserved"),
    "reserved elsewhere": ("int32 y = 2;", "reserved 9;", "3: field 2 (y) of demo.Point is gone and not reserved"),
    "cardinality": ("repeated string", "string", "6: field 3 (names) of demo.Point was repeated string and is string"),
    "map value": (
        "map<string, int32>",
        "map<string, string>",
        "7: field 4 (sizes) of demo.Point was map<string, int32>",
    ),
    "presence": ("optional bool", "bool", "8: field 5 (visible) of demo.Point was optional bool and is bool"),
    "oneof": ("oneof kind", "oneof sort", "10: field 6 (color) of demo.Point was demo.Color in oneof kind"),
    "enum value": ("  COLOR_BLUE = 2;\n", "", "14: value 2 (COLOR_BLUE) of demo.Color is gone and not reserved"),
    "enum name": ("COLOR_BLUE", "COLOR_NAVY", "14: value 2 of demo.Color was named COLOR_BLUE and is named COLOR_NAVY"),
    "method": ("  rpc Watch(Point) returns (stream Point);\n", "", "method /demo.Plane/Watch is gone"),
    "kind": ("(stream Point)", "(Point)", "19: method /demo.Plane/Watch had kind server_streaming and has unary"),
    "response": (
        "Move(Point) returns (Point);",
        "Move(Point) returns (Other);",
        "19: method /demo.Plane/Move had response demo.Point and has demo.Other",
    ),
    "message": ("message Point", "message Dot", "message demo.Point is gone"),
}

COMPATIBLE = {
    "new field": ("int32 y = 2;", "int32 y = 2;\n  int32 z = 8;"),
    "reserved field": ("int32 y = 2;", "reserved 2;"),
    "reserved range": ("int32 y = 2;", "reserved 2, 10 to 12;"),
    "new value": ("COLOR_BLUE = 2;", "COLOR_BLUE = 2;\n  COLOR_GREEN = 3;"),
    "reserved value": ("  COLOR_BLUE = 2;\n", "  reserved 2;\n"),
    "new method": ("rpc Move", "rpc Stop(Point) returns (Point);\n  rpc Move"),
    "new message": ("enum Color", "message More { Point point = 1; }\nenum Color"),
    "another order": ("  int32 x = 1;\n  int32 y = 2;\n", "  int32 y = 2;\n  int32 x = 1;\n"),
    "comment": ("int32 y = 2;", "int32 y = 2;  // up"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.write(config=LAYOUT, proto=PROTO)
    workspace.generate()
    return workspace


@pytest.mark.parametrize(("old", "new", "expected"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_breaks_peers_is_refused(workspace: Workspace, old: str, new: str, expected: str) -> None:
    changed = PROTO.replace(old, new)
    if "Other" in new:
        changed += "message Other {}\n"
    if "Dot" in new:
        changed = changed.replace("(Point)", "(Dot)").replace("stream Point", "stream Dot")
        workspace.write(config=LAYOUT.replace("Point", "Dot"), proto=changed)
    else:
        workspace.write(
            config=LAYOUT.replace(", y]", "]") if "y" not in changed.split("}")[0] else LAYOUT, proto=changed
        )
    error = workspace.refusal()
    assert expected in error
    assert error.endswith(": undo it, or say --accept-breaking")
    assert main(["generate", "--config", str(workspace.config), "--accept-breaking"]) == 0
    assert workspace.is_current()


@pytest.mark.parametrize(("old", "new"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_change_that_peers_survive_is_taken(workspace: Workspace, old: str, new: str) -> None:
    workspace.write(config=CONFIG, proto=PROTO)
    workspace.generate(accept_breaking=True)
    before = workspace.lock.read_text()
    workspace.write(config=CONFIG, proto=PROTO.replace(old, new))
    workspace.generate()
    assert workspace.is_current()
    assert (workspace.lock.read_text() == before) is (old == new or "//" in new)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            LAYOUT.replace("[x, y]", "[y, x]"),
            "layout demo.Point small carried x, y and carries y, x, which breaks peers",
        ),
        (CONFIG, "layout demo.Point small is gone, which breaks peers"),
    ],
)
def test_a_layout_is_as_firm_as_the_idl(workspace: Workspace, config: str, expected: str) -> None:
    workspace.write(config=config, proto=PROTO)
    assert workspace.refusal() == f"sample.lock: {expected}: undo it, or say --accept-breaking"


def test_variants_may_only_be_added_at_the_end(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    config = (
        CONFIG + "messages:\n  Dot:\n    layouts:\n      small: {fields: [color], variants: {color: [RED, BLUE]}}\n"
    )
    proto = PROTO + "message Dot { Color color = 1; }\n"
    workspace.write(config=config, proto=proto)
    workspace.generate()
    workspace.write(config=config.replace("[RED, BLUE]", "[RED, BLUE, NONE]"), proto=proto)
    workspace.generate()
    workspace.write(config=config.replace("[RED, BLUE]", "[BLUE, RED, NONE]"), proto=proto)
    assert (
        "layout demo.Dot small had the variants RED, BLUE, NONE of color and has BLUE, RED, NONE" in workspace.refusal()
    )


def test_several_changes_are_counted(workspace: Workspace) -> None:
    workspace.write(config=LAYOUT, proto=PROTO.replace("int32 x", "int64 x").replace("int32 y", "int64 y"))
    assert "which breaks peers (1 more like it): undo it" in workspace.refusal()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"messages": 1, "enums": {}, "methods": {}, "layouts": {}}'])
def test_a_damaged_lock_is_refused(workspace: Workspace, text: str) -> None:
    workspace.lock.write_text(text)
    assert "is not a lock of this generator: restore it, or delete it and generate again" in workspace.refusal()
    workspace.lock.unlink()
    workspace.generate()
    assert workspace.is_current()


def test_the_lock_holds_what_peers_rely_on(workspace: Workspace) -> None:
    lock = json.loads(workspace.lock.read_text())
    assert lock["messages"]["demo.Point"]["6"] == {"name": "color", "type": "demo.Color in oneof kind"}
    assert lock["enums"]["demo.Color"] == {"0": ["COLOR_NONE"], "1": ["COLOR_RED"], "2": ["COLOR_BLUE"]}
    assert lock["methods"]["/demo.Plane/Watch"]["kind"] == "server_streaming"
    assert len(lock["methods"]["/demo.Plane/Watch"]["fingerprint"]) == 16
    assert lock["layouts"]["demo.Point small"] == {"fields": ["x", "y"], "variants": {}}


def test_the_lock_may_lie_elsewhere(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG + "lock: facts.json\n")
    assert "facts.json" in workspace.generate().written
    assert not workspace.lock.exists()
