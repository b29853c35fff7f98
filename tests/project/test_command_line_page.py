"""docs/command-line.md: each command on it is run and prints what the page says, but for figures."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
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
