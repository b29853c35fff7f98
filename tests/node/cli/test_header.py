"""``-H``: metadata goes with every call that a command makes, those about types and health too."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventflux_node.cli import main
from tests.support.shop import SERVICE, shop

COMMANDS = [
    ["call", f"{SERVICE}/GetItem"],
    ["list"],
    ["describe", f"{SERVICE}/GetItem"],
    ["health"],
    ["bench", f"{SERVICE}/GetItem", "-n", "3", "--json"],
]


def test_who_wants_to_know_who_calls_is_told_by_each_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with shop(tmp_path, is_guarded=True) as urls:
        for scheme in ("tcp", "grpc"):
            for name, *arguments in COMMANDS:
                assert main([name, urls[scheme], *arguments, "-H", "authorization: Bearer 42"]) == 0
                assert main([name, urls[scheme], *arguments, "-H", "authorization: Bearer 43"]) > 0
                assert capsys.readouterr().err == "eventflux: UNAUTHENTICATED: who are you?\n"
