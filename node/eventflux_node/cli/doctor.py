"""`eventflux doctor`: what this installation can do, what it lacks, and the line that mends it."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Final

import click

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.output import json_line
from eventflux_runtime import WireReport, compiled_modules, wire_reports
from eventflux_transport import Message

__all__ = ["Extra", "command"]

DISTRIBUTION: Final = "eventflux-transport"
BROKEN: Final = 1
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_LOOPS: Final = ("uvloop", "trio")
"""Packages that are event loops, beside asyncio, which Python has."""


@dataclass(frozen=True)
class Extra:
    """An extra of the distribution."""

    name: str
    packages: dict[str, str | None]
    """Each package with its version; None: it is not installed."""

    @property
    def is_installed(self) -> bool:
        """Whether all of it is there."""
        return None not in self.packages.values()

    @property
    def remedy(self) -> str:
        """The line that installs it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'"


@click.command(
    "doctor",
    cls=ExplainedCommand,
    examples=("eventflux doctor", "eventflux doctor --json"),
    exit_codes={
        "0": "nothing that is installed is broken; much may be missing",
        "1": "something that is installed does not work: the report says what",
        "2": "the command line is wrong",
    },
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> int:
    """Report which wires can be spoken here, and for each that cannot, the line that mends it.

    The report also has the form of the modules, the event loops, and each extra with the versions of its packages; of
    RDMA it has libfabric's version and providers, and which of these are hardware.
    """
    wires = wire_reports()
    extras = list(_extras())
    compiled = len(_compiled())
    if as_json:
        print(json_line(_as_json(wires, extras, compiled)))
    else:
        print("\n".join(_lines(wires, extras, compiled)))
    return BROKEN if any(wire.state == "broken" for wire in wires) else 0


def _compiled() -> tuple[str, ...]:
    Message().to_wire()  # loads the codec, which is one of them
    return (*compiled_modules(), *compiled_modules("eventflux_transport"))


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> Iterator[Extra]:
    """Every extra that the distribution's metadata names; none where it is not installed, as in a bare checkout."""
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return
    wanted: dict[str, list[tuple[str, str]]] = {}
    for requirement in distribution.requires or ():
        parsed, extra = _REQUIREMENT.match(requirement), _EXTRA.search(requirement)
        if parsed is not None and extra is not None:
            wanted.setdefault(extra[1], []).append((parsed[1], parsed[2] or ""))
    for name in wanted:
        packages = dict.fromkeys(sorted(_packages_of(name, wanted)))
        yield Extra(name, {package: _version_of(package) for package in packages})


def _packages_of(extra: str, wanted: dict[str, list[tuple[str, str]]], above: tuple[str, ...] = ()) -> set[str]:
    """The packages of an extra, those of extras that it names included."""
    packages: set[str] = set()
    for package, inner in wanted.get(extra, ()):
        if re.sub(r"[-_.]+", "-", package).lower() != DISTRIBUTION:
            packages.add(package)
            continue
        for name in inner.split(","):
            if name.strip() not in (*above, extra):
                packages |= _packages_of(name.strip(), wanted, (*above, extra))
    return packages


def _lines(wires: tuple[WireReport, ...], extras: list[Extra], compiled: int) -> Iterator[str]:
    yield f"{DISTRIBUTION} {_version_of(DISTRIBUTION) or 'not installed: a checkout'}"
    yield f"Python {platform.python_version()}, {platform.python_implementation()} on {sys.platform}"
    form = f"{compiled} run as machine code" if compiled else "all run as Python"
    yield f"modules: {form}"
    loops = [f"{name} {version}" for name in _LOOPS if (version := _version_of(name)) is not None]
    yield f"event loops: {', '.join(['asyncio', *loops])}"
    yield "wires:"
    width = max(len(wire.scheme) for wire in wires) + 3
    for wire in wires:
        yield f"  {wire.scheme + '://':<{width}} {wire.state}{wire.reason and f': {wire.reason}'}"
        for name, fact in wire.facts.items():
            yield f"  {'':<{width}}   {name}: {fact}"
    yield "extras:" if extras else "extras: not known, because the distribution is not installed"
    width = max((len(extra.name) for extra in extras), default=0)
    for extra in extras:
        versions = ", ".join(f"{package} {version or 'missing'}" for package, version in extra.packages.items())
        yield f"  {extra.name:<{width}} {versions}{'' if extra.is_installed else f': {extra.remedy}'}"


def _as_json(wires: tuple[WireReport, ...], extras: list[Extra], compiled: int) -> dict[str, Any]:
    return {
        "version": _version_of(DISTRIBUTION),
        "python": platform.python_version(),
        "platform": sys.platform,
        "compiled_modules": compiled,
        "event_loops": {"asyncio": platform.python_version(), **{name: _version_of(name) for name in _LOOPS}},
        "wires": [asdict(wire) for wire in wires],
        "extras": [
            {
                "name": extra.name,
                "is_installed": extra.is_installed,
                "packages": extra.packages,
                "remedy": "" if extra.is_installed else extra.remedy,
            }
            for extra in extras
        ],
    }
