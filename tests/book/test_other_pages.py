"""Pages whose blocks are no programs to follow: each is read by a test, and commands and YAML are what they seem."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from eventflux_codegen.cli import make_parser
from eventflux_node.cli.group import eventflux
from tests.book.pages import PAGES, is_known_package
from tests.support.page import ROOT, Block, blocks_of

FOLLOWED = {"docs/tutorial/index.md", *PAGES}
READ_BY = {
    "docs/blocking.md": "tests/blocking/test_page.py",
    "docs/browser.md": "tests/browser/bundle.py",
    "docs/codegen.md": "tests/book/test_other_pages.py",
    "docs/command-line.md": "tests/project/test_command_line_page.py",
    "docs/errors.md": "tests/project/test_errors_page.py",
    "docs/eventflux.md": "tests/peer/test_page.py",
    "docs/generating.md": "tests/codegen/test_page.py",
    "docs/interceptors.md": "tests/project/test_interceptors_page.py",
    "docs/observability.md": "tests/project/test_observability_page.py",
    "docs/operations.md": "tests/project/test_operations.py",
    "docs/protocol.md": "tests/support/codec_page.py",
    "docs/testing.md": "tests/project/test_testing_page.py",
    "docs/typescript.md": "tests/typescript/conftest.py",
}
"""The pages with blocks that are not followed, and what runs them, or compares them with the code."""
SEEN_HERE = ("docs/browser.md", "docs/codegen.md", "docs/generating.md", "docs/operations.md", "docs/typescript.md")
BLOCKS = [block for page in SEEN_HERE for block in blocks_of(page)]
SCHEMA = json.loads((ROOT / "docs/codegen.schema.json").read_text())


def test_each_page_with_blocks_is_read_by_a_test() -> None:
    with_blocks = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "docs").rglob("*.md")
        if re.search("^```", path.read_text(), re.MULTILINE)
    }
    assert with_blocks - FOLLOWED == set(READ_BY), "say here which test runs the blocks of a page"
    assert [page for page, test in READ_BY.items() if page not in (ROOT / test).read_text()] == []


def commands() -> list[tuple[Block, str]]:
    return [(block, line) for block in BLOCKS if block.language == "sh" for line in block.commands]


@pytest.mark.parametrize(("block", "command"), commands(), ids=str)
def test_a_command_is_one(block: Block, command: str) -> None:
    program, *words = shlex.split(command)
    match program:
        case "eventflux-codegen":
            assert make_parser().parse_args(words).run is not None
        case "eventflux":
            found = eventflux.get_command(eventflux.make_context("eventflux", words[:1]), words[0])
            assert found is not None
            found.make_context(words[0], words[1:])  # reads the options, and runs nothing
        case "pip":
            assert [name for name in words[1:] if not is_known_package(name)] == []
        case "protoc":
            assert "--eventflux_out=src" in words  # tests/codegen/test_plugin.py runs the plugin
        case _:
            pytest.fail(f"{block}: say here how to see that it is one")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=str)
def test_yaml_is_taken_by_who_reads_it(block: Block) -> None:
    (read,) = YAML(typ="safe").load_all(block.text)
    kept: dict[str, Any] = read
    if "readinessProbe" in kept:
        assert kept["readinessProbe"]["httpGet"]["path"] == "/healthz"
    elif kept.get("version") == "v2":
        assert kept["plugins"][0]["local"] == "protoc-gen-eventflux"  # buf's own file
    else:
        jsonschema.validate({"package": "shop", "protos": ["shop.proto"]} | kept, SCHEMA)
