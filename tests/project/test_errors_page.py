"""docs/errors.md: its program runs on its own IDL and prints what the page says, and its details are all there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from eventflux_codegen import generate
from eventflux_codegen.options import ErrorOptions
from eventflux_runtime import InvalidArgument
from eventflux_runtime.error_details import BadRequest
from tests.project.import_graph import ROOT

PAGE = (ROOT / "docs/errors.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(language: str, first_line: str = "") -> str:
    (found,) = [text for kind, text in BLOCKS if kind == language and text.startswith(first_line)]
    return str(found)


def test_the_program_prints_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "orders.proto").write_text(block("proto"))
    (tmp_path / "orders.yaml").write_text(block("yaml"))
    (tmp_path / "program.py").write_text(block("python", "# program.py"))
    generate(tmp_path / "orders.yaml")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stderr, done.stdout) == ("", block("text"))


def test_the_error_with_a_detail_is_raised() -> None:
    with pytest.raises(InvalidArgument) as caught:
        exec(block("python", "from eventflux_runtime import InvalidArgument"), {})
    assert caught.value.find(BadRequest) is not None


def test_every_detail_is_named() -> None:
    listed = PAGE.partition("has the messages of")[2].partition("Protobuf need not")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", listed)) == set(error_details_pb2.DESCRIPTOR.message_types_by_name)


def test_every_key_of_an_error_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE.partition("| key of an error")[2].partition("\n\n")[0], re.MULTILINE)
    assert rows == list(ErrorOptions.__dataclass_fields__)
