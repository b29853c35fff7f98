"""The generator as a program uses it: generate a package, or check that it is up to date."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.output import OutputDirectory

if TYPE_CHECKING:
    from eventflux_codegen.order import Order
    from eventflux_codegen.pipeline import Outcome

__all__ = ["CheckResult", "GenerationResult", "check", "check_tools", "generate", "run"]

_NEEDED: Final = ("google.protobuf", "grpc_tools", "jinja2", "mypy_protobuf", "ruamel.yaml", "ruff")


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """What `generate` did."""

    output: Path
    """The directory of the package."""
    files: tuple[str, ...]
    """Every file of the package, sorted."""
    written: tuple[str, ...]
    """The files that were new or changed; the lock among them, if it changed."""
    removed: tuple[str, ...]
    """The files that no longer belong to the package, and compiled modules whose sources changed."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What `check` found."""

    output: Path
    """The directory of the package."""
    changed: tuple[str, ...]
    """Files whose text differs from what would be generated."""
    missing: tuple[str, ...]
    """Files that would be generated and are not there."""
    extra: tuple[str, ...]
    """Files that are there and would not be generated."""
    diff: str
    """All of that as a unified diff, from what is there to what would be generated; empty if nothing differs."""

    @property
    def is_current(self) -> bool:
        """Whether the package is exactly what would be generated."""
        return not (self.changed or self.missing or self.extra)


def generate(
    config: str | os.PathLike[str] | Order,
    *,
    output: str | os.PathLike[str] | None = None,
    accept_breaking: bool = False,
) -> GenerationResult:
    """Generates the package that a configuration describes. Writes only what changed, and all of it or nothing.

    Args:
        config: the YAML file beside the .proto files, or an order that was made otherwise.
        output: a directory for the package instead of the configured one; the lock, and what is generated in other
            languages, are then left as they are.
        accept_breaking: take over changes that break peers, rather than refuse them.

    Raises:
        GenerationError: the sources are wrong, the change would break peers, or the directory is not the generator's.
        OSError: a file cannot be written.
    """
    outcome = run(config)
    if not accept_breaking:
        outcome.refuse_breaking()
    parts = list(_parts(outcome, output))
    for part in parts:
        part.directory.check_ownership(outcome.place)
    written: list[str] = []
    removed: list[str] = []
    for part in parts:
        changes, extra = part.directory.changes(part.files), part.directory.extra(part.files)
        stale = (*extra, *part.directory.outdated((*changes, *extra)))
        part.directory.replace(changes, stale)
        written += map(part.shown, sorted(changes))
        removed += map(part.shown, stale)
    if output is None and _read(outcome.lock) != outcome.lock_text:
        OutputDirectory(outcome.lock.parent).replace({outcome.lock.name: outcome.lock_text}, ())
        written.append(outcome.lock.name)
    return GenerationResult(parts[0].directory.path, tuple(sorted(outcome.files)), tuple(written), tuple(removed))


def check(config: str | os.PathLike[str] | Order, *, output: str | os.PathLike[str] | None = None) -> CheckResult:
    """Compares a package with what would be generated, and writes nothing.

    Args:
        config: the YAML file beside the .proto files, or an order that was made otherwise.
        output: the directory of a package to check instead of the configured one; the lock, and what is generated in
            other languages, are then not compared.

    Raises:
        GenerationError: the sources are wrong.
    """
    outcome = run(config)
    parts = list(_parts(outcome, output))
    changed: list[str] = []
    missing: list[str] = []
    extra: list[str] = []
    diffs: list[str] = []
    for part in parts:
        path, changes = part.directory.path, part.directory.changes(part.files)
        surplus = part.directory.extra(part.files)
        old = {name: _read(path / name) for name in changes}
        diffs += [_diff(path / name, old[name], changes[name]) for name in sorted(changes)]
        diffs += [_diff(path / name, _read(path / name), None) for name in surplus]
        changed += [part.shown(name) for name in sorted(changes) if old[name] is not None]
        missing += [part.shown(name) for name in sorted(changes) if old[name] is None]
        extra += map(part.shown, surplus)
    if output is None and (lock := _read(outcome.lock)) != outcome.lock_text:
        (missing if lock is None else changed).append(outcome.lock.name)
        diffs.append(_diff(outcome.lock, lock, outcome.lock_text))
    return CheckResult(parts[0].directory.path, tuple(changed), tuple(missing), tuple(extra), "".join(diffs))


@dataclass(frozen=True, slots=True)
class _Part:
    """One directory of those that a run makes."""

    directory: OutputDirectory
    files: Mapping[str, str]
    is_package: bool

    def shown(self, name: str) -> str:
        """A file as results name it: one of the Python package within that, any other by its path."""
        return name if self.is_package else str(self.directory.path / name)


def _parts(outcome: Outcome, output: str | os.PathLike[str] | None) -> Iterator[_Part]:
    """The Python package, and what is made in other languages unless that alone is to go elsewhere."""
    yield _Part(OutputDirectory(outcome.output if output is None else Path(output)), outcome.files, is_package=True)
    if output is None:
        for target in outcome.targets:
            yield _Part(OutputDirectory(target.path, target.entry, target.mark), target.files, is_package=False)


def run(config: str | os.PathLike[str] | Order) -> Outcome:
    """What a package is to be, and what its peers rely on; writes nothing.

    Raises:
        GenerationError: the sources are wrong.
    """
    if isinstance(config, str | os.PathLike):
        check_tools(Place(str(config)))
    from eventflux_codegen.order import Order  # noqa: PLC0415 - it needs what was just looked for
    from eventflux_codegen.pipeline import run as run_pipeline  # noqa: PLC0415 - so does this

    return run_pipeline(config if isinstance(config, Order) else Order.of_yaml(Path(config)))


def check_tools(place: Place) -> None:
    """Raises GenerationError, with the command that installs it, if something is missing that generating needs."""
    for module in _NEEDED:
        if not _is_installed(module):
            message = f"generating code needs {module}: run pip install 'eventflux-transport[codegen]'"
            raise GenerationError(message, place)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "backslashreplace") if path.is_file() else None


def _diff(path: Path, old: str | None, new: str | None) -> str:
    lines = difflib.unified_diff(
        (old or "").splitlines(keepends=True),
        (new or "").splitlines(keepends=True),
        str(path) if old is not None else "/dev/null",
        str(path) if new is not None else "/dev/null",
    )
    text = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    # An empty file has no lines to differ in.
    return text or f"--- {path if old is not None else '/dev/null'}\n+++ {path if new is not None else '/dev/null'}\n"
