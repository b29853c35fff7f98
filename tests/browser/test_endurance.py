"""A page that is left open: thousands of events a second, and neither its memory nor its document grows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.conftest import Tab, WebNode
from tests.browser.test_page import await_live

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

SECONDS: Final = float(os.environ.get("EVENTFLUX_BROWSER_SECONDS", "10"))
EVENTS_PER_S: Final = 3000
SLACK_BYTES: Final = 2 * 1024 * 1024
"""What a heap may differ by for other reasons: code that is compiled on the way, for example."""


@dataclass(frozen=True)
class Size:
    """What a page takes, once everything that can be collected is."""

    heap_bytes: int
    nodes: int
    listeners: int
    elements: int


def _measure(page: Page, session: CDPSession) -> Size:
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    counts = session.send("Memory.getDOMCounters")
    elements = page.evaluate("document.querySelectorAll('*').length")
    return Size(int(heap), counts["nodes"], counts["jsEventListeners"], elements)


@pytest.mark.timeout(1.2 * SECONDS + 180)
def test_ten_minutes_of_events_leave_nothing_behind(node: WebNode, open_tab: Callable[..., Tab]) -> None:
    page = open_tab(node.url).page
    await_live(page)
    session = page.context.new_cdp_session(page)
    warm_up_s = max(4.0, SECONDS * 0.2)
    command = [sys.executable, "-m", "tests.browser.flood", f"tcp://{node.address}", str(EVENTS_PER_S)]
    with subprocess.Popen([*command, str(warm_up_s + SECONDS)], stdout=subprocess.PIPE, text=True) as flood:
        page.wait_for_timeout(warm_up_s * 1000)  # lists and charts fill, and code is compiled
        before = _measure(page, session)
        output, _ = flood.communicate(timeout=SECONDS + 60)
    published = int(output)
    page.wait_for_function(
        "(count) => document.querySelector('#event-count').textContent.includes(count)", arg=f"{published:,} received"
    )
    after = _measure(page, session)
    print(f"{published} events in {warm_up_s + SECONDS:.0f} s: {before}, then {after}", file=sys.stderr)
    assert published > 100 * SECONDS
    assert after.heap_bytes <= before.heap_bytes + SLACK_BYTES
    assert after.nodes <= before.nodes * 1.05 + 200
    assert after.listeners <= before.listeners + 50
    assert after.elements <= before.elements + 50
