"""Errors that the options declare: what is made of them, what is refused, and which changes break peers."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.lock import find_breaking, lock_text
from tests.support.workspace import CONFIG, PROTO, Workspace


def named(*names: str) -> str:
    return f"services:\n  Plane:\n    methods:\n      Move:\n        errors: [{', '.join(names)}]\n"


def declared(fields: str = "", extra: str = "") -> str:
    return f"{CONFIG}errors:\n  OFF_GRID:\n    code: OUT_OF_RANGE\n    fields: {{{fields}}}\n{extra}"


REFUSALS = {
    "no code": (CONFIG + "errors:\n  OFF_GRID: {}\n", "sample.yaml:4: errors.OFF_GRID: key 'code' is missing: add it"),
    "wrong code": (
        CONFIG + "errors:\n  OFF_GRID: {code: OUT_OF_RANG}\n",
        "sample.yaml:4: errors.OFF_GRID.code: 'OUT_OF_RANG' is not valid: did you mean 'OUT_OF_RANGE'?",
    ),
    "unknown key": (
        CONFIG + "errors:\n  OFF_GRID: {code: ABORTED, feilds: {}}\n",
        "sample.yaml:4: errors.OFF_GRID: unknown key 'feilds': did you mean 'fields'?",
    ),
    "not declared": (
        declared() + named("OFF_GIRD"),
        "sample.yaml:11: 'OFF_GIRD' is no status code and no error of this file: did you mean 'OFF_GRID'?",
    ),
    "not declared in a mapping": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move:\n        errors:\n          OFF_GRID:\n",
        "sample.yaml:8: 'OFF_GRID' is no status code: valid are: ABORTED",
    ),
    "a status code's name": (
        CONFIG + "errors:\n  NOT_FOUND: {code: NOT_FOUND}\n",
        "sample.yaml:4: NOT_FOUND is a status code: give the error a name of its own",
    ),
    "lower case": (
        CONFIG + "errors:\n  off_grid: {code: ABORTED}\n",
        "sample.yaml:4: an error cannot be named 'off_grid': take up to 63 capitals, digits and underscores",
    ),
    "name of a message": (
        CONFIG + "errors:\n  POINT: {code: ABORTED}\n",
        "sample.yaml:4: the error POINT and demo.Point (sample.proto:3) would both be named Point in Python: give one",
    ),
    "name that Python has not": (
        CONFIG + "errors:\n  OFF_GRID: {code: ABORTED, name: off-grid}\n",
        "sample.yaml:4: the error OFF_GRID cannot be named off-grid in Python",
    ),
    "unknown type": (
        declared("x: int"),
        "sample.yaml:6: x has the type 'int', which is none here: did you mean",
    ),
    "unknown message": (
        declared("p: Pont"),
        "sample.yaml:6: p has the type 'Pont', which is none here: did you mean 'Po",
    ),
    "map": (
        declared('p: "map<string, int32>"'),
        "sample.yaml:6: p is a map, which no error can carry: take a message with a map in it",
    ),
    "two labels": (
        declared("p: optional repeated int32"),
        "sample.yaml:6: p has the type 'repeated int32', which is none",
    ),
    "no type": (declared("p: ''"), "sample.yaml:6: p has the type '', which is none here: "),
    "field name": (declared("_x: int32"), "sample.yaml:6: a field cannot be named '_x': take up to 64 letters"),
    "fields alike": (
        declared("code: int32, code_: int32"),
        "sample.yaml:6: code_ and code would both be code_ in Python: rename one",
    ),
    "declared twice": (
        declared(extra=named().replace("[]", "{OFF_GRID: {code: ABORTED}}")),
        "sample.yaml:11: OFF_GRID is declared otherwise here than at",
    ),
    "errors as text": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {errors: NOT_FOUND}\n",
        "sample.yaml:6: services.Plane.methods.Move.errors: expected a list, not 'NOT_FOUND'",
    ),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize(("config", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_mistake_is_told_with_its_line(workspace: Workspace, config: str, expected: str) -> None:
    workspace.write(config=config)
    assert workspace.refusal().startswith(expected)


def test_equal_declarations_are_one_error(workspace: Workspace) -> None:
    here = named().replace("[]", "{OFF_GRID: {code: OUT_OF_RANGE}, ABORTED: }")
    workspace.write(config=declared(extra=here))
    _, _, package = workspace.facts()
    assert [error.name for error in package.errors] == ["OffGrid"]
    (method,) = package.services[0].methods
    assert dict(method.arguments)["errors"] == "(errors.OffGrid, StatusCode.ABORTED, )"
    assert [name for name, _ in method.raises] == ["OffGrid", "Aborted"]


@pytest.mark.parametrize(
    ("config", "proto", "domain"),
    [
        (declared(), PROTO, "demo"),
        (declared(extra="error_domain: grid.example.com\n"), PROTO, "grid.example.com"),
        (declared(), PROTO.replace("package demo;\n", ""), "sample"),
    ],
)
def test_the_domain(workspace: Workspace, config: str, proto: str, domain: str) -> None:
    workspace.write(config=config, proto=proto)
    _, _, package = workspace.facts()
    assert [error.domain for error in package.errors] == [domain]


def test_types_of_fields(workspace: Workspace) -> None:
    workspace.write(
        config=declared(
            "a: Color, b: demo.Point, c: repeated Point, d: optional Color, e: optional string, status: bool"
        )
    )
    facts, _, package = workspace.facts()
    (error,) = package.errors
    assert [f"{field.attribute}: {field.annotation}" for field in error.fields] == [
        "a: Color",
        "b: Point | None",
        "c: list[Point]",
        "d: Color | None",
        "e: str | None",
        "status_: bool",
    ]
    assert facts["errors"]["OFF_GRID"] == {
        "code": "OUT_OF_RANGE",
        "domain": "demo",
        "fields": {
            "a": "demo.Color",
            "b": "demo.Point",
            "c": "repeated demo.Point",
            "d": "optional demo.Color",
            "e": "optional string",
            "status": "bool",
        },
    }


def test_texts_that_python_would_read_otherwise(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'It\'s \\u0041 "off" the <grid> \\N{BULLET} ü {x}'
    doc = "'" + text.replace("'", "''") + "'"
    workspace.write(config=declared(extra=f"    doc: {doc}\n" + named("OFF_GRID")))
    workspace.generate()
    monkeypatch.syspath_prepend(workspace.root)
    try:
        error = importlib.import_module("sample.errors").OffGrid
        assert error().message == text
        assert text.replace("\\", "\\\\") in (workspace.output / "errors.py").read_text("utf-8")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "sample"]:
            del sys.modules[name]


def test_a_package_without_declared_errors_has_no_module_of_them(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + named("NOT_FOUND"))
    result = workspace.generate()
    assert "errors.py" not in result.files
    assert "errors" not in workspace.lock.read_text()


def test_a_package_with_them_is_whole(workspace: Workspace) -> None:
    workspace.write(config=declared("point: Point", named("OFF_GRID")))
    result = workspace.generate()
    assert "errors.py" in result.files
    assert workspace.is_current()
    program = "from sample import OffGrid, Point; print(OffGrid('far', point=Point(x=5)).point.x)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace.root, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("5\n", "")


LOCKED = declared("x: int32, names: repeated string", named("OFF_GRID"))
BREAKING = {
    "gone": (CONFIG, "error OFF_GRID is gone"),
    "code": (LOCKED.replace("OUT_OF_RANGE", "ABORTED"), "error OFF_GRID had the code OUT_OF_RANGE and has ABORTED"),
    "domain": (LOCKED + "error_domain: other\n", "error OFF_GRID had the domain demo and has other"),
    "field gone": (LOCKED.replace("x: int32, ", ""), "field x of error OFF_GRID is gone"),
    "field type": (LOCKED.replace("x: int32", "x: string"), "field x of error OFF_GRID was int32 and is string"),
    "field label": (
        LOCKED.replace("repeated string", "string"),
        "field names of error OFF_GRID was repeated string and is string",
    ),
}


def lock(workspace: Workspace, config: str) -> None:
    workspace.write(config=config)
    facts, _, _ = workspace.facts()
    workspace.lock.write_text(lock_text(facts))


def breaking(workspace: Workspace, config: str) -> str:
    workspace.write(config=config)
    facts, schema, _ = workspace.facts()
    return str(find_breaking(workspace.lock, facts, schema)).replace(f"{workspace.root}/", "")


@pytest.mark.parametrize(("config", "expected"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_breaks_peers_is_refused(workspace: Workspace, config: str, expected: str) -> None:
    lock(workspace, LOCKED)
    assert breaking(workspace, LOCKED) == "None"
    found = breaking(workspace, config)
    assert found.startswith(f"sample.lock: {expected}, which breaks old clients that catch it, on every wire: ")
    assert found.endswith(", or say --accept-breaking")


@pytest.mark.parametrize(
    "config",
    [
        LOCKED.replace("x: int32, names: repeated string", "new: bool, names: repeated string, x: int32"),
        LOCKED.replace("errors:\n  OFF", "errors:\n  OTHER: {code: ABORTED}\n  OFF"),
        LOCKED.replace("[OFF_GRID]", "[]"),
        LOCKED.replace("code: OUT_OF_RANGE", "code: OUT_OF_RANGE\n    doc: Too far\n    name: TooFar"),
    ],
    ids=["fields", "another error", "no method", "text and class"],
)
def test_a_change_that_peers_survive_is_taken(workspace: Workspace, config: str) -> None:
    lock(workspace, LOCKED)
    assert breaking(workspace, config) == "None"


def test_a_lock_from_before_there_were_declared_errors(workspace: Workspace) -> None:
    lock(workspace, CONFIG)
    assert breaking(workspace, LOCKED) == "None"
