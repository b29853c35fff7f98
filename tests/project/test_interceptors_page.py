"""docs/interceptors.md: its recipes do what they say, and its tables name what there is."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest

from eventflux_runtime import CancelCause, Channel, NotFound, ServerConfig, Unauthenticated, connect, serve
from eventflux_runtime.rpc.call_tally import LATENCY_BOUNDS_S, MAX_METHODS, OTHERS
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import Message, TransportClient
from tests.project.import_graph import ROOT
from tests.support.probe import Probe

PAGE = (ROOT / "docs/interceptors.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the page's code makes, all of it in one module."""
    names: dict[str, Any] = {"Channel": Channel}
    for block in BLOCKS:
        exec(block, names)
    return names


async def test_the_recipes_of_both_sides(page: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    class Greeting(Probe):
        async def send_message(self, request: Message, context: Any) -> Message:
            if request.id == "none":
                raise NotFound("nobody")
            return Message(id=context.state[page["USER"]])

    url = memory_endpoint()
    checking = page["Authentication"]({"t0ken": "ada"})
    with anyio.fail_after(10):
        async with serve([Greeting()], url, config=ServerConfig(drain_grace_s=0), interceptors=[checking]):
            async with connect(url, interceptors=[page["log_calls"], page["Token"]("t0ken")]) as channel:
                client = TransportClient(channel)
                assert (await client.send_message(Message())).id == "ada"
                with pytest.raises(NotFound):
                    await client.send_message(Message(id="none"))
                page["report"](channel)
            async with connect(url) as stranger:
                with pytest.raises(Unauthenticated):
                    await TransportClient(stranger).send_message(Message())
    path = "/eventflux.transport.Transport/SendMessage"
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: attempt 1",
        f"{path}: OK, 1 sent, 1 received",
        f"{path}: attempt 1",
        f"{path}: NOT_FOUND, 1 sent, 0 received",
        f"{path}: 2 calls, 1 failed, 0 in flight",
        "1 connections, 0 failed, ejected 0 times",
    ]


def test_each_cause_and_each_number_is_named() -> None:
    rows = re.findall(r"^\| `([A-Z]+)` \| ", PAGE, re.MULTILINE)
    assert rows == [cause.name for cause in CancelCause]
    assert f"has {len(LATENCY_BOUNDS_S) + 1} buckets" in PAGE
    assert f"The first {MAX_METHODS:,} methods" in PAGE
    assert f"`{OTHERS}`" in PAGE
