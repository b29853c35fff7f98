"""Options that are not typed: those of a configuration file, and of the environment.

What is typed comes first, then the environment, then the file, then the default. A variable of one command's option is
``EVENTFLUX_<COMMAND>_<OPTION>``; an option of `SHARED` may also be set for all commands that have it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, cast

import click

__all__ = ["SHARED", "defaults_of", "name_variables", "read_settings"]

SHARED: Final = (
    "ca-file",
    "cert-file",
    "insecure-skip-verify",
    "key-file",
    "loop",
    "node-id",
    "server-name",
)
"""Options that mean the same in every command that has them."""


def name_variables(command: click.Command) -> None:
    """Gives each option of a command the variables that it can be set by."""
    for name, option in _options_of(command).items():
        own = _variable(f"{command.name}-{name}")
        option.envvar = [own, _variable(name)] if name in SHARED else own


def _variable(name: str) -> str:
    return f"EVENTFLUX_{name.upper().replace('-', '_')}"


def _options_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names, without the dashes."""
    found: dict[str, click.Option] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found.update({flag[2:]: parameter for flag in parameter.opts if flag.startswith("--")})
    return found


def read_settings(path: Path, commands: Collection[str]) -> dict[str, Any]:
    """What a TOML file says: options of all commands, and a table for each command that has some of its own.

    Raises:
        UsageError: the file cannot be read, or names a command or a shared option that there is none of.
    """
    import tomllib  # noqa: PLC0415 - few have a file, and each command has to start fast

    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is not TOML: {error}") from error
    for key, value in settings.items():
        if isinstance(value, dict):
            _check_name(path, f"command [{key}]", key, commands)
        else:
            _check_name(path, f"option {key!r} of all commands", key, SHARED)
    return settings


def defaults_of(command: click.Command, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What the settings are for a command, by the names of its parameters.

    Raises:
        UsageError: there is no such option, or its value is of a kind that no option takes.
    """
    options = _options_of(command)
    own = settings.get(command.name or "", {})
    shared = {key: value for key, value in settings.items() if not isinstance(value, dict) and key in options}
    defaults: dict[str, Any] = {}
    for key, value in {**shared, **own}.items():
        _check_name(path, f"option {key!r} of [{command.name}]", key, options)
        option = options[key]
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        if isinstance(value, list) and not option.multiple:
            raise click.UsageError(f"{path}: the option {key!r} of [{command.name}] takes one value, not a list")
        if not all(isinstance(item, str | int | float) for item in items):
            raise click.UsageError(f"{path}: the option {key!r} of [{command.name}] takes text, numbers or booleans")
        defaults[str(option.name)] = items if option.multiple else value
    return defaults


def _check_name(path: Path, what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        import difflib  # noqa: PLC0415 - the same

        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known))}"
        raise click.UsageError(f"{path}: there is no {what}: {hint}")
