"""The README's programs run as they stand, and print what it says they print."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.project.import_graph import ROOT

README = (ROOT / "README.md").read_text()


def block(language: str, first_line: str = "") -> str:
    """The fenced block of a language that starts with a line."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (found,) = [text for kind, text in blocks if kind == language and text.startswith(first_line)]
    return str(found)


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(program: Path, url_part: tuple[str, int]) -> Iterator[subprocess.Popen[str]]:
    """A program in a process of its own, once something answers at its address."""
    process = subprocess.Popen([sys.executable, str(program)], stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_open(process, url_part)
        yield process
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


def _wait_until_open(process: subprocess.Popen[str], address: tuple[str, int]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(address, timeout=10).close()
        except ConnectionRefusedError:
            continue
        return


def test_service_and_client_print_what_the_readme_says(tmp_path: Path) -> None:
    port = free_port()
    for name in ("service.py", "client.py"):
        program = (
            block("python", f"# {name}").replace(":7070", f":{port}").replace("/tmp/node.sock", f"{tmp_path}/socket")
        )
        (tmp_path / name).write_text(program)
    with running(tmp_path / "service.py", ("127.0.0.1", port)):
        client = [sys.executable, str(tmp_path / "client.py")]
        result = subprocess.run(client, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr == ""
    assert result.stdout == block("text")


@pytest.mark.parametrize("session", ["demo", "tests"])
def test_the_first_commands_name_sessions_that_exist(session: str) -> None:
    commands = block("sh", "python3 bootstrap.py")
    assert f"python3 bootstrap.py {session}" in commands
    assert re.search(rf"^def {session}\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_session_is_explained() -> None:
    noxfile = (ROOT / "noxfile.py").read_text()
    names = re.findall(r"^@nox\.session\n(?:@.*\n)*def (\w+)", noxfile, re.MULTILINE)
    names += re.findall(r'^@nox\.session\(.*name="([\w-]+)"', noxfile, re.MULTILINE)
    assert {"tests", "lint", "bench-codec"} <= set(names)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in names if f"`{name}`" not in contributing] == []


def test_every_extra_is_explained() -> None:
    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [name for name in names if f"`{name}`" not in README and f"[{name}]" not in README] == []
