"""Somebody else's carrier, added by an entry point: every scenario runs over it, and nothing else was changed."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from eventflux_runtime import ConfigError, connect, serve
from eventflux_runtime.rpc import scheme
from tests.scenario.test_scenarios import SCENARIOS, Scenario
from tests.support.probe import Probe
from tests.support.wires import linked_at


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """Puts a package on the path that does nothing but name a scheme."""
    info = folder / "toy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{scheme.ENTRY_POINTS}]\n{entry}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(scheme, "_found", dict(scheme._found))  # what other tests have looked up stays theirs


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
@pytest.mark.usefixtures("anyio_backend")
async def test_scenario(run: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "queue = tests.support.toy_carrier:SCHEME")
    with anyio.fail_after(20):
        async with linked_at("queue://probe") as link:
            await run(link)


async def test_a_scheme_that_nobody_adds_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown scheme 'queue'"):
        connect("queue://probe")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("queue = tests.carrier.nowhere:SCHEME", r"adds queue:// cannot be loaded \(tests.carrier.nowhere:SCHEME\)"),
        ("queue = tests.support.toy_carrier:CARRIER", "has to be a Scheme of that name, not <"),
        ("kew = tests.support.toy_carrier:SCHEME", "has to be a Scheme of that name, not Scheme"),
    ],
)
def test_a_package_that_adds_a_scheme_in_the_wrong_way_is_named(
    entry: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, entry)
    with pytest.raises(ConfigError, match=words):
        serve([Probe()], f"{entry.partition(' ')[0]}://probe")
