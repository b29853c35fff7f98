"""What this machine can do: which wires are usable, and what the others lack. From the table of schemes alone."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Final, Literal, TypeAlias

from eventflux_runtime.rpc.errors import ConfigError, MissingExtraError
from eventflux_runtime.rpc.scheme import ENTRY_POINTS, SCHEMES, Scheme, schemes_of
from eventflux_runtime.wire.registry import wire_of_rows

__all__ = ["WireReport", "WireState", "wire_reports"]

WireState: TypeAlias = Literal["usable", "missing", "broken"]
"""Of a wire: what it needs is there, is not installed, or is installed and fails."""
PROBE_S: Final = 10.0
"""Seconds for what stands below a wire to tell of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReport:
    """What there is to tell of one scheme on this machine."""

    scheme: str
    state: WireState
    reason: str = ""
    """Why it is not usable, and what to do; empty: it is."""
    facts: dict[str, str] = field(default_factory=dict)
    """What it stands on, such as the version of a library of the system."""


def wire_reports() -> tuple[WireReport, ...]:
    """A report of each scheme, those that other packages add included. Imports every wire; never raises."""
    names = dict.fromkeys((*SCHEMES, *(entry.name for entry in entry_points(group=ENTRY_POINTS))))
    return tuple(_report(name) for name in names)


def _report(name: str) -> WireReport:
    try:
        rows = schemes_of(name)
        wire_of_rows(rows)
        facts = _told(rows[0])
    except MissingExtraError as error:
        return WireReport(scheme=name, state="missing", reason=str(error))
    except ConfigError as error:
        is_missing = error.__cause__ is None  # who adds a scheme and cannot be loaded is broken
        return WireReport(scheme=name, state="missing" if is_missing else "broken", reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a package fails with when it is imported
        return WireReport(scheme=name, state="broken", reason=f"{type(error).__name__}: {error}")
    return WireReport(scheme=name, state="usable", facts=facts)


def _told(row: Scheme) -> dict[str, str]:
    """What a row's probe tells, within a time: it asks what is not ours, and that may hang.

    Raises:
        Exception: what the probe raises.
    """
    if not row.probe:
        return {}
    module, _, name = row.probe.partition(":")
    told: list[dict[str, str]] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            probe: Any = getattr(importlib.import_module(module), name)
            told.append(probe())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=ask, name="eventflux probe", daemon=True)
    thread.start()
    thread.join(PROBE_S)
    if failed:
        raise failed[0]
    if not told:
        raise TimeoutError(f"what is below {row.name}:// did not answer within {PROBE_S:g} s")
    return told[0]
