"""What a package takes from the runtime, and what options of the IDL say in its code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from eventflux_codegen import GenerationError
from eventflux_codegen.bounded import with_bounded_lists
from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.model import Cardinality
from tests.support.model import field, message, whole
from tests.support.workspace import CONFIG, Workspace

OWN_NAMES = """syntax = "proto3";
package demo;
import "google/protobuf/timestamp.proto";
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/empty.proto";
message Timestamp { google.protobuf.Timestamp timestamp = 1; Empty empty = 2; }
message Empty { google.protobuf.Empty well_known = 1; repeated google.protobuf.Value values = 2; }
message Any { google.protobuf.Any any = 1; google.protobuf.NullValue null = 2; NullValue own = 3; }
message Struct { google.protobuf.Struct struct = 1; Struct inner = 2; map<string, google.protobuf.Value> value = 3; }
enum NullValue { NOTHING = 0; }
message WellKnownTimestamp { Timestamp own = 1; google.protobuf.Timestamp real = 2; }
service Clock {
  rpc Now(google.protobuf.Empty) returns (google.protobuf.Timestamp);
  rpc Own(Empty) returns (Timestamp);
}
"""


def test_own_types_may_have_the_names_of_well_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config="package: own_names\nprotos: [sample.proto]\n", proto=OWN_NAMES)
    workspace.generate()
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("own_names")
    known = importlib.import_module("eventflux_runtime.well_known")
    methods = importlib.import_module("own_names.methods")
    real = known.Timestamp(1, 2)
    samples = [
        package.Timestamp(timestamp=real, empty=package.Empty(well_known_=known.Empty(), values=[None, 1.0])),
        package.Any(any=known.Any.pack(real), null=known.NullValue(0), own=package.NullValue.NOTHING),
        package.Struct(struct={"a": []}, inner=package.Struct(), value={"k": {"b": True}}),
        package.WellKnownTimestamp(own=package.Timestamp(timestamp=real), real=real),
    ]
    for sample in samples:
        kind = type(sample)
        assert kind.from_wire(sample.to_wire()) == sample
        assert kind.from_protobuf(sample.to_protobuf()) == sample
        assert kind.from_json(sample.to_json()) == sample
    codecs = (methods.CLOCK_NOW.request, methods.CLOCK_OWN.request)
    assert [codec.type_name for codec in codecs] == ["google.protobuf.Empty", "demo.Empty"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_names"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_well_known_type_takes_no_options(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        config=CONFIG + "messages:\n  google.protobuf.Empty: {name: Nothing}\n",
        proto='syntax = "proto3"; import "google/protobuf/empty.proto"; message M { google.protobuf.Empty e = 1; }',
    )
    with pytest.raises(
        GenerationError, match="google.protobuf.Empty is a class of the runtime: drop its options"
    ) as caught:
        workspace.generate()
    assert caught.value.place.line == 4


def test_lists_of_empty_messages_are_found_through_others() -> None:
    empty = message("E", min_bytes=0)
    found = with_bounded_lists(
        {
            "p.E": whole(),
            "p.List": whole(field(Cardinality.REPEATED, empty)),
            "p.Single": whole(field(Cardinality.OPTIONAL, empty)),
            "p.Map": whole(field(Cardinality.MAP, message("List"), key=empty)),
            "p.Outer": whole(field(Cardinality.REPEATED, message("Map"))),
            "p.Other": whole(field(Cardinality.OPTIONAL, message("Single"))),
        }
    )
    assert found == {"p.List", "p.Map", "p.Outer"}


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        ("", "p.M is deprecated"),
        ("Says hello.", "p.M is deprecated"),
        ("Deprecated: use N.\nIt is better.\n\nMore.", "p.M: Deprecated: use N. It is better."),
        ("@deprecated since long", "p.M: deprecated since long"),
        ("Deprecated " + "x" * 300, "p.M is deprecated"),
    ],
)
def test_a_reason_is_what_the_comment_says(comment: str, text: str) -> None:
    assert reason("p.M", comment, is_deprecated=True) == text
    assert reason("p.M", comment, is_deprecated=False) == ""


def test_a_docstring_says_it_once() -> None:
    assert noted((), is_deprecated=True) == ("Deprecated.",)
    assert noted(("A.",), is_deprecated=True) == ("A.", "", "Deprecated.")
    assert noted(("Deprecated: A.",), is_deprecated=True) == ("Deprecated: A.",)
    assert noted(("A.",), is_deprecated=False) == ("A.",)


def test_a_file_that_is_deprecated_deprecates_its_types(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        proto='syntax = "proto3"; option deprecated = true; message M {} enum E { E_A = 0; }'
        "service S { rpc C(M) returns (M); }"
    )
    workspace.generate()
    messages, client = ((workspace.output / name).read_text() for name in ("messages.py", "client.py"))
    assert '@runtime.deprecated("M is deprecated", category=None)\nclass M' in messages
    assert '@runtime.deprecated("E is deprecated", category=None)\nclass E' in messages
    assert '@_deprecated("S is deprecated")\nclass SClient' in client


def test_idempotency_in_the_idl_allows_a_retry_policy(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    proto = 'syntax = "proto3"; message M {} service S { rpc C(M) returns (M) { option idempotency_level = %s; } }'
    config = CONFIG + "services:\n  S:\n    methods:\n      C:\n        retry: {max_attempts: 2}\n"
    workspace.write(config, proto % "IDEMPOTENT")
    workspace.generate()
    text = (workspace.output / "methods.py").read_text()
    assert "idempotent=True" in text
    assert "retry=RetryPolicy(max_attempts=2)" in text
    workspace.write(config, proto % "IDEMPOTENCY_UNKNOWN")
    with pytest.raises(GenerationError, match="retry is for methods that are idempotent"):
        workspace.generate()
