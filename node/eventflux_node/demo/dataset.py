"""The demo's data: a year of hourly temperatures in Seattle, as messages of all six types that every wire carries.

The readings are those of ``seattle-temps.csv`` in the package vega_datasets, taken from NOAA's climate normals.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from eventflux_node.header import STREAM_HEADER
from eventflux_runtime import MissingExtraError
from eventflux_transport import Message

__all__ = ["Reading", "message_of", "readings"]

_PACKAGE: Final = "vega_datasets"
_FILE: Final = "seattle-temps.csv"

_FACTORIES: Final = (
    Message.event,
    Message.query,
    Message.state,
    Message.control,
    Message.heartbeat,
    Message.checkpoint,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One hour's temperature."""

    number: int
    timestamp: int
    """Milliseconds since the epoch; the data's local times are taken as UTC."""
    fahrenheit: float


def readings() -> list[Reading]:
    """Every reading of the data set, in order of time.

    Raises:
        MissingExtraError: vega_datasets is not installed.
    """
    with _path().open(newline="", encoding="utf-8") as file:
        return list(_parsed(csv.DictReader(file, strict=True)))


def message_of(reading: Reading, stream: str) -> Message:
    """A reading as a message; the six types take turns."""
    payload = json.dumps({"number": reading.number, "fahrenheit": reading.fahrenheit}).encode()
    made = _FACTORIES[reading.number % len(_FACTORIES)](payload).with_header(STREAM_HEADER, stream)
    made.timestamp = reading.timestamp
    made.source_node = "demo"
    return made


def _parsed(rows: Iterator[dict[str, str]] | csv.DictReader[str]) -> Iterator[Reading]:
    for number, row in enumerate(rows):
        moment = datetime.strptime(row["date"], "%Y/%m/%d %H:%M").replace(tzinfo=UTC)
        yield Reading(number, int(moment.timestamp() * 1000), float(row["temp"]))


def _path() -> Path:
    # The package itself is not imported: that would load pandas for one text file.
    try:
        distribution = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError("the demo's data set", "demo") from None
    return Path(str(distribution.locate_file(f"{_PACKAGE}/_data/{_FILE}")))
