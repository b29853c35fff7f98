"""`eventflux-codegen compile`: a user's own package as machine code, beside its sources and in a wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from eventflux_codegen import machine_code
from eventflux_codegen.cli import main
from eventflux_codegen.compilation import LEVEL_VARIABLE, CompileError
from tests.support.workspace import PROTO, Workspace

PROGRAM = """
import sys
from acme.sample import Color, Point, codec, protobuf
from acme.sample.more import Holder, codec as within
value = Point(x=1, y=2, color=Color.RED, notes={"a": "b"})
assert Point.from_wire(value.to_wire()) == Point.from_protobuf(value.to_protobuf()) == value
assert Holder.from_wire(Holder(point=value).to_wire()).point == value
print([module.__file__.rpartition(".")[2] for module in (codec, protobuf, within)])
"""
MORE = """syntax = "proto3";
package acme.sample.more;
import "sample.proto";
message Holder { acme.sample.Point point = 1; }
"""
SAMPLE = PROTO.replace("package demo;", "package acme.sample;")
ARGUMENTS = ["generate", "sample.proto", "more.proto", "--package", "acme.sample", "--tree", "--out", "src"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ``src`` holds a generated package, with another in it."""
    root = tmp_path_factory.mktemp("project")
    (root / "sample.proto").write_text(SAMPLE)
    (root / "more.proto").write_text(MORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(ARGUMENTS) == 0
    return root


@pytest.fixture(scope="module")
def libraries(template: Path) -> dict[Path, Path]:
    """The compiled modules by their places in the package: they are made once, because that takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LEVEL_VARIABLE, "0")
        patch.chdir(template)
        target = machine_code.find_package("acme.sample")
        made = [path.resolve() for path in machine_code.compile_in_place(target)]
        return {path.relative_to(target.folder.resolve()): path for path in made}


@pytest.fixture
def quick(libraries: dict[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes what was compiled before."""

    def compiled(target: machine_code.Target, root: Path) -> dict[Path, Path]:
        shutil.copytree(target.folder, root / target.name.replace(".", "/"), ignore=shutil.ignore_patterns("*.so"))
        return libraries

    monkeypatch.setattr(machine_code, "_compile", compiled)


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LEVEL_VARIABLE, "0")
    return tmp_path


def run(folder: Path) -> str:
    """What the program prints where a package of the folder is found."""
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)  # mypyc reads the types of the whole runtime
@pytest.mark.usefixtures("quick")
def test_a_package_is_compiled_in_place_until_it_changes_and_for_a_wheel(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _check_wheel(project)
    assert main(["compile", "acme.sample"]) == 0
    package = project / "src" / "acme" / "sample"
    found = (path.relative_to(package) for path in package.rglob("*") if path.suffix in {".so", ".pyd"})
    names = sorted(path.as_posix() for path in found)
    hot = ["_compiled__mypyc", "codec", "more/codec", "more/protobuf", "protobuf"]
    assert [name.partition(".")[0] for name in names] == hot
    assert run(project / "src") == "['so', 'so', 'so']"
    assert main(ARGUMENTS) == 0
    assert run(project / "src") == "['so', 'so', 'so']"
    (project / "sample.proto").write_text(SAMPLE.replace("int32 y = 2;", "int32 y = 2; int32 z = 9;"))
    capsys.readouterr()
    assert main(ARGUMENTS) == 0
    said = capsys.readouterr().out
    assert all(f"removed {name}" in said for name in names)
    assert run(project / "src") == "['py', 'py', 'py']"


def _check_wheel(project: Path) -> None:
    """In one test with what is compiled in place, because compiling takes long, and processes share no fixture."""
    assert main(["compile", "src/acme/sample", "--wheel", "dist", "--wheel-version", "1.2.3"]) == 0
    (wheel,) = (project / "dist").iterdir()
    assert wheel.name.startswith("acme_sample-1.2.3-cp")
    assert not wheel.name.endswith("-any.whl")
    assert not list((project / "src").rglob("*.so"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(project / "installed")
        metadata = archive.read("acme_sample-1.2.3.dist-info/METADATA").decode()
    assert "Requires-Dist: eventflux-transport" in metadata
    assert (project / "installed" / "acme" / "sample" / "py.typed").is_file()
    assert (project / "installed" / "acme" / "sample" / "__init__.pyi").is_file()
    assert run(project / "installed") == "['so', 'so', 'so']"


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            "nowhere",
            "eventflux-codegen: nowhere: no such package here, in src or on Python's path: name its directory\n",
        ),
        ("email", "eventflux-codegen: {}: eventflux-codegen has not made this package, so it has no codecs\n"),
    ],
)
def test_only_a_generated_package_is_taken(
    project: Path, package: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", package]) == 2
    spec = importlib.util.find_spec(package)
    where = Path(spec.origin).parent if spec is not None and spec.origin is not None else ""
    assert capsys.readouterr().err == expected.format(where)


def test_a_missing_mypyc_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mypyc" else find_spec(name))
    assert main(["compile", "acme.sample"]) == 2
    expected = "src/acme/sample: compiling needs mypyc: run pip install 'mypy==2.4.1' 'setuptools>=80'\n"
    assert capsys.readouterr().err == f"eventflux-codegen: {expected}"


def test_a_missing_compiler_is_named_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -pthread")
    assert main(["compile", "acme.sample"]) == 2
    expected = "there is no C compiler 'no-such-compiler'; install one, or name another in CC"
    assert capsys.readouterr().err == f"eventflux-codegen: src/acme/sample: {expected}\n"


def test_what_mypyc_refuses_is_told_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path, *_: object, **__: object) -> None:
        log = folder / "compile.log"
        log.write_text("acme/sample/codec.py:9: error: Incompatible return value type")
        raise CompileError("mypyc refuses the sources", log)

    monkeypatch.setattr(machine_code, "run_mypyc", refused)
    monkeypatch.setattr("tempfile.tempdir", str(project))
    assert main(["compile", "acme.sample"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "src/acme/sample: compiling failed: mypyc refuses the sources: acme/sample/codec.py:" in said
    assert (project / said.rpartition("(all of it is in ")[2].removesuffix(")\n")).is_file()


def test_a_package_is_found_by_its_directory(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write()
    workspace.generate()
    assert machine_code.find_package(str(workspace.output)).name == "sample"
