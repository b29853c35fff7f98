"""The build hook compiles where it was asked to, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

import hatch_build
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
        return [folder / "eventflux_runtime" / "wire" / "frame.so"]

    monkeypatch.setattr(hatch_build, "compile_into", compile_into)
    return folders


@pytest.mark.parametrize("value", [None, "", "0"])
def test_a_wheel_is_pure_unless_asked(
    value: str | None, compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    library = str(folder / "eventflux_runtime" / "wire" / "frame.so")
    assert build_data == {
        "force_include": {library: "eventflux_runtime/wire/frame.so"},
        "pure_python": False,
        "infer_tag": True,
    }


def test_a_compiled_wheel_is_built_with_mypyc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert {"mypy", "setuptools", "librt"} <= {name.partition(">")[0] for name in hook().dependencies()}


def test_an_editable_install_stays_pure(compiled_to: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    build_data: dict[str, Any] = {"force_include": {}}
    hook().initialize("editable", build_data)
    assert compiled_to == []
