"""Options from a file and from the environment: what is typed comes first, then variables, then the file."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from pathlib import Path

import click
import pytest

from eventflux_node.cli import main
from eventflux_node.cli.group import COMMANDS
from eventflux_node.cli.setting import SHARED, defaults_of
from tests.support.node_command import COMMAND
from tests.support.shop import SERVICE

GET = f"{SERVICE}/GetItem"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(
        'loop = "asyncio"\n[call]\nverbose = true\nheader = ["x-from: file"]\ntimeout = 7\n[bench]\ncount = 3\n'
    )
    return path


def trailers(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("trailer: x-")]


def test_a_file_sets_options(settings: Path, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(settings), "call", urls["tcp"], GET]) == 0
    assert trailers(capsys.readouterr().err) == ["trailer: x-from: file"]
    assert main(["--config", str(settings), "bench", urls["tcp"], GET, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 3


def test_a_variable_comes_before_the_file_and_what_is_typed_before_both(
    settings: Path, urls: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLUX_CONFIG", str(settings))
    monkeypatch.setenv("EVENTFLUX_CALL_HEADER", "x-from: a variable\nx-more: of it")
    assert main(["call", urls["tcp"], GET]) == 0
    assert trailers(capsys.readouterr().err) == ["trailer: x-from: a variable", "trailer: x-more: of it"]
    assert main(["call", urls["tcp"], GET, "-H", "x-from: me"]) == 0
    assert trailers(capsys.readouterr().err) == ["trailer: x-from: me"]


def test_a_shared_option_is_set_for_all_commands(
    urls: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLUX_LOOP", "none")
    for arguments in (["health", urls["tcp"]], ["list", urls["tcp"]]):
        assert main(arguments) == 2
        assert "'none' is not one of 'asyncio', 'uvloop', 'trio'" in capsys.readouterr().err
    monkeypatch.setenv("EVENTFLUX_HEALTH_LOOP", "asyncio")
    assert main(["health", urls["tcp"]]) == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[cal]\n", "there is no command [cal]: did you mean 'call'?"),
        ("[call]\ntimout = 1\n", "there is no option 'timout' of [call]: did you mean 'timeout'?"),
        ("timeout = 1\n", "there is no option 'timeout' of all commands: there is ca-file,"),
        ("[call]\ntimeout = [1]\n", "the option 'timeout' of [call] takes one value, not a list"),
        ("[call]\nheader = [[1]]\n", "the option 'header' of [call] takes text, numbers or booleans"),
        ("[call]\ntimeout = 'x'\n", "'x' is not a valid float range"),
        ("[call\n", "is not TOML: "),
    ],
)
def test_a_wrong_file_is_told_in_one_line(
    text: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    assert main(["--config", str(path), "call", "tcp://127.0.0.1:1", GET]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith("eventflux: ")
    assert fault in captured.err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "/nonexistent.toml", "health", "tcp://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err == "eventflux: cannot read /nonexistent.toml: no such file or directory\n"


def test_shared_options_are_those_of_several_commands() -> None:
    options = [
        {flag[2:] for parameter in command.params for flag in parameter.opts if flag.startswith("--")}
        for command in (importlib.import_module(f"eventflux_node.cli.{name}").command for name in COMMANDS)
    ]
    for name in SHARED:
        assert sum(name in own for own in options) > 1


def test_one_value_of_many_is_no_list_of_its_letters() -> None:
    command = click.Command("c", params=[click.Option(["--many"], multiple=True)])
    assert defaults_of(command, {"c": {"many": "one"}}, Path("f")) == {"many": ["one"]}


def complete(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        **os.environ,
        "_EVENTFLUX_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("eventflux", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True, env=environment)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_a_shell_completes_commands_options_and_values() -> None:
    assert complete("he") == ["health", "heartbeat"]
    assert complete("call", "--em") == ["--emit-defaults"]
    assert complete("call", "--compression", "z") == ["zstd"]


def test_the_script_for_bash_is_bash(tmp_path: Path) -> None:
    environment = {**os.environ, "_EVENTFLUX_COMPLETE": "bash_source"}
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True, env=environment)
    assert "complete -o nosort -F _eventflux_completion eventflux" in done.stdout
    subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
