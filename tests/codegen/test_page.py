"""docs/generating.md: its commands are the generator's, and its error is what the generator says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from eventflux_codegen.cli import main, make_parser
from eventflux_codegen.compilation import REQUIREMENTS
from eventflux_codegen.compiler import run_protoc
from tests.project.import_graph import ROOT

PAGE: Final = (ROOT / "docs/generating.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The commands of the page's shell blocks and of its text."""
    lines = [line.partition(" #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    quoted = [" ".join(text.split()) for text in re.findall(r"`(eventflux-codegen \w+ [^`]*)`", PAGE)]
    return [line for line in (*lines, *quoted) if line.startswith("eventflux-codegen ")]


@pytest.mark.parametrize("command", commands())
def test_each_command_is_one(command: str) -> None:
    assert make_parser().parse_args(shlex.split(command)[1:]).run is not None


@pytest.mark.parametrize("command", [line for line in commands() if line.split()[1] == "generate"])
def test_each_way_to_generate_goes_its_way(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
    monkeypatch.chdir(tmp_path)
    Path("proto/v1").mkdir(parents=True)
    for name, package in (("orders", "orders"), ("v1/parts", "parts")):
        Path(f"proto/{name}.proto").write_text(f'syntax = "proto3";\npackage {package};\nmessage Made {{}}\n')
    Path("proto/orders.yaml").write_text("package: orders_rpc\nprotos: [orders.proto]\n")
    run_protoc(["--proto_path=proto", "--descriptor_set_out=image.binpb", "orders.proto"]).check_returncode()
    assert main(shlex.split(command)[1:]) == 0
    assert list(tmp_path.rglob("orders_rpc/**/messages.py"))


def test_every_command_is_told() -> None:
    told = {command.split()[1] for command in commands()} | set(re.findall(r"`eventflux-codegen (\w+)`", PAGE))
    assert told == {"breaking", "check", "compile", "generate", "init", "schema"}


def test_what_compiling_needs_is_told() -> None:
    assert f"pip install {' '.join(repr(name) for name in REQUIREMENTS)}" in PAGE


def test_the_error_is_the_generator_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
    monkeypatch.chdir(tmp_path)
    text = 'syntax = "proto3";\n\npackage orders;\n\nmessage Order {\n  string id = 1;\n  int32 count = 2;\n}\n'
    text += "service Orders { rpc Place(Order) returns (Order); }\n"
    Path("proto").mkdir()
    Path("proto/orders.proto").write_text(text)
    assert main(["generate", "proto", "--package", "orders"]) == 0
    capsys.readouterr()
    Path("proto/orders.proto").write_text(text.replace("int32", "sint32"))
    assert main(["generate", "proto", "--package", "orders"]) == 2
    assert capsys.readouterr().err.split() == blocks("text")[0].split()


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
