"""protoc-gen-eventflux: under protoc it makes what `eventflux-codegen generate` makes, and says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest

from eventflux_codegen.cli import main
from eventflux_codegen.plugin import respond
from tests.project.import_graph import ROOT
from tests.support.workspace import CONFIG, PROTO, Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.write()
    (tmp_path / "other.proto").write_text(
        'syntax = "proto3";\nimport "sample.proto";\nmessage O { demo.Point p = 1; }\n'
    )
    plugin = tmp_path / "protoc-gen-eventflux"
    plugin.write_text(f"#!/bin/sh\nexec {sys.executable} -m eventflux_codegen.plugin\n")
    plugin.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return workspace


def protoc(workspace: Workspace, parameters: str, *names: str) -> subprocess.CompletedProcess[str]:
    """Runs protoc with the plugin."""
    (workspace.root / "out").mkdir(exist_ok=True)
    plugin = f"--plugin=protoc-gen-eventflux={workspace.root}/protoc-gen-eventflux"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", plugin, "--eventflux_out=out", *names]
    command += [f"--eventflux_opt={parameters}"] if parameters else []
    return subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False)


def test_the_script_is_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["protoc-gen-eventflux"] == "eventflux_codegen.plugin:main"


def test_protoc_makes_what_generate_makes(workspace: Workspace) -> None:
    assert main(["generate", ".", "--package", "acme.demo", "--out", "expected"]) == 0
    done = protoc(workspace, "package=acme.demo", "sample.proto", "other.proto")
    assert (done.returncode, done.stderr) == (0, "")
    expected, found = workspace.root / "expected" / "acme" / "demo", workspace.root / "out" / "acme" / "demo"
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    for path in expected.iterdir():
        assert (found / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_yaml_says_the_rest(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + "messages:\n  Point: {name: Dot}\n")
    done = protoc(workspace, "yaml=sample.yaml", "sample.proto")
    assert (done.returncode, done.stderr) == (0, "")
    workspace.generate()
    for path in workspace.output.iterdir():
        assert (workspace.root / "out" / "sample" / path.name).read_bytes() == path.read_bytes(), path.name
    workspace.write(config=CONFIG + "messages:\n  Point: {name: Dot}\n", proto=PROTO.replace("int32 y", "sint32 y"))
    done = protoc(workspace, "yaml=sample.yaml", "sample.proto")
    assert done.returncode == 1
    assert "field 2 (y) of demo.Point was int32 and is sint32, which breaks old clients and old servers" in done.stderr
    assert protoc(workspace, "yaml=sample.yaml,accept_breaking", "sample.proto").returncode == 0


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("", "parameters: package is missing: say --eventflux_opt=package=NAME, or --eventflux_opt=yaml=FILE"),
        ("pakage=x", "parameters: unknown parameter 'pakage': did you mean 'package'?"),
        ("yaml=nowhere.yaml", "nowhere.yaml: cannot be read: no such file or directory"),
        ("package=a-b", "package 'a-b' is not a name that Python takes"),
    ],
)
def test_a_mistake_stands_in_the_answer(workspace: Workspace, parameters: str, expected: str) -> None:
    done = protoc(workspace, parameters, "sample.proto")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert not any((workspace.root / "out").iterdir())


def test_descriptors_that_are_not_whole_are_refused() -> None:
    request = CodeGeneratorRequest(file_to_generate=["a.proto"], parameter="package=a")
    request.proto_file.add(name="a.proto", syntax="proto3", dependency=["b.proto"])
    assert "a.proto imports b.proto, which is not there" in respond(request).error
