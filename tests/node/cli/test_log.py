"""`eventflux node --log-level --log-format --access-log`: what goes to standard error, and in which form."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from eventflux_node.cli import main
from eventflux_node.log import json_formatter, text_formatter
from eventflux_runtime import MissingExtraError
from tests.support.node_command import COMMAND


def test_a_node_tells_its_life_its_connections_and_its_calls_in_json(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/node.sock"
    options = ["--log-level", "debug", "--log-format", "json", "--access-log"]
    process = subprocess.Popen(
        [*COMMAND, "node", "--listen", url, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening on {url}\n"
        assert main(["heartbeat", url]) == 0
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert all(datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0) for line in lines)
    told = [(line["level"], line["logger"].removeprefix("eventflux_runtime."), line["message"]) for line in lines]
    assert told[0] == ("INFO", "server", f"listening on {url}")
    assert told[1] == ("DEBUG", "server", f"a connection from {url} on {url}")
    call = next(line for line in lines if line["logger"] == "eventflux_runtime.access")
    assert (call["code"], call["method"], call["peer"]) == ("OK", "/eventflux.transport.Transport/Heartbeat", url)
    assert told[-2:] == [
        ("INFO", "server", f"draining {url}: 0 calls in flight"),
        ("INFO", "server", f"stopped {url}"),
    ]


def record_of(error: BaseException | None = None) -> logging.LogRecord:
    found = (type(error), error, None) if error is not None else None
    record = logging.LogRecord("eventflux_runtime", logging.ERROR, "f.py", 1, "it %s\n", ("broke",), found)
    record.created = 86400.25
    record.msecs = 250
    return record


def test_json_is_one_line_with_the_exception_and_whatever_else_the_record_has() -> None:
    record = record_of(ZeroDivisionError("by zero"))
    record.code = "OK"
    record.thing = object()
    text = json_formatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert line["time"] == "1970-01-02T00:00:00.250000Z"
    assert (line["level"], line["logger"], line["message"]) == ("ERROR", "eventflux_runtime", "it broke\n")
    assert line["exception"].splitlines()[-1] == "ZeroDivisionError: by zero"
    assert (line["code"], line["thing"][:7]) == ("OK", "<object")


def test_text_has_the_time_in_utc() -> None:
    assert text_formatter().format(record_of()) == "1970-01-02T00:00:00.250Z ERROR eventflux_runtime: it broke\n"


def test_json_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonjsonlogger.msgspec", None)
    with pytest.raises(MissingExtraError, match="--log-format json needs an extra"):
        json_formatter()
