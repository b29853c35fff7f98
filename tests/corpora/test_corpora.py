"""The short form of the survey: the .proto files that grpcio-tools brings, and those of this repository."""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path

import pytest

from tests.corpora.corpus import Corpus
from tests.corpora.trial import try_text, try_whole, type_check

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(Path(str(importlib.resources.files("grpc_tools") / "_proto")), root, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests/idl", root, dirs_exist_ok=True)
    (root / "broken.proto").write_text("message {\n")
    return Corpus.of(root, tmp_path_factory.mktemp("scratch"))


def test_every_file_becomes_text_that_parses(corpus: Corpus) -> None:
    assert corpus.broken == ("broken.proto",)
    assert "google/protobuf/descriptor.proto" in corpus.names
    results = [try_text(corpus, name) for name in corpus.names]
    assert [result for result in results if result.verdict != "passed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["google/protobuf/type.proto", "kitchen.proto", "legacy.proto"])
def test_one_goes_the_whole_way(corpus: Corpus, name: str, tmp_path: Path) -> None:
    result = try_whole(corpus, name, "made", tmp_path)
    assert (result.verdict, result.text) == ("passed", "")
    assert result.objects >= 3 * result.messages > 0
    assert type_check(["made"], tmp_path) == ""
