"""A short form of the soak, and that it would notice what it is there to notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.soak import soak as soak_module
from tests.soak.content import REQUEST_BYTES, RESPONSE_BYTES, request_of, response_of
from tests.soak.soak import WIRES, Sample, Soak, run_soak

CALLS = 240


@pytest.mark.slow
@pytest.mark.parametrize(
    "wire", [pytest.param(wire, marks=[pytest.mark.long] if wire == "unix" else []) for wire in WIRES]
)
def test_large_calls_all_succeed_and_leave_nothing(
    wire: str, tmp_path: Path, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    name, options = anyio_backend
    loop = "uvloop" if options.get("use_uvloop") else name
    soak = run_soak(wire, loop, CALLS, tmp_path, rounds=8)
    assert soak.failures == []
    # So few calls say nothing about memory, but files and tasks are counted.
    assert [fault for fault in soak.faults() if "memory" not in fault] == []
    assert len(soak.client) == len(soak.server) == 9


def test_contents_depend_on_the_call_and_have_the_size() -> None:
    for call in (0, 1, 19_999):
        assert (len(request_of(call)), len(response_of(call))) == (REQUEST_BYTES, RESPONSE_BYTES)
        assert request_of(call)[8:2000] != request_of(call + 1)[8:2000]
        assert request_of(call)[8:2000] != response_of(call + 1)[8:2000]


def flat(samples: int = 41) -> Soak:
    seen = [Sample(rss=50 * 2**20, files=10, tasks=5)] * samples
    return Soak("tcp", "asyncio", 20_000, client=list(seen), server=list(seen))


def test_a_flat_soak_has_no_faults() -> None:
    assert flat().faults() == []


def test_growth_before_the_warm_up_is_none() -> None:
    soak = flat()
    soak.client[:8] = [replace(sample, rss=10 * 2**20, files=1, tasks=1) for sample in soak.client[:8]]
    assert soak.faults() == []


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_leak_of_half_a_kilobyte_a_call_is_a_fault(side: str) -> None:
    soak = flat()
    samples = getattr(soak, side)
    samples[:] = [replace(sample, rss=sample.rss + index * 500 * 512) for index, sample in enumerate(samples)]
    (fault,) = soak.faults()
    assert fault.startswith(f"the {side}'s memory grew by 7.8 MiB")


@pytest.mark.parametrize("name", ["files", "tasks"])
def test_a_file_or_task_left_open_is_a_fault(name: str) -> None:
    soak = flat()
    soak.server[-1] = replace(soak.server[-1], **{name: 22})
    (fault,) = soak.faults()
    assert name in fault


def test_a_wrong_answer_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak_module, "response_of", lambda call: b"" if call == 7 else response_of(call))
    soak = run_soak("tcp", "asyncio", 10, tmp_path, rounds=2)
    assert soak.failures == ["call 7: the answer is not what was sent"]
    assert soak.faults()[0].startswith("1 calls failed")


def test_a_wrong_request_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak_module, "request_of", lambda call: request_of(call)[:-1] + b"!")
    soak = run_soak("tcp", "asyncio", 2, tmp_path, rounds=2)
    assert all("DATA_LOSS" in failure for failure in soak.failures)
    assert len(soak.failures) == 2
