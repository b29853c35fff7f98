"""The progress bar: on a terminal it tells how far things are, elsewhere it says nothing."""

from __future__ import annotations

import io
import sys

import pytest

from eventflux_node.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("a label", lambda: 10.0, "calls") as show:
        show(5.0, 1234)
    assert "a label" in terminal.getvalue()
    assert "1,234 calls" in terminal.getvalue()
    assert "50%" in terminal.getvalue()


def test_elsewhere_nothing_is_shown_and_nothing_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def total() -> float:
        raise AssertionError("nobody looks at it")

    with progress_bar("a label", total, "calls") as show:
        show(5.0)
    assert capsys.readouterr() == ("", "")
