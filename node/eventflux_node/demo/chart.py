"""The demo's readings as a chart of text: what one subscriber was given, from the first to the last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from eventflux_transport import Message

__all__ = ["bar", "chart"]

_WIDTH: Final = 72
_HEIGHT: Final = 6
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_LYING: Final = " ▏▎▍▌▋▊▉█"


def bar(value: float, most: float, width: int = 20) -> str:
    """A bar as long as a value is of the greatest one."""
    eighths = round(8 * width * value / most) if most > 0 else 0
    return _LYING[8] * (eighths // 8) + _LYING[eighths % 8].strip()


def chart(messages: Sequence[Message]) -> list[str]:
    """Lines that show the temperatures over time, each column the mean of its part of the time; none of no messages."""
    if not messages:
        return []
    means = _means(messages)
    low, high = min(means), max(means)
    span = high - low or 1.0
    # The lowest column has an eighth, so that it is to be seen.
    heights = [1 + round((mean - low) / span * (8 * _HEIGHT - 1)) for mean in means]
    lines: list[str] = []
    for row in reversed(range(_HEIGHT)):
        label = {_HEIGHT - 1: f"{high:.0f} °F", 0: f"{low:.0f} °F"}.get(row, "")
        blocks = "".join(_EIGHTHS[min(8, max(0, height - 8 * row))] for height in heights)
        lines.append(f"{label:>6} ┤{blocks}".rstrip())
    first, last = (f"{datetime.fromtimestamp(m.timestamp / 1000, UTC):%d %b}" for m in (messages[0], messages[-1]))
    lines.append(f"{'':>7} {first}{last:>{max(len(last) + 1, len(means) - len(first))}}")
    return lines


def _means(messages: Sequence[Message]) -> list[float]:
    columns = min(_WIDTH, len(messages))
    values = [float(json.loads(message.payload)["fahrenheit"]) for message in messages]
    edges = [len(values) * column // columns for column in range(columns + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
