"""The schema and the page of the YAML are those of the options, and agree with how the generator reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from eventflux_codegen import GenerationError
from eventflux_codegen.cli import main
from eventflux_codegen.option_doc import options_of
from eventflux_codegen.option_page import page_text
from eventflux_codegen.option_schema import schema_text
from eventflux_codegen.product import FileOptions
from eventflux_codegen.yaml_source import read_yaml
from tests.codegen.test_refusals import IN_OPTIONS
from tests.project.import_graph import ROOT

SCHEMA = json.loads(schema_text(FileOptions))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
FILES = sorted([ROOT / "idl/transport.yaml", *(ROOT / "tests/idl").glob("*.yaml")])


def test_the_committed_schema_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/codegen.schema.json").read_text()


def test_the_committed_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--page"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/codegen-yaml.md").read_text()


def test_every_option_is_explained() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    page = page_text(FileOptions)
    for option in options_of(FileOptions):
        assert option.text, option.name
        assert f"| `{option.name}` | " in page
    for name, definition in SCHEMA["definitions"].items():
        assert definition["description"], name
        for key, value in definition["properties"].items():
            assert value["description"], f"{name}.{key}"
            assert f"| `{key}` | " in page, f"{name}.{key}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_takes_what_the_generator_takes(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(YAML(typ="safe").load(path))) == []


OF_FORM = ("unknown key", "expected", "is missing", "is not valid: ")
"""What the schema can know: the rest depends on the IDL."""


def mistakes() -> dict[str, str]:
    known = {name: text for name, (text, said) in IN_OPTIONS.items() if any(part in said for part in OF_FORM)}
    return {name: text for name, text in known.items() if "not valid YAML" not in IN_OPTIONS[name][1]}


@pytest.mark.parametrize("text", mistakes().values(), ids=mistakes())
def test_the_schema_refuses_what_the_generator_refuses_for_its_form(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    found: Any = YAML(typ="safe").load(text)
    with pytest.raises(GenerationError):
        read_yaml(path, FileOptions)
    assert list(VALIDATOR.iter_errors(found)) != []


@pytest.mark.parametrize(
    "text",
    [
        "package: a\nprotos: [a.proto]\nservices:\n  S:\n    methods:\n      M:\n",
        "package: a\nprotos: [a.proto]\nmessages:\n",
        "package: a\nprotos: [a.proto]\nservices: {S: {methods: {M: {errors: {NOT_FOUND: }}, N: {errors: [FULL]}}}}\n",
        "package: a\nprotos: [a.proto]\nservices: {S: {methods: {M: {compression: NONE, timeout_s: 3}}}}\n",
    ],
)
def test_what_may_be_left_empty_may_be(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    read_yaml(path, FileOptions)
    assert list(VALIDATOR.iter_errors(YAML(typ="safe").load(text))) == []
