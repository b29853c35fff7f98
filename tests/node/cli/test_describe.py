"""`eventflux describe`: definitions as a .proto file has them; protoc reads them as it read the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventflux_node.cli import main
from tests.project.import_graph import ROOT
from tests.support.shop import SERVICE

IDL = ROOT / "tests/idl"

PROTO = """syntax = "proto3";

package a.b;

import "google/protobuf/descriptor.proto";

extend google.protobuf.MethodOptions {
  Rule rule = 50001;
}

extend google.protobuf.FieldOptions {
  repeated string tag = 50002;
}

message Rule {
  string path = 1;
  bool is_open = 2;
}

// Two services would be too many.
service Things {
  // Gets one.
  rpc Get(Thing) returns (Thing) {
    option deprecated = true;
    option idempotency_level = NO_SIDE_EFFECTS;
    option (a.b.rule) = { path: "/things" is_open: true };
  }

  rpc Watch(stream Thing) returns (stream google.protobuf.FieldOptions);
}

// A thing.
// It has two lines.
message Thing {
  option deprecated = true;

  // Its name.
  string name = 1 [deprecated = true, (a.b.tag) = "one", (a.b.tag) = "t\\"wo"];
  optional int32 count = 2;  // how many
  repeated sint64 numbers = 3 [packed = false];
  map<string, Thing.Part> parts = 4;
  // What it is.
  oneof kind {
    // By number.
    fixed32 number = 5;
    Kind named = 6;
  }
  bytes raw = 7 [json_name = "rawBytes"];

  reserved 8, 10 to 12, 20 to max;
  reserved "old", "older";

  message Part {
    double x = 1;
  }

  enum Colour {
    RED = 0;
  }
}

enum Kind {
  option allow_alias = true;
  KIND_NONE = 0;
  KIND_NIL = 0;
  KIND_SOME = 1 [deprecated = true];
  reserved 3 to 5;
  reserved "KIND_OLD";
}
"""


def definitions(folder: Path, names: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is shown of each name, without the line that says what it is."""
    found = []
    for name in names:
        assert main(["describe", "--proto", f"{folder}/a.proto", name]) == 0
        found.append(capsys.readouterr().out.partition("\n")[2].rstrip("\n"))
    return found


def test_a_definition_is_that_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.proto").write_text(PROTO)
    names = ["a.b.Rule", "a.b.Things", "a.b.Thing", "a.b.Kind"]
    head = PROTO[: PROTO.index("message Rule")]
    assert head + "\n\n".join(definitions(tmp_path, names, capsys)) + "\n" == PROTO


def test_parts_are_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.proto").write_text(PROTO)
    part, colour, watch = definitions(tmp_path, ["a.b.Thing.Part", ".a.b.Thing.Colour", "a.b.Things/Watch"], capsys)
    assert part == "message Part {\n  double x = 1;\n}"
    assert colour == "enum Colour {\n  RED = 0;\n}"
    assert watch == "rpc Watch(stream Thing) returns (stream google.protobuf.FieldOptions);"


PROTO2 = """syntax = "proto2";

package old;

message Old {
  required string name = 1 [default = "a\\"b"];
  optional int32 count = 2 [default = -3];
  optional bytes raw = 3 [default = "\\001"];
  oneof choice {
    bool is_new = 4;
  }
  extensions 100 to 199, 1000 to max;
}
"""


def test_proto2_has_its_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.proto").write_text(PROTO2)
    (shown,) = definitions(tmp_path, ["old.Old"], capsys)
    assert shown.replace("\n\n", "\n") + "\n" == PROTO2[PROTO2.index("message") :]


@pytest.mark.parametrize("server", ["tcp", "grpc", "grpcio-v1", "grpcio-v1alpha"])
def test_a_server_is_described(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", urls[server], f"{SERVICE}/Reserve"]) == 0
    assert capsys.readouterr().out == (
        f"// method {SERVICE}.Reserve of inventory.proto\n"
        "rpc Reserve(stream Reservation) returns (stream ReservationResult);\n"
    )
    assert main(["describe", urls[server], "google.protobuf.Timestamp"]) == 0
    assert "message Timestamp {\n  int64 seconds = 1;\n" in capsys.readouterr().out
    assert main(["describe", urls[server]]) == 0
    out = capsys.readouterr().out
    assert "\nservice Inventory {\n" in out
    undescribed = "// grpc.reflection.v1.ServerReflection is listed and cannot be described: its file is not known"
    assert (undescribed in out) is (server == "grpcio-v1")


def test_json_is_the_descriptor(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", urls["tcp"], "shop.inventory.v1.Plant", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["name"], record["kind"], record["file"]) == ("shop.inventory.v1.Plant", "message", "inventory.proto")
    assert [field["name"] for field in record["descriptor"]["field"]] == ["name", "line"]


def test_a_package_is_described_by_its_own_modules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "--package", "inventory_sdk", "shop.inventory.v1.Plant"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "message Plant {"


def test_the_nearest_name_is_told(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", urls["tcp"], "shop.inventory.v1.Itm"]) == 1
    assert capsys.readouterr().err == (
        "eventflux: no name 'shop.inventory.v1.Itm': did you mean shop.inventory.v1.Item?\n"
    )
