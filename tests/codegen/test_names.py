"""Names that would meet are told apart, always in the same way; the options can rename anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.model import Enumeration, Message
from eventflux_codegen.package import Package
from tests.support.workspace import CONFIG, Workspace

HEAD = 'syntax = "proto3";\n'


def built(tmp_path: Path, proto: str, config: str = CONFIG) -> Package:
    workspace = Workspace(tmp_path)
    workspace.write(config=config, proto=proto)
    return workspace.facts()[2]


def classes(package: Package) -> dict[str, str]:
    """The classes of messages and enums, by their names in the IDL."""
    return {own.full_name: own.name for own in declared(package)}


def declared(package: Package) -> list[Message | Enumeration]:
    """Messages, then enums."""
    return [*package.messages, *package.enums]


def attributes(package: Package, message: str) -> list[str]:
    (found,) = (own for own in package.messages if own.full_name == message)
    return [field.name for field in found.fields]


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        ("message A { message B {} } message AB {}", {"A": "A", "A.B": "A_B", "AB": "AB"}),
        ("message A { message BC {} } message AB { message C {} }", {"A.BC": "A_BC", "AB.C": "AB_C"}),
        ("message foo_bar {} message FooBar {}", {"foo_bar": "Foo_bar", "FooBar": "FooBar"}),
        ("message None {} message TimeoutError {}", {"None": "None_", "TimeoutError": "TimeoutError_"}),
        ("message _ {} message _x {}", {"_": "X_", "_x": "X"}),
        ("message HTTPQuery {} message HttpQuery {}", {"HTTPQuery": "HTTPQuery", "HttpQuery": "HttpQuery"}),
        ("message A { enum Kind { K = 0; } oneof kind { int32 x = 1; } }", {"A": "A", "A.Kind": "AKind"}),
    ],
)
def test_classes(tmp_path: Path, proto: str, expected: dict[str, str]) -> None:
    found = classes(built(tmp_path, HEAD + proto))
    assert {name: found[name] for name in expected} == expected


def test_packages_tell_types_apart_and_those_that_are_asked_for_keep_their_names(tmp_path: Path) -> None:
    for package in ("a", "b"):
        (tmp_path / f"{package}.proto").write_text(f"{HEAD}package {package}.v1;\nmessage Foo {{}}\nmessage Own {{}}\n")
    imports = 'import "a.proto"; import "b.proto"; import "google/protobuf/timestamp.proto";\n'
    fields = "a.v1.Foo a = 1; b.v1.Foo b = 2; a.v1.Own own = 3; google.protobuf.Timestamp at = 4;"
    found = classes(built(tmp_path, f"{HEAD}package top;\n{imports}message Own {{ {fields} }} message Timestamp {{}}"))
    assert found == {
        "top.Own": "Own",
        "a.v1.Own": "AV1Own",
        "a.v1.Foo": "AV1Foo",
        "b.v1.Foo": "BV1Foo",
        "top.Timestamp": "Timestamp",
    }


def test_what_is_made_of_a_message_gives_way_to_what_is_declared(tmp_path: Path) -> None:
    text = (
        "message A { oneof kind { int32 x = 1; } } message AKind {} message AKindX {} message SClient {} service S {}"
    )
    package = built(tmp_path, HEAD + "package p; " + text)
    (oneof,) = package.messages[0].oneofs
    assert (oneof.union, oneof.variants[0].class_name) == ("AKindOneof", "AKindXChoice")
    assert [(service.client, service.service) for service in package.services] == [("PSClient", "PSService")]
    assert [service.blocking_client for service in package.services] == ["PSBlockingClient"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("int32 class = 1; oneof class_ { int32 x = 2; }", ["class__", "class_"]),
        ("int32 __x = 1; int32 x = 2;", ["_x", "x"]),
        ("int32 unknown_fields = 1; int32 _unknown_fields = 2;", ["unknown_fields_", "_unknown_fields_"]),
    ],
)
def test_attributes(tmp_path: Path, fields: str, expected: list[str]) -> None:
    assert attributes(built(tmp_path, f"{HEAD}message A {{ {fields} }}"), "A") == expected


def test_members(tmp_path: Path) -> None:
    values = "option allow_alias = true; E_name = 0; E_name_ = 0; E_class = 2;"
    odd = "enum F { option allow_alias = true; _ZERO = 0; ZERO_ = 0; _1 = 2; real = 3; mro = 4; }"
    package = built(tmp_path, f"{HEAD}enum E {{ {values} }} {odd}")
    assert [member.name for member in package.enums[0].members] == ["name__", "name_", "class_"]
    assert [member.name for member in package.enums[1].members] == ["ZERO__", "ZERO_", "VALUE_1_", "real_", "mro_"]


def test_methods(tmp_path: Path) -> None:
    rpcs = ["DoIt", "Do_It", "doIt", "_Channel", "__init", "Tuple", "import", "_bindings"]
    text = "".join(f"rpc {name}(M) returns (M);" for name in rpcs)
    package = built(tmp_path, f"{HEAD}message M {{}} message DoIt {{}} service S {{ {text} }}")
    (service,) = package.services
    assert [method.name for method in service.methods] == [
        *("do_it", "do_it_", "do_it__", "_channel_", "_init", "tuple_", "import_", "_bindings_"),
    ]
    assert len(set(package.method_names)) == len(package.method_names)


def test_constants_of_methods_and_codecs(tmp_path: Path) -> None:
    services = "service AB { rpc Codec(A.B) returns (A); } service A_ { rpc B_Codec(A) returns (A); }"
    package = built(tmp_path, f"{HEAD}package p; message A {{ message B {{}} }} {services}")
    assert package.method_names == ("AB_CODEC", "AB_CODEC_", "A_B_CODEC", "A_CODEC")


@pytest.mark.parametrize(
    ("proto", "stems"),
    [
        ("message HTTPQuery {} message HttpQuery {} message Other {}", ["HTTPQuery", "HttpQuery", "other"]),
        ("message Bytes { Bytes b = 1; } message U32 {} message Enum {}", ["Bytes", "U32", "Enum"]),
        ("message MaxDepth {} enum MaxEmpty { A = 0; }", ["max_depth", "MaxEmpty"]),
    ],
)
def test_functions(tmp_path: Path, proto: str, stems: list[str]) -> None:
    package = built(tmp_path, HEAD + proto)
    assert [own.snake for own in declared(package)] == stems


RENAMED = CONFIG + (
    "enums: {E: {name: Kinds, values: {E_ONE: {name: SINGLE}}}}\n"
    "messages:\n"
    "  M:\n"
    "    name: Thing\n"
    "    fields: {x: {name: easting}}\n"
    "    oneofs: {kind: {name: sort, union: Sort}}\n"
    "    choices: {text: {name: Words}}\n"
    "services: {S: {name: Api, methods: {Do: {name: perform}}}}\n"
)


def test_the_options_rename_anything(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    text = "message M { int32 x = 1; oneof kind { string text = 2; E e = 3; } } enum E { E_ZERO = 0; E_ONE = 1; }"
    workspace.write(config=RENAMED, proto=f"{HEAD}{text} service S {{ rpc Do(M) returns (M); }}")
    workspace.generate()
    program = (
        "from sample import *\nimport typing\n"
        "made = Thing(easting=3, sort=Words('a'))\n"
        "assert Thing.from_protobuf(made.to_protobuf()) == Thing.from_wire(made.to_wire()) == made\n"
        'assert made.to_json() == \'{"x": 3, "text": "a"}\', made.to_json()\n'
        "assert Thing.from_proto(made.to_proto()) == made\n"
        "print(Kinds.SINGLE, typing.get_args(Sort), ApiClient.perform.__name__, ApiService.perform.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    expected = "1 (<class 'sample.messages.Words'>, <class 'sample.messages.ThingKindE'>) perform perform\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_all_names_that_cannot_be_are_told_in_one_run(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    config = CONFIG + (
        "enums: {E: {name: typing, values: {Z: {name: real}}}}\n"
        "messages: {A: {name: Same, fields: {x: {name: class}, y: {name: self}}}, B: {name: Same, aliases: [A-b]}}\n"
        "services: {S: {methods: {Do: {name: _channel}}}}\n"
    )
    text = "message A {\n  int32 x = 1;\n  int32 y = 2;\n}\nmessage B {}\nenum E { Z = 0; }\n"
    workspace.write(config=config, proto=f"{HEAD}{text}service S {{ rpc Do(A) returns (B); }}\n")
    assert workspace.refusals() == [
        "sample.proto:6: B and A (sample.proto:2) would both be named Same in Python: give one a 'name' in the options",
        "sample.proto:7: E cannot be named typing, which the generated code needs: give one a 'name' in the options",
        "sample.yaml:3: E.Z cannot be named real in Python: choose another name",
        "sample.yaml:4: A.x cannot be named class in Python: choose another name",
        "sample.yaml:4: A.y cannot be named self in Python: choose another name",
        "sample.yaml:5: S.Do cannot be named _channel in Python: choose another name",
        "sample.yaml:4: an alias of B cannot be named A-b in Python: give it a 'name' in the options",
    ]


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ("messages: {A: {fields: {z: {name: a}}}}", "sample.yaml:3: A has no field 'z': valid are: x"),
        ("messages: {A: {oneofs: {kin: {name: a}}}}", "sample.yaml:3: A has no oneof 'kin': did you mean 'kind'?"),
        ("messages: {A: {choices: {x: {name: a}}}}", "sample.yaml:3: A has no choice of a oneof 'x': valid are: y"),
        ("enums: {E: {values: {ZERA: {name: a}}}}", "sample.yaml:3: E has no value 'ZERA': did you mean 'ZERO'?"),
    ],
)
def test_a_name_for_what_there_is_not(tmp_path: Path, options: str, refusal: str) -> None:
    workspace = Workspace(tmp_path)
    text = "message A { int32 x = 1; oneof kind { int32 y = 2; } } enum E { ZERO = 0; }"
    workspace.write(config=f"{CONFIG}{options}\n", proto=HEAD + text)
    assert workspace.refusal() == refusal


MEETING = """
package p;
enum Status { STATUS_NONE = 0; STATUS_DONE = 1; }
enum Kind { KIND_A = 0; KIND_B = 1; }
message TimeoutError { int32 code = 1; }
message Bytes { Bytes deeper = 1; bytes data = 2; repeated uint32 numbers = 3; }
message HTTPQuery { string url = 1; }
message HttpQuery { int32 code = 1; }
message M {
  Kind Status = 1;
  Status Kind = 2;
  TimeoutError TimeoutError = 3;
  Bytes Bytes = 4;
  repeated HTTPQuery HTTPQuery = 5;
  map<string, HttpQuery> HttpQuery = 6;
  oneof MChoice { string text = 7; HttpQuery query = 8; }
  optional Status typing = 9;
  enum Choice { CHOICE_ZERO = 0; }
  Choice picked = 10;
}
message _ { int32 _ = 1; }
service class { rpc import(M) returns (stream .p.Bytes); rpc None(stream HTTPQuery) returns (M); }
service Empty {}
"""

PROGRAM = """
import importlib, typing
from sample import *
import sample.client, sample.service
m = M(Status=Kind.B, Kind=Status.DONE, TimeoutError=TimeoutError_(code=3), HTTPQuery=[HTTPQuery(url="u")],
      Bytes=Bytes(deeper=Bytes(data=b"x", numbers=[7])), HttpQuery={"a": HttpQuery(code=4)}, typing_=Status.DONE)
