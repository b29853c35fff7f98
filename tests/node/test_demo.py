"""The demo: a node that works passes, and each thing that is checked can fail."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import anyio
import pytest

import eventflux_transport
from eventflux_node.demo.chart import bar, chart
from eventflux_node.demo.collector import Collector
from eventflux_node.demo.dataset import Reading, message_of, readings
from eventflux_node.demo.drift import compare_with_fresh, idl_config
from eventflux_node.demo.exercise import WireReport, exercise
from eventflux_node.demo.run import run_demo
from eventflux_node.hub import Hub
from eventflux_node.service import NodeService
from eventflux_runtime import MissingExtraError, serve
from eventflux_transport import EventFilter, Message, MessageType
from tests.project.import_graph import ROOT


def test_the_data_set_is_whole() -> None:
    data = readings()
    assert len(data) == 8759
    assert (data[0].timestamp, data[0].fahrenheit) == (1_262_304_000_000, 39.4)
    assert [reading.number for reading in data] == list(range(8759))
    assert sorted(reading.timestamp for reading in data) == [reading.timestamp for reading in data]
    types = {message_of(reading, "s").message_type for reading in data[:6]}
    assert types == {
        MessageType.EVENT,
        MessageType.QUERY,
        MessageType.STATE,
        MessageType.CONTROL,
        MessageType.HEARTBEAT,
        MessageType.CHECKPOINT,
    }


def test_a_missing_data_set_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'eventflux-transport\[demo\]'"):
        readings()


def test_generated_code_that_was_edited_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ROOT / "idl" / "transport.yaml"
    assert idl_config() in (config, None)
    count, differences = compare_with_fresh(config)
    assert count > 5
    assert differences == []

    copy = tmp_path / "eventflux_transport"
    shutil.copytree(Path(eventflux_transport.__file__).parent, copy)
    (copy / "client.py").write_text("# edited\n")
    (copy / "service.py").unlink()
    (copy / "extra.py").touch()
    monkeypatch.setattr(eventflux_transport, "__file__", str(copy / "__init__.py"))
    assert compare_with_fresh(config)[1] == [
        "service.py is missing",
        "extra.py is not made by the generator",
        "client.py differs",
    ]
    assert idl_config() is None, "an installed package has no IDL with it"


def _swap(messages: list[Message]) -> list[Message]:
    return [messages[1], messages[0], *messages[2:]]


def _change(messages: list[Message]) -> list[Message]:
    return [messages[0].with_header("added", "on the way"), *messages[1:]]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda messages: messages, []),
        (lambda messages: messages[:-1], ["c: 1 events missing, 0 repeated, 0 not asked for"]),
        (lambda messages: [*messages, messages[0]], ["c: 0 events missing, 1 repeated, 0 not asked for"]),
        (lambda messages: [*messages, Message.event(b"")], ["c: 0 events missing, 0 repeated, 1 not asked for"]),
        (_swap, ["c: events out of order"]),
        (_change, ["c: 1 events changed on the way"]),
    ],
)
def test_what_arrives_is_compared(spoil: Callable[[list[Message]], list[Message]], fault: list[str]) -> None:
    sent = [message_of(reading, "s") for reading in readings()[:12]]
    collector = Collector("c", EventFilter(stream_names=["s"]))
    collector.received = spoil(list(sent))
    assert collector.faults(sent) == fault


class LossyHub(Hub):
    """Loses one message."""

    async def publish(self, message: Message) -> None:
        if message.payload.startswith(b'{"number": 7,'):
            return
        await super().publish(message)


async def run_exercise(hub: Hub) -> list[str]:
    """The faults that the exercise finds in a node over TCP."""
    with anyio.fail_after(60):
        async with serve([NodeService(node_id="n", version="1", hub=hub)], "tcp://127.0.0.1:0") as server:
            return (await exercise("tcp", server.endpoints[0], readings()[:60])).faults


async def test_a_node_that_keeps_everything_has_no_fault() -> None:
    assert await run_exercise(Hub()) == []


async def test_a_node_that_loses_an_event_fails() -> None:
    assert await run_exercise(LossyHub()) == [
        "tcp subscriber of everything: 1 events missing, 0 repeated, 0 not asked for"
    ]


class WrongService(NodeService):
    """Acknowledges with the wrong id."""

    async def stream_messages(self, requests: AsyncIterator[Message], context: object) -> AsyncIterator[Message]:
        async for _ in requests:
            yield Message(message_type=MessageType.ACKNOWLEDGMENT, headers={"acknowledged-id": "another"})


async def test_a_wrong_acknowledgment_fails() -> None:
    with anyio.fail_after(60):
        async with serve([WrongService(node_id="n", version="1")], "tcp://127.0.0.1:0") as server:
            report = await exercise("tcp", server.endpoints[0], readings()[:60])
    assert report.faults[0].startswith("tcp: DATA_LOSS: the node acknowledged message 'another' where ")


@pytest.mark.slow
async def test_a_fault_on_one_wire_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def faulty(wire: str, url: str, data: Sequence[Reading]) -> WireReport:
        return WireReport(wire, faults=["lost in transit"] if wire == "unix" else [])

    monkeypatch.setattr("eventflux_node.demo.run.exercise", faulty)
    assert await run_demo(12, "asyncio") == 1
    assert "failed: lost in transit\n" in capsys.readouterr().out


def test_the_chart_shows_what_was_received() -> None:
    lines = chart([message_of(reading, "s") for reading in readings()])
    assert [line[:8] for line in lines[:6]] == [" 66 °F ┤", *["       ┤"] * 4, " 39 °F ┤"]
    columns = [line[8:].ljust(72) for line in lines[:6]]
    tallest, lowest = columns[0].index("█"), columns[5].index("▁")
    assert "".join(column[tallest] for column in columns) == "██████"
    assert "".join(column[lowest] for column in columns) == "     ▁"
    assert 36 < tallest < 48, "July and August are warm"
    assert lines[6].split() == ["01", "Jan", "31", "Dec"]
    assert chart([]) == []
    assert len(chart([message_of(readings()[0], "s")])) == 7


@pytest.mark.parametrize(("value", "expected"), [(8, "████"), (4, "██"), (3, "█▌"), (0, ""), (0.25, "▏")])
def test_a_bar_is_as_long_as_its_value(value: float, expected: str) -> None:
    assert bar(value, 8, width=4) == expected
    assert bar(0, 0) == ""
