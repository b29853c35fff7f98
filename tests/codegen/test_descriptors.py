"""The modules of protobuf's classes: they lie in the package, and their descriptors are those that protoc has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

from eventflux_codegen import generate
from eventflux_codegen.order import Order
from eventflux_codegen.protobuf_module import generate_protobuf
from eventflux_codegen.relocation import PbModule, pb_modules
from eventflux_codegen.well_known import GOOGLEAPIS, is_provided
from tests.project.import_graph import ROOT

ODD = {
    "or ders/größe-v1.2.proto": """package odd.a; import public "2fa/class.proto"; import "a_b.proto";
        message Size { odd.b.B b = 1; odd.c.C c = 2; }""",
    "2fa/class.proto": "package odd.b; message B { string coding = 1; } service None { rpc lambda(B) returns (B); }",
    "a_b.proto": "package odd.c; message C { int32 x = 1; }",
    "a/b.proto": """message NoPackage { map<int32, string> by_id = 1; string foo_bar = 2 [json_name = "fooBar"];
        string foo_baz = 3 [json_name = "other's \\"name\\""]; string trailing_ = 4;
        string a__b_1 = 5; string plain = 6; message Inner {
          string in_it = 1 [json_name = "inIt"]; oneof c { int32 one_of = 2 [json_name = "oneOf"]; } } }""",
    "options.proto": """package odd.options; import "google/protobuf/descriptor.proto";
        message Rule { string a_b = 1; repeated int32 c = 2; }
        extend google.protobuf.FieldOptions { Rule rule_of = 50001; int32 other_of = 50000; }
        message Scope { extend google.protobuf.MessageOptions { string in_scope = 50003; } }""",
    "optional.proto": """package odd.optional; import "options.proto"; import "google/rpc/status.proto";
        import "google/longrunning/operations.proto";
        message M { option (odd.options.Scope.in_scope) = "it's"; option deprecated = true;
          optional int32 maybe = 1 [(odd.options.rule_of) = { a_b: "\\303\\251\\\\n'", c: [2, 1] },
            (odd.options.other_of) = 3, deprecated = true, json_name = "MAYBE", retention = RETENTION_SOURCE];
          google.rpc.Status status = 2; google.longrunning.Operation operation = 3; }""",
    "edition/x.proto": """edition = "2023"; package odd.edition; option features.field_presence = IMPLICIT;
        message E { int32 plain = 1; int32 set = 2 [features.field_presence = EXPLICIT];
          repeated int32 l = 3 [features.repeated_field_encoding = EXPANDED]; }""",
    "google/protobuf/mine.proto": "package odd.mine; message Timestamp { int32 x = 1; }",
}
"""Names that Python would not take, and what stands in descriptors of one kind only."""
PROVIDED = {
    "google/rpc/status.proto": "package google.rpc; message Status { int32 code = 1; }",
    "google/longrunning/operations.proto": "package google.longrunning; message Operation { string name = 1; }",
}
IDL = {
    "idl/transport.yaml": ROOT / "generated/eventflux_transport",
    **{
        f"tests/idl/{name}.yaml": ROOT / f"tests/generated/{package}"
        for name, package in {
            "cluster": "cluster_sdk",
            "interop": "interop_package",
            "inventory": "inventory_sdk",
            "kitchen": "kitchen_package",
            "legacy": "legacy_package",
        }.items()
    },
}
_SERIALIZED = re.compile(r"^DESCRIPTOR = .*AddSerializedFile\((b['\"].*['\"])\)$", re.MULTILINE)
_OFFSET = re.compile(r"^ +_globals\['\w+'\]\._serialized_(?:start|end)=\d+$", re.MULTILINE)


def descriptor(text: str) -> tuple[bytes, list[str]]:
    """What a module hands to protobuf's pool, and where in it things stand."""
    found = _SERIALIZED.search(text)
    assert found is not None
    return ast.literal_eval(found[1]), _OFFSET.findall(text)


