"""Autobahn's test suite judges both of our sides, but for what is listed with its reason: ``nox -s autobahn``."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Awaitable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.autobahn import LIBRARIES, Results, judge_client, judge_server

EXCEPTIONS = Path(__file__).with_name("autobahn_exceptions.txt")
GOOD = {"OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED"}
GOOD_CLOSE = {"OK", "INFORMATIONAL"}

pytestmark = [
    pytest.mark.skipif(not LIBRARIES, reason="nox -s autobahn installs the suite, which needs a python2.7"),
    pytest.mark.timeout(1200),
    pytest.mark.slow,
]


def excepted(side: str) -> list[str]:
    """The patterns of the cases that a side of ours fails on purpose."""
    rows = [line.split(maxsplit=2) for line in EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    assert all(len(row) == 3 for row in rows), "each pattern has its side and its reason"
    return [pattern for pattern, who, _ in rows if who in (side, "both")]


def is_good(result: dict[str, str]) -> bool:
    return result["behavior"] in GOOD and result["behaviorClose"] in GOOD_CLOSE


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True}), "trio"], ids=str)
@pytest.mark.parametrize("side", ["server", "client"])
async def test_the_suite_finds_nothing_but_what_is_on_purpose(side: str, tmp_path: Path, anyio_backend: object) -> None:
    judging: Awaitable[Results]
    if side == "server":
        judging = judge_server(tmp_path)
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        judging = judge_client(tmp_path, port)
    results = await judging
    failed = {case for case, result in results.items() if not is_good(result)}
    counts = Counter(result["behavior"] for result in results.values())
    print(f"\n{side} on {anyio_backend}: {len(results)} cases, {len(results) - len(failed)} good; {dict(counts)}")
    patterns = excepted(side)
    assert sorted(case for case in failed if not any(fnmatchcase(case, pattern) for pattern in patterns)) == []
    assert [pattern for pattern in patterns if not any(fnmatchcase(case, pattern) for case in failed)] == []
