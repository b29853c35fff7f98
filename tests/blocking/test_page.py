"""docs/blocking.md: its programs run, and print what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from tests.project.import_graph import ROOT
from tests.support.threaded import PATIENCE_S, serving

PAGE = (ROOT / "docs/blocking.md").read_text()
SERVICE = (ROOT / "docs/shipped-contract.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(portal: BlockingPortal, tmp_path: Path) -> Iterator[Path]:
    """The page's programs, and the service for them that another page shows."""
    (service,) = re.findall(r"^# service.py\n(.*?)^```$", SERVICE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "service"}
    exec(service, names)
    with serving(portal, [names["Node"]()], "tcp://127.0.0.1:0") as server:
        for kind, text in BLOCKS:
            if kind == "python":
                (name,) = re.findall(r"^# (\w+\.py)", text)
                (tmp_path / name).write_text(text.replace("tcp://127.0.0.1:7070", server.endpoints[0]))
        yield tmp_path


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stderr == ""
    return done.stdout


def test_the_script_prints_what_the_page_says(folder: Path) -> None:
    (said,) = [text for kind, text in BLOCKS if kind == "text"]
    assert run(folder, "script.py") == said


def test_views_answer(folder: Path) -> None:
    program = "import clients, views; clients.channel.open(); print(views.upper('abc')); print(views.upper(''))"
    assert run(folder, "-c", program) == "ABC\nnot now: NOT_FOUND\n"
    assert run(folder, "async_view.py") == "FROM A THREAD\n"


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert [link for link in links if "://" not in link and not (ROOT / "docs" / link).exists()] == []
