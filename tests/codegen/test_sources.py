"""Ways to name the sources: directories, files, patterns and descriptor sets, on the command line and in the YAML."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.cli import main
from eventflux_codegen.descriptor_set import arrange, own_files
from eventflux_codegen.input import Input
from eventflux_codegen.proto_files import Folders, Names, expand
from eventflux_codegen.yaml_source import Places

HEAD = 'syntax = "proto3";\npackage shop;\n'
FILES = {
    "shop.proto": HEAD + 'import "v1/part.proto";\n// A whole.\nmessage Whole {\n  // One.\n  v1.Part part = 1;\n}\n',
    "v1/part.proto": HEAD.replace("shop", "shop.v1") + "message Part { int32 x = 1; }\n",
    "v1/deep/low.proto": HEAD + "message Low { int32 x = 1; }\n",
    "v2/part.proto": HEAD.replace("shop", "shop.v2") + "message Other { int32 x = 1; }\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with .proto files in it, beside which a person stands."""
    for name, text in FILES.items():
        path = tmp_path / "proto" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "proto" / ".cache").mkdir()
    (tmp_path / "proto" / ".cache" / "left.proto").write_text("nothing")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what protoc's own plugins make: it takes most of the time."""
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})


def descriptor_set(folder: Path, *names: str, options: tuple[str, ...] = ("--include_imports",)) -> Path:
    """What protoc makes of files of the directory."""
    target = folder / "image.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", *options, f"--descriptor_set_out={target}", *names]
    subprocess.run(command, cwd=folder, check=True)
    return target


def texts(package: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in package.iterdir()}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["."], ["shop.proto", "v1/deep/low.proto", "v1/part.proto", "v2/part.proto"]),
        (["v1"], ["v1/deep/low.proto", "v1/part.proto"]),
        (["v1/"], ["v1/deep/low.proto", "v1/part.proto"]),
        (["./v1"], ["v1/deep/low.proto", "v1/part.proto"]),
        (["*.proto"], ["shop.proto"]),
        (["*/part.proto"], ["v1/part.proto", "v2/part.proto"]),
        (["v[!2]/*.proto"], ["v1/part.proto"]),
        (["v?/part.proto"], ["v1/part.proto", "v2/part.proto"]),
        (["**/p*.proto"], ["v1/part.proto", "v2/part.proto"]),
        (["v1/**"], ["v1/deep/low.proto", "v1/part.proto"]),
        (["v1/**/*.proto"], ["v1/deep/low.proto", "v1/part.proto"]),
        (["shop.proto", "v1/part.proto", "v1/*.proto"], ["shop.proto", "v1/part.proto"]),
    ],
)
def test_entries_mean_files_directories_and_patterns(folder: Path, entries: list[str], expected: list[str]) -> None:
    places = Places("sample.yaml")
    assert sorted(expand(entries, Folders([folder / "proto"]), places)) == expected
    assert sorted(expand(entries, Names(sorted(FILES)), places)) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    (folder / "proto" / "a[1].proto").write_text(HEAD)
    assert expand(["a[1].proto"], Folders([folder / "proto"]), Places("sample.yaml")) == ("a[1].proto",)


def test_a_directory_becomes_a_package_without_a_yaml(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["proto/", "--package", "acme.orders", "--out", "src"]
    assert main(["generate", *arguments]) == 0
    assert "wrote acme.orders.lock" in capsys.readouterr().out
    assert (folder / "proto" / "acme.orders.lock").is_file()
    assert main(["check", *arguments]) == 0
    program = "from acme.orders import Whole, Part, Low, Other; print(Whole.from_wire(Whole(part=Part(x=1)).to_wire()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder / "src", capture_output=True, text=True, check=True
    )
    assert done.stdout == "Whole(part=Part(x=1))\n"
    (folder / "src" / "acme" / "orders" / "codec.py").unlink()
    capsys.readouterr()
    assert main(["check", *arguments]) == 1
    assert "run eventflux-codegen generate proto/ --package acme.orders --out src\n" in capsys.readouterr().err


def test_each_way_gives_the_same_package(folder: Path) -> None:
    assert main(["generate", "proto", "--package", "shop", "--out", "a"]) == 0
    (folder / "proto" / "shop.yaml").write_text("package: shop\noutput: ../b/shop\nprotos: [v2, '*.proto', v1]\n")
    assert main(["generate", "--config", "proto/shop.yaml"]) == 0
    assert (
        main(
            [
                "generate",
                "proto/v2/part.proto",
                "proto/v1",
                "proto/*.proto",
                "-I",
                "proto",
                "--package",
                "shop",
                "--out",
                "c",
            ]
        )
        == 0
    )
    descriptor_set(folder, *reversed(FILES), options=("--include_imports", "--include_source_info"))
    assert main(["generate", "image.binpb", "--package", "shop", "--out", "d"]) == 0
    (folder / "set.yaml").write_text("package: shop\noutput: e/shop\nprotos: [.]\ndescriptor_set: image.binpb\n")
    assert main(["generate", "set.yaml"]) == 0
    expected = texts(folder / "a" / "shop")
    assert b"A whole." in expected["messages.py"]
    for other in "bcde":
        assert texts(folder / other / "shop") == expected, other


@pytest.mark.usefixtures("quick")
def test_a_set_without_comments_will_do(folder: Path) -> None:
    descriptor_set(folder, "shop.proto")
    assert main(["generate", "image.binpb", "--package", "shop"]) == 0
    assert "class Whole" in (folder / "shop" / "messages.py").read_text()


