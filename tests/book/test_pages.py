"""How-to pages and the guides for who comes from elsewhere: every block of them runs, in this process where it can."""

from __future__ import annotations

import io
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from eventflux_codegen.cli import main as codegen
from tests.book.follower import WITHOUT_ASYNCIO
from tests.book.pages import PAGES, is_known_package
from tests.support.page import ROOT, Block, blocks_of, expected_output, timeless

NEEDS = {
    "docs/how-to/django.md": "django",
    "docs/how-to/fastapi.md": "fastapi",
    "docs/coming-from/connectrpc.md": "protoc_gen_connectrpc",
}
RUN_ELSEWHERE = {
    "EVENTFLUX_COMPILE=1 pip install .": ("noxfile.py", '"pip", "install", "--quiet", ".", env=form'),
    "eventflux-codegen compile orders_rpc": ("tests/compile/test_package.py", "`eventflux-codegen compile`"),
}
"""Commands that take minutes, and the file of the project that runs them: what stands there."""


def forget(folder: Path) -> None:
    """Drops the modules that were imported from a folder."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tutorial leaves behind: its package and its service, which the pages go on from."""
    folder = tmp_path_factory.mktemp("shop")
    for block in blocks_of("docs/tutorial/index.md"):
        if block.name in ("proto/orders.proto", "shop.py"):
            block.write(folder)
    assert codegen(["generate", str(folder / "proto"), "--package", "orders_rpc", "--out", str(folder)]) == 0
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    forget(folder)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page in NEEDS:
        pytest.importorskip(NEEDS[page], reason=f"{page} is about {NEEDS[page]}, which this environment lacks")
    shutil.copytree(shop / "proto", tmp_path / "proto")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    blocks = blocks_of(page)
    compared = 0
    try:
        with patch.dict(os.environ):  # which programs may set, as a test of theirs does
            for number, block in enumerate(blocks):
                said, expected = _done(block, tmp_path, monkeypatch), expected_output(blocks, number)
                if expected is not None:
                    assert timeless(said) == timeless(expected), str(block)
                    compared += not block.pair or blocks[number + 1].pair != block.pair
    finally:
        forget(tmp_path)
    assert compared == [block.language for block in blocks].count("text"), "a block of text stands behind no program"


def _done(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a block prints when its reader does what it is for."""
    if block.language == "text":
        return ""
    if block.language == "sh":
        return "".join(_typed(command, block, monkeypatch) for command in block.commands)
    path = block.write(folder)
    if block.language != "python" or path.name.startswith("test_"):
        return ""
    monkeypatch.setattr(sys, "argv", [str(path)])
    with redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(path), run_name="__main__")
    return printed.getvalue()


def _typed(command: str, block: Block, monkeypatch: pytest.MonkeyPatch) -> str:
    words = shlex.split(command)
    if command in RUN_ELSEWHERE:
        file, text = RUN_ELSEWHERE[command]
        assert text in (ROOT / file).read_text(), str(block)
        return ""
    if words[:2] == ["pip", "install"]:
        return ""  # see below
    if words[0] == "mkdir":
        for folder in words[1:]:
            Path(folder).mkdir()
        return ""
    if words[0] == "eventflux-codegen":
        assert codegen(words[1:]) == 0, str(block)
        return ""
    if words[:3] == ["python", "-m", "pytest"]:
        paths = {"PYTHONPATH": os.pathsep.join(sys.path)}  # with the tutorial's package
        done = subprocess.run(
            [sys.executable, *words[1:]],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
            env=os.environ | paths | WITHOUT_ASYNCIO,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{block}\n{done.stdout}"
        return done.stdout
    assert words[:2] == ["python", "-m"], f"{block}: say here how this is run: {command}"
    monkeypatch.setattr(sys, "argv", words[2:])
    with redirect_stdout(io.StringIO()) as printed:
        _run_module(words[2])
    return printed.getvalue()


def _run_module(name: str) -> None:
    code: object = 0
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    assert code in (0, None), name


def installs() -> list[tuple[Block, Sequence[str]]]:
    pages = ["docs/tutorial/index.md", *PAGES]
    commands = [(block, line) for page in pages for block in blocks_of(page) for line in block.commands]
    return [(block, shlex.split(line)[2:]) for block, line in commands if line.startswith("pip install ")]


def test_what_is_installed_is_known() -> None:
    assert [(str(block), name) for block, names in installs() for name in names if not is_known_package(name)] == []
