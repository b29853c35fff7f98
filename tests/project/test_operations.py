"""docs/operations.md: every figure in it is the code's, no setting is missing, and its program runs."""

from __future__ import annotations

import dataclasses
import importlib
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from eventflux_node.cli import monitor, node
from eventflux_runtime import ClientConfig, ServerConfig
from eventflux_runtime.grpcio.option import channel_options, server_options
from eventflux_runtime.protocol.grpc.http2 import settings as http2
from eventflux_runtime.protocol.native.core.settings import Settings
from eventflux_runtime.rpc import config, web
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import MonitorConfig
from tests.project.import_graph import ROOT, modules_of

PAGE: Final = (ROOT / "docs/operations.md").read_text()
PROSE: Final = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
GRPC_URL: Final = "grpcio://127.0.0.1:7070"

Row = tuple[str, ...]


def tables() -> dict[str, list[Row]]:
    """The rows of the page's tables, by the first word of their heads; tables with equal heads are one."""
    found: dict[str, list[Row]] = {}
    lines = PROSE.splitlines()
    head = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("| "):
            head = ""
            continue
        cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if following.startswith("| --"):
            head = cells[0]
        elif not line.startswith("| --"):
            found.setdefault(head, []).append(cells)
    return found


TABLES: Final = tables()


def dataclasses_of(module: ModuleType) -> list[type[Any]]:
    """The configuration classes that a module defines."""
    own = [found for found in vars(module).values() if isinstance(found, type) and found.__module__ == module.__name__]
    return [found for found in own if dataclasses.is_dataclass(found)]


CONFIGS: Final = {
    **{owner.__name__: owner for owner in [*dataclasses_of(config), *dataclasses_of(web), MonitorConfig, Settings]},
    "http2.Settings": http2.Settings,
}
"""Every class that has settings, by its name on the page."""


def shown(name: str, value: object) -> str:
    """A value as the page writes it."""
    if value is None or value in ((), {}, b""):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(code.name for code in value))
    if dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}`"
    return figure(name.lower(), value) if isinstance(value, int | float) else str(value)


def figure(name: str, value: float) -> str:
    """A number as the page writes it; its name tells the unit."""
    for unit in ("s", "ms"):
        if name.endswith(f"_{unit}") and not name.endswith("_per_s"):
            return f"{value:g} {unit}"
    if name.endswith(("_bytes", "_bytes_per_connection", "_window", "_margin")):
        for size, unit in ((2**20, "MiB"), (2**10, "KiB")):
            if value % size == 0:
                return f"{value // size:g} {unit}"
        return f"{value:g} bytes"
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


SETTINGS: Final = {
    f"`{name}.{field.name}`": shown(field.name, default_of(field))
    for name, owner in CONFIGS.items()
    for field in dataclasses.fields(owner)
}
"""Every setting there is, with its default."""


def test_there_are_configurations_to_explain() -> None:
    names = {"ClientConfig", "ServerConfig", "PoolConfig", "KeepaliveConfig", "RetryPolicy", "TlsConfig"}
    assert names <= set(CONFIGS)


def test_every_setting_stands_in_one_table_with_its_default() -> None:
    rows = TABLES["setting"]
    assert sorted(cells[0] for cells in rows) == sorted(SETTINGS)
    assert {cells[0]: cells[1] for cells in rows} == SETTINGS
    assert [cells[0] for cells in rows if not cells[2]] == []


def test_the_limits_are_those_of_the_code() -> None:
    for limit, value, place in TABLES["limit"]:
        module, _, name = place.strip("`").rpartition(".")
        assert value == shown(name, getattr(importlib.import_module(f"eventflux_runtime.{module}"), name)), limit


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("client argument", channel_options(parse_endpoint(GRPC_URL), ClientConfig())),
        ("server argument", server_options(ServerConfig())),
    ],
)
def test_what_grpcio_is_told_is_on_the_page(head: str, options: list[tuple[str, int | str]]) -> None:
    told = {f"`{name}`": str(value).replace("127.0.0.1:7070", "HOST:PORT") for name, value in options}
    assert {cells[0]: cells[1] for cells in TABLES[head]} == told


def command_options() -> dict[str, str]:
    """The options of the command whose defaults are figures."""
    found = {}
    for command in (monitor.command, node.command):
        for parameter in command.params:
            default = parameter.default
            if isinstance(default, int | float) and not isinstance(default, bool):
                found[f"`eventflux {command.name} {parameter.opts[0]}`"] = figure(str(parameter.name), default)
    return found


def test_the_command_s_figures_are_on_the_page() -> None:
    assert {cells[0]: cells[1] for cells in TABLES["option"]} == command_options()


def test_figures_in_the_text_are_the_settings() -> None:
    text = "\n".join(line for line in PROSE.splitlines() if not line.startswith("|"))
    for name, stated in re.findall(r"(`\w+\.\w+`) \(([^)]*)\)", text):
        assert stated == SETTINGS[name], name
    rest = re.sub(r"`\w+\.\w+` \([^)]*\)", "", text)
    figures = re.findall(r"\b[0-9][0-9.,]* ?(?:s|ms|seconds|minutes|bytes|KiB|MiB|%)(?![\w])", rest)
    assert figures == [], "write it as `Class.field` (figure), or put it into a table"


def test_every_setting_that_the_text_names_exists() -> None:
    owners = "|".join(map(re.escape, CONFIGS))
    named = set(re.findall(rf"`(?:{owners})\.\w+`", PROSE))
    assert named <= set(SETTINGS)


def test_every_logger_is_on_the_page() -> None:
    sources = [path.read_text() for path in modules_of("eventflux_runtime").values()]
    loggers = {name for source in sources for name in re.findall(r'getLogger\("([^"]+)"\)', source)}
    assert loggers == {cells[0].strip("`") for cells in TABLES["logger"]}


@pytest.mark.parametrize(
    "quoted",
    sorted(set(re.findall(r'"((?:cannot|refused|the handler|the certificates)[a-z .]*?)(?: \.\.\.[^"]*)?"', PROSE))),
)
def test_quoted_lines_are_in_the_code(quoted: str) -> None:
    sources = [path.read_text() for path in modules_of("eventflux_runtime").values()]
    assert any(quoted in source for source in sources)


def programs() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_program_with_workers_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    (program,) = [text for text in programs() if "workers=" in text]
    told = "workers=1, on_started=lambda workers: os.kill(os.getpid(), signal.SIGTERM)"
    program = program.replace("0.0.0.0:7070", "127.0.0.1:0").replace("workers=4", told)
    path = tmp_path / "service.py"
    path.write_text(f"import os, signal\n{program}")
    done = subprocess.run(
        [sys.executable, "-W", "error", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_program_of_the_page_runs() -> None:
    (program,) = [text for text in programs() if "HeartbeatMonitor" in text]
    # Nobody answers there: the first changes come, and then the program is left.
    program = program.replace("7070", "1").replace("7071", "1").replace("HeartbeatMonitor(nodes)", QUICK)
    program = program.replace("change.reason)\n", "change.reason)\n            return\n")
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert re.match(r"node-[12] UNKNOWN -> DEGRADED 2 beats were not good", done.stdout)


QUICK: Final = "HeartbeatMonitor(nodes, config=__import__('eventflux_transport').MonitorConfig(interval_s=0.05))"


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", PROSE)
    assert [link for link in links if "://" not in link and not (ROOT / "docs" / link).exists()] == []