def test_what_buf_marks_as_an_import_is_not_asked_for(folder: Path) -> None:
    descriptors = FileDescriptorSet.FromString(descriptor_set(folder, "shop.proto").read_bytes())
    part, whole = descriptors.file
    assert own_files(descriptors) == ("v1/part.proto", "shop.proto")
    mark = bytes([0xD2, 0xF6, 0x03, 0x02, 0x08, 0x01])  # field 8042, two bytes: field 1 is 1
    no_mark = bytes([0xD2, 0xF6, 0x03, 0x02, 0x08, 0x00])
    marked = FileDescriptorSet(file=[FileDescriptorProto.FromString(part.SerializeToString() + mark), whole])
    assert own_files(marked) == ("shop.proto",)
    unmarked = FileDescriptorSet(file=[FileDescriptorProto.FromString(part.SerializeToString() + no_mark), whole])
    assert own_files(unmarked) == ("v1/part.proto", "shop.proto")
    # What buf noted is not in the package's own descriptors; options that protobuf does not know are.
    assert arrange(marked, ["shop.proto"]) == arrange(descriptors, ["shop.proto"])
    part.options.MergeFromString(mark)
    assert arrange(descriptors, ["shop.proto"]).file[0].options.SerializeToString() == mark


def test_files_come_in_one_order_whoever_lists_them(folder: Path) -> None:
    names = sorted(FILES)
    made = [FileDescriptorSet.FromString(descriptor_set(folder, *some).read_bytes()) for some in (names, names[::-1])]
    assert made[0] != made[1]
    assert arrange(made[0], names) == arrange(made[1], names[::-1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            [],
            "command line: no sources are named, and there is no idl/transport.yaml: name a directory of .proto files",
        ),
        (["nowhere", "--package", "shop"], "command line: no such file or directory: nowhere"),
        (
            ["proto/*.prot", "--package", "shop"],
            "command line: no .proto file matches '*.prot': did you mean 'shop.proto'?",
        ),
        (["proto"], "command line: --package is missing: name the Python package to generate"),
        (["proto", "--package", "no-name"], "command line: package 'no-name' is not a name that Python takes"),
        (
            ["proto", "--config", "x.yaml", "--package", "a"],
            "command line: --config names the sources already: drop it, or the others",
        ),
        (["x.yaml", "--package", "a"], "command line: --package goes with .proto files: x.yaml says it by itself"),
        (
            ["text.txt", "--package", "shop"],
            "command line: text.txt is no descriptor set: make it by buf build -o, or by protoc",
        ),
        (["empty.binpb", "--package", "shop"], "command line: empty.binpb holds no files: make it by buf build -o"),
        (
            ["image.binpb", "proto", "--package", "a"],
            "command line: image.binpb is no .proto file: give a descriptor set alone",
        ),
        (
            ["lean.binpb", "--package", "a"],
            "lean.binpb: shop.proto imports v1/part.proto, which is not there: make it by",
        ),
        (
            ["wrong.binpb", "--package", "a"],
            "wrong.binpb: shop.proto is not valid: couldn't resolve name '.shop.v1.Part'",
        ),
        (
            ["proto/v1/part.proto", "proto/v2/part.proto", "--package", "a"],
            "proto/v1/part.proto and proto/v2/part.proto would both be imported as part.proto: name a directory above",
        ),
        (["hollow", "--package", "a"], "command line: no such file: '.': none is valid here"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.txt").write_text("hello\n")
    (folder / "empty.binpb").touch()
    (folder / "hollow").mkdir()
    whole = FileDescriptorSet.FromString(descriptor_set(folder, "shop.proto").read_bytes())
    (folder / "lean.binpb").write_bytes(FileDescriptorSet(file=whole.file[1:]).SerializeToString())
    del whole.file[0].message_type[:]
    (folder / "wrong.binpb").write_bytes(whole.SerializeToString())
    assert main(["generate", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert expected in said.err


def test_a_circle_of_imports_is_refused(folder: Path) -> None:
    files = [FileDescriptorProto(name=a, dependency=[b], syntax="proto3") for a, b in (("a", "b"), ("b", "a"))]
    (folder / "circle.binpb").write_bytes(FileDescriptorSet(file=files).SerializeToString())
    assert main(["generate", "circle.binpb", "--package", "a"]) == 2


def test_a_mistake_in_the_idl_has_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "proto" / "shop.proto").write_text(HEAD + "message Whole { int32 x = ; }\n")
    assert main(["generate", "proto", "--package", "shop"]) == 2
    assert capsys.readouterr().err == "eventflux-codegen: proto/shop.proto:3: Expected field number.\n"


@pytest.mark.usefixtures("quick")
def test_out_says_where_to_put_the_package_of_a_yaml(folder: Path) -> None:
    (folder / "proto" / "shop.yaml").write_text("package: acme.shop\nprotos: [.]\n")
    assert main(["generate", "proto/shop.yaml", "--out", "elsewhere"]) == 0
    assert (folder / "elsewhere" / "acme" / "shop" / "codec.py").is_file()
    assert (folder / "proto" / "shop.lock").is_file()
    assert not (folder / "proto" / "acme").exists()


def test_given_descriptors_are_verified(folder: Path) -> None:
    whole = FileDescriptorSet.FromString(descriptor_set(folder, "shop.proto").read_bytes())
    assert Input.given(whole.file, ["shop.proto"], Places("x", 0)()).listed == ("shop.proto",)
