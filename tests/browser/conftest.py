"""Chromium, the page that makes calls, and nodes and servers in processes: for ``nox -s browser`` alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from tests.browser.bundle import build_probe
from tests.support.node_command import COMMAND

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM: Final = os.environ.get("EVENTFLUX_CHROMIUM", "")
WEB: Final = os.environ.get("EVENTFLUX_WEB", "")
PATIENCE_S: Final = 30.0

# Without a browser there is nothing to collect, so that the suite needs neither Chromium nor what drives it.
collect_ignore_glob = [] if CHROMIUM and WEB else ["test_*.py"]


@dataclass
class WebNode:
    """A node in a process of its own, which can be ended and started again on the same port."""

    node_id: str
    port: int
    options: tuple[str, ...]
    listen: str
    path: str
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"{'https' if 'wss' in self.listen else 'http'}://127.0.0.1:{self.port}/"

    @property
    def address(self) -> str:
        """Where clients reach it, whatever they speak."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and returns once it listens."""
        listen = f"{self.listen}:{self.port}{self.path}"
        command = [*COMMAND, "node", "--node-id", self.node_id, "--listen", listen, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("listening on ")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.communicate(timeout=PATIENCE_S)
        self.process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_node(
    *options: str, node_id: str = "", port: int = 0, listen: str = "tcp+grpc+ws://127.0.0.1", path: str = ""
) -> Iterator[WebNode]:
    """A node with a page of its own, or with other options where they are given; port 0: any that is free."""
    port = port or _free_port()
    node = WebNode(node_id or f"node-{port}", port, options or ("--web",), listen, path)
    node.start()
    try:
        yield node
    finally:
        node.stop()


@pytest.fixture
def node() -> Iterator[WebNode]:
    """A node with its page, for one test."""
    with running_node() as running:
        yield running


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, while the context is open."""
    from playwright.sync_api import sync_playwright

    # Its sandbox does not work for root, and these pages are our own.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests."""
    with chromium() as running:
        yield running


@dataclass
class Tab:
    """A page in a browser's tab, and what it has complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, complaint: str) -> None:
        """Takes complaints with this text as a part of the test, whenever they come."""
        self.expected.append(complaint)

    @property
    def unexpected(self) -> list[str]:
        """What the browser has complained of for no reason that the test knows."""
        return [text for text in self.complaints if not any(known in text for known in self.expected)]


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a profile of its own; none may complain of what its test does not expect."""
    tabs: list[Tab] = []
    contexts: list[BrowserContext] = []

    def open_one(url: str, **options: Any) -> Tab:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("console", lambda line: tab.complaints.append(line.text) if line.type == "error" else None)
        tab.page.goto(url)
        tabs.append(tab)
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert [tab.unexpected for tab in tabs if tab.unexpected] == []


@pytest.fixture(scope="session")
def inventory_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server of all kinds of call is, which also has the page that makes them."""
    folder = tmp_path_factory.mktemp("probe")
    build_probe(folder, Path(WEB))
    command = [sys.executable, "-m", "tests.browser.inventory_server", str(folder)]
    path = os.pathsep.join([".", "tests/generated", os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        yield f"http://{urlsplit(process.stdout.readline().strip()).netloc}/"
        process.terminate()
