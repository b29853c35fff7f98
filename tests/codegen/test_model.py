"""The decisions of the generator, each by itself: names, docstrings, fingerprints."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import nearest
from eventflux_codegen.naming import as_class, as_constant, as_field, as_member, as_method, as_snake, flatten
from eventflux_codegen.relocation import pb_modules
from eventflux_codegen.reserved import IMPORTED_CLASSES
from eventflux_codegen.yaml_source import Places
from eventflux_transport.methods import TRANSPORT_STREAM_EVENTS
from inventory_sdk.methods import INVENTORY_RESERVE
from tests.project.import_graph import imports_of
from tests.support.workspace import CONFIG, PROTO, Workspace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("SendMessage", "send_message"),
        ("HTTPRequest", "http_request"),
        ("GetV2Item", "get_v2_item"),
        ("already_snake", "already_snake"),
        ("IOError", "io_error"),
        ("X", "x"),
    ],
)
def test_snake_case(name: str, snake: str) -> None:
    assert as_snake(name) == snake
    assert as_constant(name) == snake.upper()


def test_names_that_python_keeps_get_an_underscore() -> None:
    assert [as_field(name) for name in ("from", "None", "str", "to_wire", "id", "type")] == [
        *("from_", "None_", "str_", "to_wire_", "id", "type_"),
    ]
    assert [as_method(name) for name in ("Import", "Move")] == ["import_", "move"]
    assert [as_member(name) for name in ("None", "name", "value", "mro", "real", "RED")] == [
        *("None_", "name_", "value_", "mro_", "real_", "RED"),
    ]
    assert [as_class(name) for name in ("TimeoutError", "None", "Point")] == ["TimeoutError_", "None_", "Point"]


def test_nested_names_are_flattened() -> None:
    assert flatten("a.b", "a.b.Outer.Inner") == "OuterInner"
    assert flatten("", "Outer.inner_thing") == "OuterInnerThing"


@pytest.mark.parametrize(
    ("comment", "lines"),
    [
        ("", ("Fallback.",)),
        (" One line", ("One line.",)),
        (" A question?", ("A question?",)),
        (" Two lines\n that are one sentence.\n", ("Two lines that are one sentence.",)),
        (" First. Second.", ("First.", "", "Second.")),
        (" First.\n\n Second\n paragraph.", ("First.", "", "Second paragraph.")),
        (' Ends with "quotes"', ('Ends with "quotes".',)),
        (' Has """three"""', ("Has '''three'''.",)),
        (r" A \backslash", (r"A \\backslash.",)),
        (" Is (e.g.\n Named). Thus.", ("Is (e.g. Named).", "", "Thus.")),
        (" Required. The name. Long.", ("Required. The name.", "", "Long.")),
        (" Required. " + "word " * 25 + ".", ("Required.", "", ("word " * 20).strip(), "word " * 5 + ".")),
        (" Of [Job][x.y.Job], a[i][j.k].", ("Of `Job`, a[i][j.k].",)),
        (" Kinds:\n  - one\n    goes on\n  - two\n\n End.", ("Kinds:", "", "- one goes on", "- two", "", "End.")),
        (" Steps:\n\n 1. " + "word " * 21, ("Steps:", "", "1. " + ("word " * 19).strip(), "   word word")),
        (" " + "word " * 40, ("Fallback.", "", ("word " * 20).strip(), ("word " * 20).strip())),
    ],
)
def test_comments_become_docstrings(comment: str, lines: tuple[str, ...]) -> None:
    assert as_docstring(comment, "Fallback.") == lines


def test_a_comment_may_be_long_or_of_another_encoding(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write()
    long, foreign = "// " + "word " * 40, "// caf\xe9"
    proto = f'syntax = "proto3";\nenum Word {{\n{long}\nWORD_A = 0;\n{foreign}\nWORD_B = 1;\n}}\n'
    (tmp_path / "sample.proto").write_bytes(proto.encode("latin-1"))
    (enum,) = workspace.facts()[2].enums
    assert [member.doc[0] for member in enum.members] == ["The value WORD_A.", "caf\N{REPLACEMENT CHARACTER}."]
    workspace.generate()


def test_units_close_a_docstring() -> None:
    assert as_docstring(" When.", "", unit="seconds") == ("When.", "", "Unit: seconds.")


def test_the_nearest_name_or_all_of_them() -> None:
    assert nearest("tiemout", ["timeout", "retry"]) == "did you mean 'timeout'?"
    assert nearest("zzz", ["b", "a"]) == "valid are: a, b"
    assert nearest("zzz", []) == "none is valid here"
    assert nearest("zzz", (str(number) for number in range(20))).endswith(", ...")


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def test_a_fingerprint_is_the_digest_of_a_text_that_can_be_written_by_hand() -> None:
    assert TRANSPORT_STREAM_EVENTS.fingerprint == digest(
        """kind server_streaming
request eventflux.transport.EventRequest
response eventflux.transport.TransportMessage
message eventflux.transport.EventRequest
1 node_id str
2 filter optional message eventflux.transport.EventFilter
3 batch_size i32
message eventflux.transport.TransportMessage
1 id str
2 message_type enum
3 payload bytes
4 headers map str str
5 timestamp i64
6 source_node str
7 target_node str
8 priority i32
9 compression enum
message eventflux.transport.EventFilter
1 stream_names repeated str
2 message_types repeated enum
3 start_timestamp i64
4 end_timestamp i64
"""
    )
    assert INVENTORY_RESERVE.fingerprint == digest(
        """kind bidi
