"""The views of servers as a page of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from eventflux_node.top.rate import CallRates, ServerRates, sorted_methods
from eventflux_node.top.watch import ServerView

__all__ = ["Screen", "page_of"]

_STEP: Final = 1024
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_SHOWN_CODES: Final = 3
_FIGURES: Final = ("calls/s", "in flight", "p50 ms", "p99 ms", "in/s", "out/s")
_FIGURES_WITHOUT_BYTES: Final = 4
_BETWEEN: Final = 2
"""Blanks between two columns."""
_NARROW: Final = 110
"""Below so many columns schemes of servers, packages of methods, and their bytes are left out."""
_AROUND_TABLE: Final = 5
"""Lines of a page that are neither a server's nor a row: blank ones, the head, how many more there are, the footer."""


class Screen(NamedTuple):
    """What a page has to fit into, in characters."""

    width: int
    height: int


def page_of(
    views: Sequence[ServerView], sort: str, *, screen: Screen | None = None, footer: str = ""
) -> RenderableType:
    """A line for each server, and a table of their methods.

    Args:
        views: of the servers, in the order of their lines.
        sort: one of `SORT_KEYS`.
        screen: what it has to fit into; None: it is as wide and as long as it gets.
        footer: a line below it.
    """
    rows = [
        (view.url, path, rates)
        for view in views
        if view.rates is not None
        for path, rates in view.rates.methods.items()
    ]
    lines = [_server_line(view) for view in views]
    parts: list[RenderableType] = [*lines]
    if rows:
        parts += [Text(), _table(rows, sort, screen, _room(lines, screen), has_servers=len(views) > 1)]
    if footer:
        parts += [Text(), Text(footer, style="dim")]
    return Group(*parts)


def _room(lines: Sequence[Text], screen: Screen | None) -> int | None:
    """Rows that the table may have below the lines of servers, which take as many lines as they need; None: all."""
    if screen is None:
        return None
    above = sum(-(-len(line) // screen.width) for line in lines)
    return max(screen.height - above - _AROUND_TABLE, 1)


def _server_line(view: ServerView) -> Text:
    line = Text(view.url, style="bold")
    rates = view.rates
    if view.trouble:
        line.append(f"  {view.trouble}", style="red not bold")
    elif rates is None:
        line.append("  waiting for its figures", style="dim not bold")
    else:
        line.append(f"  {_server_figures(rates)}", style="not bold")
    return line


def _server_figures(rates: ServerRates) -> str:
    total = rates.total
    parts = [
        f"up {_span(rates.uptime_s)}",
        f"{rates.connections:,} connection{'' if rates.connections == 1 else 's'}",
        f"{_rate(total.calls_per_s)} calls/s",
        f"{_rate(total.failed_per_s)} errors/s",
        f"{total.in_flight:,} in flight",
        f"{_bytes(total.received_bytes_per_s)}/s in",
        f"{_bytes(total.sent_bytes_per_s)}/s out",
    ]
    if rates.refused_calls_per_s:
        parts.append(f"{_rate(rates.refused_calls_per_s)} calls/s of what is not served")
    return ", ".join(parts)


def _table(
    rows: Sequence[tuple[str, str, CallRates]],
    sort: str,
    screen: Screen | None,
    max_rows: int | None,
    *,
    has_servers: bool,
) -> RenderableType:
    is_narrow = screen is not None and screen.width < _NARROW
    figures = _FIGURES[:_FIGURES_WITHOUT_BYTES] if is_narrow else _FIGURES
    heads = [*(["server"] if has_servers else []), "method", *figures, "errors/s"]
    by_place = {f"{path}\n{url}": (url, path, rates) for url, path, rates in rows}
    ordered = [by_place[place] for place, _ in sorted_methods(((key, row[2]) for key, row in by_place.items()), sort)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells: list[list[str]] = []
    for url, path, rates in ordered[:max_rows]:
        method = path.rpartition(".")[2] if is_narrow else path.removeprefix("/")
        server = [url.rpartition("://")[2] if is_narrow else url] if has_servers else []
        cells.append([*server, method, *_figures(rates)[: len(figures)], _errors(rates)])
    longest = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for head, width in zip(heads, _widths(heads, longest, screen), strict=True):
        is_figure = head in figures
        style = "red" if head == "errors/s" else ""
        justify: Literal["left", "right"] = "right" if is_figure else "left"
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis", max_width=width, style=style)
    for (_, _, rates), row in zip(ordered[:max_rows], cells, strict=True):
        table.add_row(*map(escape, row), style="" if rates.calls_per_s or rates.in_flight else "dim")
    left_out = len(ordered) - len(cells)
    return Group(table, Text(f"{left_out} more", style="dim")) if left_out else table


def _widths(heads: Sequence[str], longest: Sequence[int], screen: Screen | None) -> list[int]:
    """The width of each column: figures are never cut, and texts share what these leave."""
    widths = dict(zip(heads, longest, strict=True))
    if screen is not None:
        room = screen.width - _BETWEEN * (len(heads) - 1) - sum(widths[head] for head in heads if head in _FIGURES)
        texts = [head for head in ("errors/s", "server", "method") if head in widths]
        for index, head in enumerate(texts):
            others = sum(widths[other] for other in texts[index + 1 :])
            fair = room // (len(texts) - index)
            widths[head] = min(widths[head], max(fair, room - others, len(head)))
            room -= widths[head]
    return list(widths.values())


def _figures(rates: CallRates) -> list[str]:
    """In the order of `_FIGURES`."""
    return [
        _rate(rates.calls_per_s),
        f"{rates.in_flight:,}",
        _ms(rates.latency.percentile(0.5)),
        _ms(rates.latency.percentile(0.99)),
        _bytes(rates.received_bytes_per_s),
        _bytes(rates.sent_bytes_per_s),
    ]


def _errors(rates: CallRates) -> str:
    errors = sorted(rates.failures_per_s.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{_rate(rate)} {name}" for name, rate in errors[:_SHOWN_CODES]]
    if len(errors) > _SHOWN_CODES:
        shown.append(f"{_rate(sum(rate for _, rate in errors[_SHOWN_CODES:]))} others")
    return ", ".join(shown)


def _rate(rate: float) -> str:
    if rate == 0:
        return "0"
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}"


def _ms(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < _STEP:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _STEP
    return f"{count:.1f} GiB"


def _span(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S:.0f} h {seconds % _HOUR_S // _MINUTE_S:.0f} min"
    return f"{seconds // _DAY_S:.0f} d {seconds % _DAY_S // _HOUR_S:.0f} h"
