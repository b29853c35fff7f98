"""The group of commands: it knows each, explains itself, and imports only what is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import eventflux_node.cli
from eventflux_node.cli import main
from eventflux_node.cli.group import COMMANDS


def test_no_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for command in ("node", "publish", "subscribe", "heartbeat", "monitor", "demo"):
        assert f"\n  {command} " in captured.err


def test_every_module_that_has_a_command_is_known() -> None:
    modules = Path(eventflux_node.cli.__file__).parent.glob("*.py")
    assert sorted(module.stem for module in modules if "@click.command(" in module.read_text()) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_named_as_its_module_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: eventflux {name} [OPTIONS]")


def test_a_command_that_is_not_asked_for_is_not_imported() -> None:
    program = (
        "import sys; from eventflux_node.cli import main\n"
        "main(['--version'])\n"
        "print(sorted({'anyio', 'asyncio', 'eventflux_codegen', 'psutil', 'rich'} & set(sys.modules)))\n"
        "main(['heartbeat', '--help'])\n"
        "print(sorted({'eventflux_codegen', 'psutil', 'rich'} & set(sys.modules)))\n"
    )
    lines = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert (lines[1], lines[-1]) == ("[]", "[]")
