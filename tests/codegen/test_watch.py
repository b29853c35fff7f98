"""--watch: a run after each change, one line each, and no mistake ends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventflux_codegen.cli import main
from eventflux_codegen.watch import watch
from tests.support.workspace import PROTO


class Script:
    """Stands for the time between two looks: each takes the next step, and the last one is the user's Ctrl-C."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = iter(steps)

    def __call__(self, seconds: float) -> None:
        assert seconds >= 0.5
        step = next(self._steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()


def test_each_change_is_a_run(tmp_path: Path) -> None:
    source = tmp_path / "a.proto"
    source.write_text("one")
    runs: list[str] = []

    def touched() -> None:
        os.utime(source, ns=(1, 1))

    def paths() -> Iterator[Path]:
        yield from tmp_path.glob("*.proto")
        yield tmp_path / "missing.proto"

    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: source.write_text("two, longer"),
        lambda: None,
        touched,
        (tmp_path / "b.proto").touch,
        source.unlink,
    ]
    watch(lambda: runs.append("run"), paths, Script(*steps))
    assert len(runs) == 1 + 4


def test_what_changes_during_a_run_is_seen_after_it(tmp_path: Path) -> None:
    source = tmp_path / "a.proto"
    source.write_text("one")
    runs: list[str] = []

    def run() -> None:
        runs.append("run")
        if len(runs) == 1:
            source.write_text("changed meanwhile")

    watch(run, lambda: [source], Script())
    assert len(runs) == 2


def test_the_command_survives_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
    monkeypatch.chdir(tmp_path)
    proto = tmp_path / "proto" / "sample.proto"
    proto.parent.mkdir()
    proto.write_text(PROTO.replace("int32 y = 2;", "int32 y = ;"))
    mended = PROTO.replace("int32 y = 2;", "int32 y = 2; // mended")
    steps: list[Callable[[], object]] = [
        lambda: proto.write_text(mended),
        lambda: proto.write_text(mended.replace("int32 y", "sint32 y")),
        lambda: proto.write_text(PROTO.replace("int32 x", "int32 z = 7; int32 x")),
        lambda: (proto.parent / "new.proto").write_text('syntax = "proto3"; message New {}'),
        proto.unlink,
    ]
    monkeypatch.setattr("eventflux_codegen.watch.watch.__defaults__", (Script(*steps),))
    assert main(["generate", "proto", "--package", "sample", "--watch"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("sample: __init__.py, __init__.pyi, blocking.py, client.py, ")
    assert "messages.py" in lines[1]
    assert "sample.lock" in lines[2]
    errors = said.err.splitlines()
    assert len(errors) == 3
    assert errors[0] == "eventflux-codegen: proto/sample.proto:5: Expected field number."
    assert "was int32 and is sint32, which breaks" in errors[1]
    assert "message demo.Point is gone" in errors[2]
