"""The lock: which changes of an IDL break peers, and that they are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from eventflux_codegen import GenerationError
from eventflux_codegen.cli import main
from eventflux_codegen.lock import find_breaking, lock_text
from tests.support.workspace import CONFIG, Workspace


@pytest.fixture(autouse=True)
def without_protoc_s_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock has no part in it, and it takes most of the time."""
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})


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
      small: {fields: [x, names]}
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
    "oneof": (
        "  optional bool visible = 5;\n  oneof kind {\n",
        "  oneof kind {\n    bool visible = 5;\n",
        "9: field 5 (visible) of demo.Point was optional bool and is bool in oneof kind",
    ),
    "JSON name": (
        "int32 y = 2;",
        'int32 y = 2 [json_name = "why"];',
        "5: field 2 (y) of demo.Point had the JSON name y and has why",
    ),
    "enum alias": (
        "  COLOR_BLUE = 2;\n",
        "  option allow_alias = true;\n  COLOR_NAVY = 2;\n  COLOR_BLUE = 2;\n",
        "14: value 2 of demo.Color was named COLOR_BLUE and is named COLOR_NAVY",
    ),
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
    "name of a oneof": ("oneof kind", "oneof sort"),
    "name, but for JSON": ("int32 y = 2;", 'int32 z = 2 [json_name = "y"];'),
    "alias": ("  COLOR_BLUE = 2;\n", "  option allow_alias = true;\n  COLOR_BLUE = 2;\n  COLOR_NAVY = 2;\n"),
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
    """Sources with a lock, and nothing generated."""
    workspace = Workspace(tmp_path)
    workspace.write(config=LAYOUT, proto=PROTO)
    facts, _, _ = workspace.facts()
    workspace.lock.write_text(lock_text(facts))
    return workspace


def breaking(workspace: Workspace) -> str | None:
    """What is wrong with the sources as they are now."""
    facts, schema, _ = workspace.facts()
    error = find_breaking(workspace.lock, facts, schema)
    return None if error is None else str(error).replace(f"{workspace.root}/", "")


@pytest.mark.parametrize(("old", "new", "expected"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_breaks_peers_is_refused(workspace: Workspace, old: str, new: str, expected: str) -> None:
    assert breaking(workspace) is None
    changed = PROTO.replace(old, new) + ("message Other {}\n" if "Other" in new else "")
    config = LAYOUT
    if "Dot" in new:
        changed = changed.replace("(Point)", "(Dot)").replace("stream Point", "stream Dot")
        config = config.replace("Point", "Dot")
    workspace.write(config=config, proto=changed)
    error = breaking(workspace)
    assert error is not None
    assert expected in error
    assert ", which breaks " in error
    assert re.search(r", or say --accept-breaking( \(\d more like it\))?$", error)


@pytest.mark.parametrize(("old", "new"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_change_that_peers_survive_is_taken(workspace: Workspace, old: str, new: str) -> None:
    workspace.write(config=LAYOUT, proto=PROTO.replace(old, new))
    assert breaking(workspace) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LAYOUT.replace("[x, names]", "[names, x]"), "layout demo.Point small carried x, names and carries names, x"),
        (CONFIG, "layout demo.Point small is gone"),
    ],
)
def test_a_layout_is_as_firm_as_the_idl(workspace: Workspace, config: str, expected: str) -> None:
    workspace.write(config=config, proto=PROTO)
    assert str(breaking(workspace)).startswith(f"sample.lock: {expected}, which breaks old clients and old servers ")


def test_variants_may_only_be_added_at_the_end(workspace: Workspace) -> None:
    config = CONFIG + "messages:\n  Dot:\n    layouts:\n      small: {fields: [c], variants: {c: [RED, BLUE]}}\n"
    proto = PROTO + "message Dot { Color c = 1; }\n"
    workspace.write(config=config, proto=proto)
    facts, _, _ = workspace.facts()
    workspace.lock.write_text(lock_text(facts))
    workspace.write(config=config.replace("[RED, BLUE]", "[RED, BLUE, NONE]"), proto=proto)
    assert breaking(workspace) is None
    workspace.write(config=config.replace("[RED, BLUE]", "[BLUE, RED, NONE]"), proto=proto)
    assert "layout demo.Dot small had the variants RED, BLUE of c and has BLUE, RED, NONE" in str(breaking(workspace))


def test_a_breaking_change_is_written_only_if_it_is_accepted(workspace: Workspace) -> None:
    workspace.generate()
    workspace.write(config=LAYOUT, proto=PROTO.replace("int32 y", "int64 y"))
    assert "field 2 (y) of demo.Point was int32 and is int64" in workspace.refusal()
    assert main(["check", "--config", str(workspace.config)]) == 1
    assert main(["generate", "--config", str(workspace.config), "--accept-breaking"]) == 0
    assert workspace.is_current()


def test_several_changes_are_counted(workspace: Workspace) -> None:
    workspace.write(config=LAYOUT, proto=PROTO.replace("int32 x", "int64 x").replace("int32 y", "int64 y"))
    assert str(breaking(workspace)).endswith(", or say --accept-breaking (1 more like it)")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"messages": 1, "enums": {}, "methods": {}, "layouts": {}}'])
def test_a_damaged_lock_is_refused(workspace: Workspace, text: str) -> None:
    workspace.lock.write_text(text)
    with pytest.raises(GenerationError, match="is not a lock of this generator: restore it, or delete it and generate"):
        breaking(workspace)
    workspace.lock.unlink()
    assert breaking(workspace) is None


def test_the_lock_holds_what_peers_rely_on(workspace: Workspace) -> None:
    lock = json.loads(workspace.lock.read_text())
    assert lock["messages"]["demo.Point"]["6"] == {"name": "color", "type": "demo.Color in oneof kind"}
    assert lock["enums"]["demo.Color"] == {"0": ["COLOR_NONE"], "1": ["COLOR_RED"], "2": ["COLOR_BLUE"]}
    assert lock["methods"]["/demo.Plane/Watch"]["kind"] == "server_streaming"
    assert len(lock["methods"]["/demo.Plane/Watch"]["fingerprint"]) == 16
    assert lock["layouts"]["demo.Point small"] == {"fields": ["x", "names"], "variants": {}}


def test_the_lock_may_lie_elsewhere(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG + "lock: facts.json\n")
    assert "facts.json" in workspace.generate().written
    assert not workspace.lock.exists()
