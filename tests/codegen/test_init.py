"""`init`: the first YAML that it writes generates as it stands, and its comments name what the IDL has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from eventflux_codegen.cli import main
from eventflux_codegen.option_schema import schema_text
from eventflux_codegen.product import FileOptions
from tests.support.workspace import PROTO


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an IDL."""
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "sample.proto").write_text(PROTO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_generates_as_it_stands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "proto", "--package", "acme.orders", "--out", "src"]) == 0
    *written, advice = capsys.readouterr().out.splitlines()
    assert written == ["wrote proto/acme.orders.yaml", "wrote proto/eventflux-codegen.schema.json"]
    assert advice == "run eventflux-codegen generate --config proto/acme.orders.yaml"
    assert main(advice.removeprefix("run eventflux-codegen ").split()) == 0
    assert (folder / "src" / "acme" / "orders" / "codec.py").is_file()


def test_the_comments_become_options_when_they_are_taken_out(folder: Path) -> None:
    assert main(["init", "proto"]) == 0
    config = folder / "proto" / "demo.yaml"
    head, rest = config.read_text().split("protos: [.]\n")
    first = head.splitlines()[0]
    assert first == "# yaml-language-server: $schema=eventflux-codegen.schema.json"
    schema = (folder / "proto" / "eventflux-codegen.schema.json").read_text()
    assert schema == schema_text(FileOptions)
    assert json.loads(schema)["properties"]["package"]
    lines = [line for line in rest.splitlines() if ":" in line and not line.startswith(("# Further", "# include"))]
    examples = [line[2:] for line in lines if line.startswith(("# enums", "# messages", "# services", "#   "))]
    config.write_text("\n".join([head, "protos: [.]", *examples, ""]))
    options = YAML(typ="safe").load(config)
    assert options["enums"] == {"demo.Color": {"strip_prefix": "COLOR_"}}
    assert options["messages"] == {"demo.Point": {"name": "Point"}}
    assert options["services"]["demo.Plane"]["methods"] == {
        "Move": {"timeout_s": 10.0, "idempotent": True, "errors": ["NOT_FOUND"]}
    }
    assert main(["generate", "--config", str(config)]) == 0


def test_protobuf_s_own_types_are_no_examples(folder: Path) -> None:
    imported = 'syntax = "proto3"; import "google/protobuf/struct.proto"; message A { google.protobuf.Value v = 1; }'
    (folder / "proto" / "sample.proto").write_text(imported)
    assert main(["init", "proto"]) == 0
    text = (folder / "proto" / "proto.yaml").read_text()
    assert "#   A: {name: A}" in text
    assert "google" not in text


@pytest.mark.parametrize(
    ("name", "expected"), [("class", "class_sdk"), ("a.B-c", "a_b_c"), ("3d", "d_sdk")], ids=lambda text: text
)
def test_the_package_is_named_as_the_directory_where_the_proto_has_no_package(
    folder: Path, name: str, expected: str
) -> None:
    (folder / name).mkdir()
    (folder / name / "a.proto").write_text('syntax = "proto3"; message A {}')
    assert main(["init", name]) == 0
    assert (folder / name / f"{expected}.yaml").is_file()


def test_a_yaml_that_is_there_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "proto"]) == 0
    (folder / "proto" / "demo.yaml").write_text("mine")
    capsys.readouterr()
    assert main(["init", "proto"]) == 2
    error = "eventflux-codegen: proto/demo.yaml: is there already: remove it, or give another --package\n"
    assert capsys.readouterr().err == error
    assert (folder / "proto" / "demo.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "command line: no such directory: nowhere"),
        (["empty"], "command line: no such file: '.': none is valid here"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert main(["init", *arguments]) == 2
    assert capsys.readouterr().err == f"eventflux-codegen: {expected}\n"
