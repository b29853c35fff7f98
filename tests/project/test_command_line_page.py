"""docs/command-line.md: each command on it is run and prints what the page says, but for figures."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventflux_node.bench.report import PERCENTILES
from eventflux_node.cli import main
from eventflux_node.cli.group import COMMANDS
from eventflux_node.cli.setting import SHARED
from eventflux_node.top.rate import SORT_KEYS, rates_between, record_of
from eventflux_runtime import CallStats, ServerReport, ServerStats
from tests.project.import_graph import ROOT
from tests.support.busy import busy_shop
from tests.support.node_command import running_node
from tests.support.shop import shop

PAGE = (ROOT / "docs/command-line.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def sessions() -> Iterator[tuple[str, str]]:
    """Each command of the page that is typed at a prompt, and what stands below it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URLs of the page, and where they lead here."""
    with shop(tmp_path_factory.mktemp("s")) as ours, busy_shop() as busy:
        yield {
            "tcp://127.0.0.1:7070": ours["tcp"],
            "grpc://127.0.0.1:50051": ours["grpc"],
            "tcp://127.0.0.1:7072": busy,
        }


def shape(command: str, text: str) -> str:
    """A text without its figures, where they are measured."""
    if command.split()[1] == "bench":
        text = re.sub(r"(?<= ms\n)(  [\d.,]+ +█* +[\d,]+\n)+(\nthis process took .*\n)?", "  rows\n", text)
        return re.sub(r"  +", "  ", re.sub(r"[\d.,]*\d", "0", text))
    if command.split()[1] == "top":
        text = re.sub(r"[KMG]iB\b", "B", text).replace("min,", "s,")
        return re.sub(r"  +", "  ", re.sub(r"[\d.,]*\d", "0", text))
    return re.sub(r"^time: .*", "time: 0 ms", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("command", "output"), list(sessions()), ids=lambda text: " ".join(text.split()[:2]))
def test_a_command_prints_what_the_page_says(
    command: str, output: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    here = command
    for there, url in urls.items():
        here = here.replace(there, url)
    code = main(shlex.split(here)[1:])
    captured = capsys.readouterr()
    printed = captured.out + captured.err + (f"[exit code {code}]\n" if code else "")
    for there, url in urls.items():
        printed = printed.replace(url, there)
    assert shape(command, printed) == shape(command, output)


def shell_lines(word: str) -> list[str]:
    """The lines of the shell block in which a word stands."""
    (block,) = [text for text in blocks("sh") if word in text]
    return block.splitlines()


def in_bash(line: str, folder: Path) -> str:
    """What a line prints at a prompt; the command is that of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_is_published_is_what_a_subscriber_prints(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("".join(f"line {number}\n" for number in range(3)))
    (tmp_path / "events.jsonl").write_text('{"payload": "e30="}\nnot one\n')
    with running_node(tmp_path) as node:
        tail, file, subscribe = (
            line.replace("tcp://127.0.0.1:7070", node.urls[0]) for line in shell_lines("eventflux publish")
        )
        with ThreadPoolExecutor() as threads:
            printed = threads.submit(in_bash, subscribe.replace("head -5", "head -3"), tmp_path)
            while node.heartbeat()["subscribers"] != "1":
                time.sleep(0.05)
            assert "3" in in_bash(tail.replace("tail -f", "cat"), tmp_path)  # which ends, unlike the page's
            assert len(printed.result().splitlines()) == 3
        assert "1" in in_bash(file, tmp_path)


@pytest.mark.parametrize("line", shell_lines("_EVENTFLUX_COMPLETE"))
def test_a_shell_takes_the_completion(line: str, tmp_path: Path) -> None:
    shell = line.partition("_COMPLETE=")[2].partition("_")[0]
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    asked = {"bash": "complete -p eventflux", "zsh": "echo $_comps[eventflux]", "fish": "complete -c eventflux"}[shell]
    begin = "autoload -U compinit && compinit -D && " if shell == "zsh" else ""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", f"{begin}{line.partition('#')[0].strip()} && {asked}".replace("source && c", "source; and c")],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "_eventflux_completion" in done.stdout, done.stderr


def test_every_command_is_on_the_page() -> None:
    assert sorted(name for name in COMMANDS if re.search(rf"^\| .*`{name}`.* \|", PAGE, re.MULTILINE)) == sorted(
        COMMANDS
    )


def test_the_file_of_options_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = blocks("toml")
    assert set(tomllib.loads(text)) - {"call", "node"} <= set(SHARED)
    (tmp_path / "options.toml").write_text(text.replace("/etc/shop/ca.pem", ""))
    for command in ("call", "node"):
        assert main(["--config", f"{tmp_path}/options.toml", command, "--help"]) == 0
    assert all(f"`{name}`" in PAGE for name in SHARED)


def test_every_percentile_is_on_the_page() -> None:
    assert all(f"`p{part:g}`" in PAGE for part in PERCENTILES)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert [link for link in links if "://" not in link and not (ROOT / "docs" / link).exists()] == []


def test_every_key_of_top_is_on_the_page() -> None:
    report = ServerReport(instance="a", uptime_s=1, stats=ServerStats(methods={"/a.B/C": CallStats(started=1)}))
    rates = rates_between(report, ServerReport(instance="a", uptime_s=2, stats=report.stats))
    assert rates is not None
    section = PAGE.partition("\n## Top\n")[2].partition("\n## ")[0]
    keys = {*record_of(rates), *record_of(rates)["latency_ms"]}
    assert sorted(key for key in keys if f"`{key}`" not in section) == []
    assert sorted(key for key in SORT_KEYS if key.replace("-", " ") not in section) == []