def by_protoc(folder: Path, include: Path, *names: str) -> dict[str, str]:
    """The modules that protoc itself makes, by the names of files."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{include}", f"--python_out={folder}", *names]
    subprocess.run(command, check=True)
    stems = (name.removesuffix(".proto").replace("-", "_") for name in names)
    paths = (Path(folder, *re.split(r"[./]", stem)) for stem in stems)
    return {name: path.with_name(f"{path.name}_pb2.py").read_text() for name, path in zip(names, paths, strict=True)}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text if text.startswith("edition") else f'syntax = "proto3"; {text}', "utf-8")


@pytest.mark.parametrize("config", IDL)
def test_the_descriptor_is_that_of_protocs_own_module(config: str, tmp_path: Path) -> None:
    order = Order.of_yaml(ROOT / config)
    names = order.read().listed
    theirs = by_protoc(tmp_path, (ROOT / config).parent, *names)
    modules = pb_modules(dict.fromkeys(names, "p"), {}, order.places)
    for name in names:
        assert descriptor((IDL[config] / f"{modules[name][1]}.py").read_text()) == descriptor(theirs[name]), name


def test_odd_names_and_options_make_no_difference(tmp_path: Path) -> None:
    write(tmp_path, ODD | PROVIDED)
    listed = ", ".join(f'"{name}"' for name in ODD)
    (tmp_path / "odd.yaml").write_text(f"package: odd.sdk\nprotos: [{listed}]\n")
    result = generate(tmp_path / "odd.yaml")
    places = Order.of_yaml(tmp_path / "odd.yaml").places
    modules = pb_modules(dict.fromkeys([*ODD, *PROVIDED], "odd.sdk"), {}, places)
    (tmp_path / "protoc").mkdir()
    theirs = by_protoc(tmp_path / "protoc", tmp_path, *ODD)
    for name in ODD:
        text = (result.output / f"{modules[name][1]}.py").read_text()
        assert descriptor(text) == descriptor(theirs[name]), name
        assert f"# source: {name}\n" in text


def test_modules_of_one_run_may_lie_in_several_packages_and_be_somebody_elses(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "common.proto": "package acme.common; message Place { int32 x = 1; }",
            "kept.proto": "package kept; message Kept {}",
            "top.proto": "package top; message Top {}",
            "order.proto": """package acme.orders; import "common.proto"; import "kept.proto"; import "top.proto";
                import "google/protobuf/empty.proto"; service S { rpc Get(google.protobuf.Empty) returns (Order); }
                message Order { acme.common.Place place = 1; kept.Kept kept = 2; top.Top top = 3; }""",
        },
    )
    (tmp_path / "x.yaml").write_text("package: x\nprotos: [order.proto]\n")
    order = Order.of_yaml(tmp_path / "x.yaml")
    modules: dict[str, PbModule] = {
        "common.proto": ("acme.common", "common_pb2", "common_pb2"),
        "kept.proto": ("some.body", "kept_pb2", "kept_pb2"),
        "top.proto": ("", "top_pb2", "top_pb2"),
        "order.proto": ("acme.orders.v1", "order_pb2", "order_pb2"),
        "google/protobuf/empty.proto": ("google.protobuf", "empty_pb2", "google_empty_pb2"),
    }
    texts = generate_protobuf(order.read().descriptors, modules, {"acme.common": "# one", "acme.orders.v1": "# two"})
    assert sorted(texts) == [
        ("acme.common", "common_pb2.py"),
        ("acme.common", "common_pb2.pyi"),
        *(("acme.orders.v1", f"order_pb2{end}") for end in (".py", ".pyi", "_grpc.py", "_grpc.pyi")),
    ]
    assert {text.partition("\n")[0] for (package, _), text in texts.items() if package == "acme.common"} == {"# one"}
    text = texts["acme.orders.v1", "order_pb2.py"]
    assert text.startswith("# two\n")
    for line in ("from acme.common import common_pb2 as", "from some.body import kept_pb2 as", "import top_pb2 as"):
        assert re.search(f"^{line} ", text, re.MULTILINE)
    assert "from acme.orders.v1 import order_pb2 as" in texts["acme.orders.v1", "order_pb2_grpc.py"]
    (tmp_path / "protoc").mkdir()
    for name, theirs in by_protoc(tmp_path / "protoc", tmp_path, "common.proto", "order.proto").items():
        package, module, _ = modules[name]
        assert descriptor(texts[package, f"{module}.py"]) == descriptor(theirs)


def test_json_names_of_the_idl_stay_where_nothing_tells_of_the_source(tmp_path: Path) -> None:
    write(tmp_path, {"x.proto": 'message M { int32 a_b = 1 [json_name = "other"]; int32 c_d = 2; }'})
    (tmp_path / "x.yaml").write_text("package: x\nprotos: [x.proto]\n")
    descriptors = Order.of_yaml(tmp_path / "x.yaml").read().descriptors
    descriptors.file[0].ClearField("source_code_info")
    texts = generate_protobuf(descriptors, {"x.proto": ("x", "x_pb2", "x_pb2")}, {"x": "#"})
    (tmp_path / "protoc").mkdir()
    theirs = by_protoc(tmp_path / "protoc", tmp_path, "x.proto")
    assert descriptor(texts["x", "x_pb2.py"]) == descriptor(theirs["x.proto"])


def test_the_list_of_provided_files_is_that_of_the_installed_package() -> None:
    try:
        found = metadata.files("googleapis-common-protos") or []
    except metadata.PackageNotFoundError:
        pytest.skip("needs googleapis-common-protos")
    modules = {str(path): path for path in found if path.name.endswith("_pb2.py")}
    own_modules = ("operations_proto", "operations_grpc")  # which the module of operations.proto is made of
    assert {
        name.replace("_pb2.py", ".proto") for name in modules if not Path(name).name.startswith(own_modules)
    } == GOOGLEAPIS
    for name in GOOGLEAPIS:
        path = name.replace("longrunning/operations.", "longrunning/operations_proto.").replace(".proto", "_pb2.py")
        assert f"# source: {name}\n" in modules[path].read_text(), "protobuf's pool knows it by that name"


@pytest.mark.parametrize("name", ["google/api/mine.proto", "google/rpc/status/mine.proto", "google/protobuf/x.proto"])
def test_other_files_of_those_folders_are_the_users(name: str) -> None:
    assert not is_provided(name)
