"""`eventflux doctor`: what can be spoken here, what is missing, and the line that mends it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from eventflux_node.cli import main
from eventflux_runtime.rpc import scheme as scheme_module
from eventflux_runtime.rpc.scheme import SCHEMES, Scheme
from tests.project.import_graph import ROOT
from tests.support.toy_carrier import SCHEME as TOY

WITHOUT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it raises ModuleNotFoundError, as where it is not installed
from eventflux_node.cli import main
sys.exit(main(["doctor"]))
"""


def doctor_without(*packages: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, ",".join(packages)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_every_wire_of_the_table_and_every_extra_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for name in SCHEMES:
        assert f"\n  {name}:// " in told
    for name in metadata.metadata("eventflux-transport").get_all("Provides-Extra") or ():
        assert f"\n  {name} " in told
    assert f"Python {sys.version.split(maxsplit=1)[0]}" in told
    assert "event loops: asyncio, uvloop " in told


def test_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [wire["scheme"] for wire in told["wires"]][: len(SCHEMES)] == list(SCHEMES)
    assert {wire["state"] for wire in told["wires"]} <= {"usable", "missing"}
    assert told["event_loops"]["trio"] == metadata.version("trio")
    (websocket,) = [extra for extra in told["extras"] if extra["name"] == "websocket"]
    assert websocket["packages"] == {"websockets": metadata.version("websockets")}


def test_what_is_missing_is_named_with_the_line_that_mends_it() -> None:
    done = doctor_without("websockets", "cffi", "grpc")
    assert (done.returncode, done.stderr) == (0, "")
    for scheme, extra in (("ws", "websocket"), ("rdma", "rdma"), ("grpcio", "grpcio")):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"  {scheme}:// ")]
        assert "missing: the " in line
        assert f"run pip install 'eventflux-transport[{extra}]'" in line


def test_a_package_that_fails_when_it_is_imported_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    torn = Scheme(name="torn", form=TOY.form, carrier="torn:CARRIER", protocol=TOY.protocol)
    monkeypatch.setitem(scheme_module.SCHEMES, "torn", torn)
    assert main(["doctor"]) == 1
    assert "torn://        broken: RuntimeError: half installed" in capsys.readouterr().out


def test_a_wire_that_another_package_adds_appears_of_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(scheme_module.SCHEMES, "queue", TOY)
    assert main(["doctor"]) == 0
    assert "\n  queue://       usable\n" in capsys.readouterr().out


def test_what_is_below_a_wire_and_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mute.py").write_text("import threading\ndef probe():\n    threading.Event().wait()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("eventflux_runtime.wire.report.PROBE_S", 0.05)
    mute = Scheme(name="mute", form=TOY.form, carrier=TOY.carrier, protocol=TOY.protocol, probe="mute:probe")
    monkeypatch.setitem(scheme_module.SCHEMES, "mute", mute)
    assert main(["doctor"]) == 1
    assert "mute://        broken: TimeoutError: what is below mute:// did not answer within" in capsys.readouterr().out