request shop.inventory.v1.Reservation
response shop.inventory.v1.ReservationResult
message shop.inventory.v1.Reservation
1 sku str
2 count u32
message shop.inventory.v1.ReservationResult
0 outcome oneof
1 confirmation str
2 refusal message shop.inventory.v1.Refusal
message shop.inventory.v1.Refusal
1 reason enum
2 available u32
"""
    )


FINGERPRINT_CHANGES = {
    "new field": ("int32 y = 2;", "int32 y = 2;\n  int32 z = 7;", True),
    "other order": ("  int32 x = 1;\n  int32 y = 2;\n", "  int32 y = 2;\n  int32 x = 1;\n", True),
    "other type": ("int32 y = 2;", "int64 y = 2;", True),
    "other encoding": ("int32 y = 2;", "sint32 y = 2;", True),
    "other width": ("int32 y = 2;", "sfixed32 y = 2;", True),
    "optional": ("int32 y = 2;", "optional int32 y = 2;", True),
    "map value": ("map<string, string>", "map<string, bytes>", True),
    "streaming": ("returns (Point)", "returns (stream Point)", True),
    "new enum value": ("COLOR_RED = 1;", "COLOR_RED = 1;\n  COLOR_BLUE = 2;", False),
    "comment": ("int32 y = 2;", "int32 y = 2;  // up", False),
    "new message": ("enum Color", "message Other {}\nenum Color", False),
}


@pytest.mark.parametrize(("old", "new", "differs"), FINGERPRINT_CHANGES.values(), ids=FINGERPRINT_CHANGES)
def test_a_fingerprint_follows_what_is_read(tmp_path: Path, old: str, new: str, differs: bool) -> None:
    workspace = Workspace(tmp_path)
    found = []
    for proto in (PROTO, PROTO.replace(old, new)):
        workspace.write(config=CONFIG, proto=proto)
        ((method,),) = (service.methods for service in workspace.facts()[2].services)
        found.append(method.fingerprint)
    assert (found[0] != found[1]) is differs


def test_a_dotted_package_and_a_proto_without_a_package(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        config="package: acme.sdk\nprotos: [sample.proto]\n",
        proto='syntax = "proto3";\nmessage Point { int32 x = 1; }\n',
    )
    result = workspace.generate()
    assert result.output == tmp_path / "acme" / "sdk"
    assert "client.py" not in result.files
    assert "sample_pb2_grpc.py" not in result.files
    assert "AddSerializedFile(b'\\n\\x0csample.proto" in (result.output / "sample_pb2.py").read_text()


@pytest.mark.parametrize("module", ["client", "codec", "methods", "protobuf", "service"])
def test_what_general_modules_import_hides_no_message(module: str) -> None:
    """A message of such a name is imported there under another."""
    source = (ROOT / "tests/generated/inventory_sdk" / f"{module}.py").read_text("utf-8")
    own = ("inventory_sdk", "eventflux_runtime.well_known")  # for the latter see test_well_known.py
    names = [found.name for found in imports_of(module, source) if not found.target.startswith(own)]
    classes = {name for name in names if name[:1].isupper()}
    assert classes
    assert classes - IMPORTED_CLASSES == set()


def test_a_package_of_enums_alone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(proto='syntax = "proto3";\nenum Color { COLOR_RED = 0; }\n')
    workspace.generate()
    done = subprocess.run(
        [sys.executable, "-c", "from sample import Color; import sample.codec; print(Color(5))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_files_that_protoc_itself_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config="package: sample\nprotos: [sample.proto, a-b.proto, a_b.proto]\n")
    (tmp_path / "a-b.proto").write_text('syntax = "proto3";\nmessage A {}\n')
    (tmp_path / "a_b.proto").write_text('syntax = "proto3";\nmessage B {}\n')
    expected = "sample.yaml:2: a-b.proto and a_b.proto would both become a_b_pb2, for protoc too: rename one"
    assert workspace.refusal() == expected


@pytest.mark.parametrize(
    ("files", "stems"),
    [
        (["sub/point.proto", "point.proto"], ["sub_point", "point"]),
        (["a/b.proto", "a_b.proto"], ["a__b", "a_b"]),
        (["a_b.proto", "a/b.proto"], ["a_b", "a__b"]),
        (["orders.v1.proto", "acme.io/core.proto", "or ders.proto"], ["orders_v1", "acme_io_core", "or_ders"]),
        (["2fa.proto", "class.proto", "__init__.proto"], ["file_2fa", "class", "__init__"]),
        (["a.b.proto", "a_b.proto", "a+b.proto"], ["a_b_2", "a_b_3", "a_b"]),
        (["google/protobuf/timestamp.proto", "google_timestamp.proto"], ["google_timestamp_2"]),
        (["google/protobuf/mine.proto"], ["google_protobuf_mine"]),
    ],
)
def test_each_file_has_a_module_of_its_own(files: list[str], stems: list[str]) -> None:
    found = pb_modules(dict.fromkeys(files, "made"), {}, Places("x.yaml"))
    assert [found[file][1].removesuffix("_pb2") for file in files if found[file][0] == "made"] == stems
