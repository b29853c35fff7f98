"""The page of views."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from eventflux_node.top.table import Screen, page_of
from eventflux_node.top.watch import NOT_SERVED, ServerView
from eventflux_runtime import CallStats, StatusCode
from tests.node.top.test_rate import calls, latency, report


def shown(*views: ServerView, sort: str = "calls", screen: Screen | None = None, footer: str = "") -> list[str]:
    output = io.StringIO()
    width = 400 if screen is None else screen.width
    Console(file=output, width=width).print(page_of(views, sort, screen=screen, footer=footer))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def view(url: str = "tcp://a:1", uptime_s: float = 1.0, method: str = "/shop.v1.Items/Get") -> ServerView:
    made = ServerView(url)
    made.take(report(uptime_s, {}))
    busy = calls(3000, 2000, 500, size=2_000_000, times=latency(b20=2500))
    made.take(report(uptime_s + 1, {method: busy, "/shop.v1.Items/Idle": calls(1, 1)}))
    return made


def test_a_server_has_a_line_and_its_methods_a_table() -> None:
    line, _, head, first, second = shown(view())
    assert line == (
        "tcp://a:1  up 2 s, 3 connections, 2,501 calls/s, 500 errors/s, 500 in flight, 3.8 MiB/s in, 1.9 MiB/s out"
    )
    assert head.split("  ")[0] == "method"
    assert first.split() == [
        "shop.v1.Items/Get", "2,500", "500", "17.5", "20", "3.8", "MiB", "1.9", "MiB", "500", "NOT_FOUND",
    ]  # fmt: skip
    assert second.split() == ["shop.v1.Items/Idle", "1.0", "0", "-", "-", "0", "B", "0", "B"]


def test_who_does_not_answer_says_why_and_who_has_not_yet_waits() -> None:
    silent, new = ServerView("tcp://b:1"), ServerView("tcp://c:1")
    silent.fail(NOT_SERVED)
    lines = shown(view(), silent, new)
    assert lines[1] == f"tcp://b:1  {NOT_SERVED}"
    assert lines[2] == "tcp://c:1  waiting for its figures"
    assert lines[4].split()[:2] == ["server", "method"]
    assert lines[5].split()[:2] == ["tcp://a:1", "shop.v1.Items/Get"]


def test_trouble_is_over_once_it_answers_and_a_restart_begins_anew() -> None:
    again = view()
    again.fail("gone")
    assert again.rates is None
    assert not again.take(report(5, {}))
    assert again.trouble == ""
    assert again.take(report(6, {}))
    assert not again.take(report(1, {}, "another"))
    assert shown(again) == ["tcp://a:1  waiting for its figures"]


@pytest.mark.parametrize(("width", "height"), [(160, 8), (80, 10)], ids=["wide", "narrow"])
def test_a_short_terminal_says_how_much_is_left_out(width: int, height: int) -> None:
    screen = Screen(width, height)
    lines = shown(view("tcp://a:1"), view("tcp://b:1"), screen=screen, sort="name", footer="q quits")
    assert len(lines) == height
    assert lines[-3:] == ["3 more", "", "q quits"]
    assert lines[-4].split()[:2] == (["tcp://a:1", "shop.v1.Items/Get"] if width > 100 else ["a:1", "Items/Get"])


def test_a_long_name_is_cut_and_keeps_its_line() -> None:
    lines = shown(view(method=f"/{'x' * 90}/Get"), screen=Screen(100, 30))
    assert any("…" in line and line.endswith("500 NOT_FOUND") for line in lines)


def test_names_are_no_markup() -> None:
    assert any("[red]x[/nothing]" in line for line in shown(view(method="/[red]x[/nothing]/M")))


def test_of_many_codes_the_most_frequent_are_named() -> None:
    made = ServerView("tcp://a:1")
    made.take(report(1, {}))
    ended = {StatusCode(number): number for number in range(1, 6)}
    made.take(report(2, {"/s/M": CallStats(started=15, ended=ended)}))
    assert shown(made)[-1].endswith("5.0 NOT_FOUND, 4.0 DEADLINE_EXCEEDED, 3.0 INVALID_ARGUMENT, 3.0 others")


@pytest.mark.parametrize(
    ("uptime_s", "text"),
    [(58, "59 s"), (119, "2 min"), (3 * 3600 + 119, "3 h 2 min"), (2 * 86400 + 3600, "2 d 1 h")],
)
def test_times_are_short(uptime_s: float, text: str) -> None:
    assert f"up {text}," in shown(view(uptime_s=uptime_s))[0]