for way in ("wire", "protobuf", "json", "proto"):
    assert getattr(M, f"from_{way}")(getattr(m, f"to_{way}")()) == m, way
assert m.to_protobuf() == m.to_proto().SerializeToString(deterministic=True)
hints = typing.get_type_hints(M)
assert hints["Status"] is Kind and hints["Kind"] is Status and M().Kind is Status.NONE
print(ClassClient.import_.__name__, ClassService.none.__name__, EmptyService.__name__)
"""


def test_a_file_of_meetings_becomes_a_package_that_works_and_type_checks(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(proto=HEAD + MEETING)
    workspace.generate()
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("import_ none EmptyService\n", "")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null", "-p", "sample"]
    typed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert typed.stdout.startswith("Success"), typed.stdout
    assert (
        subprocess.run([sys.executable, "-m", "compileall", "-q", "sample"], cwd=tmp_path, check=False).returncode == 0
    )


@pytest.mark.parametrize("proto", ["", "package p;", "enum E { A = 0; }", "message M {}", "service S {}"])
def test_a_file_with_little_in_it(tmp_path: Path, proto: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(proto=HEAD + proto)
    workspace.generate()
    modules = [f"sample.{path.stem}" for path in (tmp_path / "sample").glob("*.py")]
    program = f"import sample, {', '.join(modules)}\nprint([getattr(sample, name) for name in sample.__all__])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "SClient" in done.stdout or "service" not in proto
