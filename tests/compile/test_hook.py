"""The build hook compiles where it was asked to, and nowhere else."""

from __future__ import annotations

import configparser
import re
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

import hatch_build
from eventflux_codegen.compilation import REQUIREMENTS, TYPED, CompileError, mypy_configuration, run_mypyc
from hatch_build import ROOT, VARIABLE, CompileHook


def hook() -> CompileHook:
    builder = WheelBuilder(str(ROOT))
    return CompileHook(str(ROOT), {}, builder.config, builder.metadata, "", "wheel")


@pytest.fixture
def compiled_to(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where the hook compiled to; a library lies there afterwards."""
    folders: list[Path] = []

    def compile_into(folder: Path) -> list[Path]:
        folders.append(folder)
        return [folder / "eventflux_runtime" / "net" / "wheel.so"]

    monkeypatch.setattr(hatch_build, "compile_into", compile_into)
    return folders


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unpacked sdist, as far as the hook can tell, on a machine that has a compiler."""
    monkeypatch.setattr(hatch_build, "ROOT", tmp_path)
    monkeypatch.setattr(hatch_build, "find_lack", lambda: "")
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "PKG-INFO").touch()
    return tmp_path


@pytest.mark.parametrize("value", [None, "", "0"])
def test_a_wheel_of_a_checkout_is_pure_unless_asked(
    value: str | None, compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hatch_build, "ROOT", tmp_path)  # so that the suite runs in an unpacked sdist, too
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("standard", build_data)
    assert build_data == {"force_include": {}}
    assert compiled_to == []
    assert hook().dependencies() == []


def test_a_compiled_wheel_holds_the_libraries_and_names_its_platform(
    compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("standard", build_data)
    (folder,) = compiled_to
    library = str(folder / "eventflux_runtime" / "net" / "wheel.so")
    assert build_data == {
        "force_include": {library: "eventflux_runtime/net/wheel.so"},
        "pure_python": False,
        "infer_tag": True,
    }


def test_a_compiled_wheel_is_built_with_mypyc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert {"mypy", "setuptools", "librt"} <= {re.split("[=>]", name)[0] for name in hook().dependencies()}


@pytest.mark.parametrize("value", [None, "auto"])
def test_an_sdist_is_compiled_where_that_can_be_done(
    value: str | None, source: Path, compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("standard", build_data)
    assert len(compiled_to) == 1
    assert build_data["pure_python"] is False
    assert hook().dependencies() != []


@pytest.mark.usefixtures("source")
def test_an_sdist_without_a_compiler_is_pure_with_one_line_that_says_why(
    compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lack = "there is no C compiler 'no-such-compiler'; install one, or name another in CC"
    monkeypatch.setattr(hatch_build, "find_lack", lambda: lack)
    build_data: dict[str, Any] = {"force_include": {}}
    assert hook().dependencies() == [], "nothing is fetched in vain"
    hook().initialize("standard", build_data)
    assert (build_data, compiled_to) == ({"force_include": {}}, [])
    said = "".join(capsys.readouterr())
    assert said.count("\n") == 1
    assert f"is built as pure Python, which is slower: {lack}; {VARIABLE}=1 makes that an error" in said


@pytest.mark.usefixtures("source", "failing")
def test_an_sdist_that_cannot_be_compiled_is_pure_with_one_line_that_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("standard", build_data)
    assert build_data == {"force_include": {}}
    said = "".join(capsys.readouterr())
    assert said.count("\n") == 1
    assert f"which is slower: mypyc or the C compiler failed: ld: cannot find -lm; {VARIABLE}=1" in said


def test_a_value_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(SystemExit):
        hook().dependencies()
    assert f"{VARIABLE} is one of 0, 1, auto, not 'yes'" in capsys.readouterr().err


def test_an_editable_install_stays_pure(compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("editable", build_data)
    assert compiled_to == []


def test_mypyc_is_the_one_that_the_suite_runs() -> None:
    pinned = {name for name in REQUIREMENTS if "==" in name}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert pinned
    for group in ("compile", "tests"):
        assert pinned <= {requirement for requirement in groups[group] if isinstance(requirement, str)}


@pytest.mark.slow
def test_mypyc_reads_only_types_that_are_everywhere(tmp_path: Path) -> None:
    """So that it needs no stubs, and makes the same code whether an extra is installed or not."""
    package = tmp_path / "eventflux_transport"
    package.mkdir()
    (package / "hot.py").write_text("import anyio\nimport fancy.part\nif 1:\n    from late import thing\n")
    (package / "hot_pb2.pyi").write_text("from google.protobuf import message\n")
    parser = configparser.ConfigParser()
    parser.read_string(mypy_configuration(tmp_path, [package.name]))
    skipped = {name for name in parser.sections() if parser[name]["follow_imports"] == "skip"}
    assert skipped == {"mypy-fancy.*", "mypy-google.*", "mypy-late.*"}
    everywhere = {name.partition(">")[0].replace("-", "_") for name in hook().metadata.core.dependencies}
    assert everywhere == TYPED - {"mypy_extensions"}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with a module that is quick to compile."""
    (tmp_path / "small.py").write_text("def double(number: int) -> int:\n    return number * 2\n")
    return tmp_path


@pytest.mark.slow
def test_what_mypyc_says_is_in_the_error(small: Path) -> None:
    (small / "small.py").write_text('def double(number: int) -> int:\n    return "two"\n')
    with pytest.raises(CompileError) as caught:
        run_mypyc(small, ["small.py"], small / "libraries")
    text = str(caught.value)
    assert "mypyc refuses the sources\n    small.py:2: error: Incompatible return value type" in text
    assert "C compiler" not in text
    assert str(small / "compile.log") in text


@pytest.mark.slow
def test_a_missing_compiler_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -pthread")
    with pytest.raises(CompileError, match="there is no C compiler 'no-such-compiler'; install one"):
        run_mypyc(small, ["small.py"], small / "libraries")


@pytest.mark.slow
@pytest.mark.long
def test_missing_headers_are_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = small / "compiler"
    wrapper.write_text("#!/bin/sh\necho 'fatal error: Python.h: No such file or directory' >&2\nexit 1\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapper))
    with pytest.raises(CompileError, match=r"mypyc or the C compiler failed\n    fatal error: Python.h"):
        run_mypyc(small, ["small.py"], small / "libraries")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(small))
    with pytest.raises(CompileError, match=f"this Python's headers are not there, {small}/Python.h is missing"):
        run_mypyc(small, ["small.py"], small / "libraries")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiler that fails."""
    log = tmp_path / "compile.log"

    def compile_into(folder: Path) -> list[Path]:
        log.write_text("ld: cannot find -lm\n")
        raise CompileError("mypyc or the C compiler failed", log)

    monkeypatch.setattr(hatch_build, "compile_into", compile_into)


@pytest.mark.usefixtures("failing")
def test_a_failure_of_what_was_asked_for_ends_the_build_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(SystemExit):
        hook().initialize("standard", {"force_include": {}})
    said = capsys.readouterr().err
    assert "ld: cannot find -lm" in said
    assert f"{VARIABLE}=0 builds the pure form" in said
