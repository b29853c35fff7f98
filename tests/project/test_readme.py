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
    (tmp_path / "hello.proto").write_text(block("proto"))
    (command,) = [line for line in commands() if "hello.proto" in line]
    subprocess.run(command.split(), cwd=tmp_path, check=True, timeout=60, capture_output=True)
    for name in ("service.py", "client.py"):
        (tmp_path / name).write_text(block("python", f"# {name}").replace(":7070", f":{port}"))
    with running(tmp_path / "service.py", ("127.0.0.1", port)):
        client = [sys.executable, str(tmp_path / "client.py")]
        result = subprocess.run(client, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr == ""
    assert result.stdout == block("text").replace(":7070", f":{port}")


PROGRAMS = (
    "EVENTFLUX_COMPILE=1",
    "eventflux",
    "eventflux-codegen",
    "eventflux-peer",
    "nox",
    "pip",
    "python",
    "python3",
)

RUN_BY = {
    # a README command -> the file of the project that has CI run it, and what stands there
    r"python3 bootstrap\.py (\S+)": (".ci/run", r"python3 bootstrap.py \1"),
    r"nox -s (\S+)": (".ci/run", r"python3 bootstrap.py \1"),
    r"EVENTFLUX_COMPILE=1 pip install \.": ("noxfile.py", '"pip", "install", "--quiet", ".", env=form'),
    r"pip install \S+": ("noxfile.py", '_readme_commands("pip")'),
    r"python -m (benchmarks\.peer)": ("noxfile.py", r'"\1"'),
    r"eventflux (node|subscribe|publish|heartbeat|monitor) \S.*": (
        "tests/project/walkthrough.py",
        'shell_lines("eventflux")',
    ),
    r"eventflux (call|list|describe|health|bench|top)": ("docs/command-line.md", r"$ eventflux \1 "),
    r"eventflux (demo|monitor)": (".ci/run", "bootstrap.py demo"),
    r"eventflux-codegen generate hello.proto --package hello --out \.": (
        "tests/project/walkthrough.py",
        'shell_lines("eventflux-codegen")',
    ),
    r"eventflux-codegen generate (--config \S+|proto/ --package orders_rpc --out src)": (
        "tests/project/walkthrough.py",
        "eventflux-codegen generate",
    ),
    # These take figures of a node in Rust: the session `interop` builds it and runs it in its tests.
    r"python -m benchmarks\.peer --address ADDRESS": ("tests/interop/conftest.py", '"serve"'),
    r"eventflux-peer (serve|time)( [A-Z]+)*": ("tests/interop/conftest.py", '"serve"'),
}


def commands() -> list[str]:
    """What the README has its reader type: the lines of its shell blocks, and the commands in its text."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for text in blocks for line in text.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    quoted = [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose)]
    return [*filter(None, lines), *(text for text in quoted if text.split()[0] in PROGRAMS and " " in text)]


def test_the_commands_are_found() -> None:
    assert {"python3 bootstrap.py tests", "pip install eventflux-transport", "nox -s interop"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_each_command_is_run_by_ci(command: str) -> None:
    found = [(pattern, *where) for pattern, where in RUN_BY.items() if re.fullmatch(pattern, command)]
    assert len(found) == 1, "say in RUN_BY where CI runs it"
    ((pattern, file, text),) = found
    assert re.sub(pattern, text, command) in (ROOT / file).read_text()


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
