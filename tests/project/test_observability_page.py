"""docs/observability.md: its code does what it says, and its tables name what there is."""

from __future__ import annotations

import logging
import re
from typing import Any

import anyio
import pytest
from opentelemetry.trace import StatusCode as SpanStatus

from eventflux_runtime import CallEnd, CancelCause, Status, StatusCode
from eventflux_runtime.access_log.line import LINES_PER_S, LOGGER, usual_level
from eventflux_runtime.otel.convention import CLIENT_DURATION, SCHEMA_URL, SERVER_DURATION, SERVER_ERRORS
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import Message, TransportClient
from tests.project.import_graph import ROOT
from tests.support.probe import Probe

PAGE = (ROOT / "docs/observability.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the page's code makes, all of it in one module."""
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, names)
    return names


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_code_on_it_runs(page: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER), anyio.fail_after(10):
        for kind in ("observed", "logged"):
            url = memory_endpoint()
            async with page[f"{kind}_server"](Probe(), url), page[f"{kind}_channel"](url) as channel:
                assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(lines) == 2
    shown = re.findall(r"^(\S+ \S+ [A-Z_]+ )[\d.]+ ms, ", PAGE, re.MULTILINE)
    assert len(shown) == 3
    assert all(re.match(r"\S+ /[\w.]+/\w+ OK [\d.]+ ms, (sent|received) 1 \(\d+ B\), ", line) for line in lines)


def test_what_it_names_is_what_there_is() -> None:
    def sentence(start: str, end: str) -> set[str]:
        return set(re.findall(r"`([A-Z_]+)`", PAGE.partition(start)[2].partition(end)[0]))

    assert sentence("to a server `", "|") | {"UNKNOWN"} == {code.name for code in SERVER_ERRORS}
    assert f"version {SCHEMA_URL.rpartition('/')[2]}:" in PAGE
    assert f"`{CLIENT_DURATION}` and `{SERVER_DURATION}`" in PAGE
    assert ", ".join(f"`{cause.value}`" for cause in list(CancelCause)[:-1]) in PAGE
    assert f"{LINES_PER_S:.0f} by default" in PAGE
    levels = {code: usual_level(CallEnd(status=Status(code), duration_s=0)) for code in StatusCode}
    for level, start, end in ((logging.ERROR, "by default ERROR", "WARNING"), (logging.WARNING, "WARNING for", "INFO")):
        assert sentence(start, end) == {code.name for code, its in levels.items() if its == level}
    assert SpanStatus.ERROR.name in PAGE
