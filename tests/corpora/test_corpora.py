"""The short form of the survey: a part of what xds-protos brings, all that grpcio-tools brings, and our own files."""

from __future__ import annotations

import importlib.resources
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.corpora.corpus import Corpus, Subject
from tests.corpora.trial import lint, try_text, try_whole
from tests.corpora.type_check import bare_python, has_pyright, run_mypy, run_pyright

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(Path(str(importlib.resources.files("grpc_tools") / "_proto")), root, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests/idl", root, dirs_exist_ok=True)
    (root / "broken.proto").write_text("message {\n")
    return Corpus.of(root, tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def envoy() -> Corpus:
    try:
        return Corpus.installed("xds-protos")
    except PackageNotFoundError:
        pytest.skip("xds-protos is not installed")


def test_every_file_and_folder_becomes_text_that_parses(corpus: Corpus) -> None:
    assert corpus.broken == ("broken.proto",)
    subjects = corpus.subjects()
    assert {"google/protobuf/descriptor.proto", "google/protobuf/"} <= {subject.name for subject in subjects}
    results = [try_text(corpus, subject) for subject in subjects]
    assert [result for result in results if result.verdict != "passed"] == []


def test_a_part_of_envoys_files_becomes_text_that_parses(envoy: Corpus) -> None:
    assert len(envoy.names) > 500
    results = [try_text(envoy, subject) for subject in envoy.subjects(every=40) if not subject.is_tree]
    assert len(results) > 15
    assert [result for result in results if result.verdict != "passed"] == []


def test_what_is_refused_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "grouped.proto").write_text('syntax = "proto2";\nmessage M { optional group G = 1 {} }\n')
    corpus = Corpus.of(tmp_path, tmp_path)
    for result in (try_text(corpus, corpus.subjects()[0]), try_whole(corpus, corpus.subjects()[0], "made", tmp_path)):
        assert result.verdict == "refused"
        assert result.text.startswith(f"{tmp_path}/grouped.proto:2: M.g is a group")


def test_a_tree_of_envoys_becomes_text_that_parses(envoy: Corpus) -> None:
    trees = {tree.name: tree for tree in envoy.trees()}
    result = try_text(envoy, trees["envoy/type/**"])
    assert (result.verdict, result.text) == ("passed", "")
    assert result.messages > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kitchen.proto", "legacy.proto", "shared/"])
def test_one_goes_the_whole_way(corpus: Corpus, name: str, tmp_path: Path) -> None:
    (subject,) = (subject for subject in corpus.subjects() if subject.name == name)
    _check_whole(corpus, subject, tmp_path)


@pytest.mark.long
@pytest.mark.slow
def test_one_of_envoys_goes_the_whole_way_and_has_its_types_checked(envoy: Corpus, tmp_path: Path) -> None:
    # It holds google.rpc.Status, whose own module is not there when types are checked.
    subject = Subject("discovery", ("envoy/service/discovery/v3/discovery.proto",))
    _check_whole(envoy, subject, tmp_path)
    python = bare_python(tmp_path / "bare")
    assert run_mypy(["made"], tmp_path, python) == ""
    assert not has_pyright() or run_pyright(["made"], tmp_path, python) == ""


def _check_whole(corpus: Corpus, subject: Subject, folder: Path) -> None:
    result = try_whole(corpus, subject, "made", folder)
    assert (result.verdict, result.text) == ("passed", "")
    assert result.objects >= 3 * result.messages > 0


@pytest.mark.skipif(not has_pyright(), reason="pyright is a requirement of the session corpora: run nox -s corpora")
@pytest.mark.long
def test_pyright_takes_a_message_of_a_hundred_choices(tmp_path: Path) -> None:
    choices = " ".join(f"M choice{number} = {number};" for number in range(1, 100))
    (tmp_path / "many.proto").write_text(f'syntax = "proto3"; message M {{ oneof one {{ {choices} }} }}')
    _check_whole(Corpus.of(tmp_path, tmp_path), Subject("many", ("many.proto",)), tmp_path)
    assert run_pyright(["made"], tmp_path, bare_python(tmp_path / "bare")) == ""


def test_code_has_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "odd.proto").write_text(
        """syntax = "proto3"; import "google/protobuf/struct.proto";
        enum Lonely { NONE = 0; }
        message Any { oneof either { string text = 2; google.protobuf.Struct fields = 3; } }
        message Numbers { string number_of_something = 1; optional google.protobuf.Value value = 2; }"""
    )
    (tmp_path / "void.proto").write_text('syntax = "proto3";')
    corpus = Corpus.of(tmp_path, tmp_path)
    results = [try_text(corpus, subject) for subject in corpus.subjects()]
    assert [(result.name, result.text) for result in results if result.verdict != "passed"] == []


def test_the_linter_sees_a_mistake() -> None:
    assert "F401" in lint({"a.py": "import os\n"})
    assert "F821" in lint({"a.py": "x = y  # ruff: noqa\n"})
    assert "invalid-syntax" in lint({"a.py": "x =\n"})


def test_type_checkers_see_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/__init__.py").write_text("number: int = None\n")
    python = bare_python(tmp_path / "bare")
    assert "Incompatible types" in run_mypy(["made"], tmp_path, python)
    assert not has_pyright() or "reportAssignmentType" in run_pyright(["made"], tmp_path, python)
