"""Dependencies point one way: each layer imports only what lies below it."""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

import pytest

from eventflux_runtime.rpc.scheme import SCHEMES
from tests.project.import_graph import ROOT, SOURCE_ROOTS, Import, all_imports_of, imports_of, is_within, modules_of

EVENT_LOOPS: Final = frozenset({"anyio", "asyncio", "sniffio", "trio", "uvloop"})
NETWORK: Final = frozenset({"select", "selectors", "socket", "ssl", "subprocess"})
CORE: Final = "eventflux_runtime.protocol.native.core"
GRPC: Final = frozenset({"google", "grpc", "grpc_health", "grpc_reflection"})


@dataclass(frozen=True)
class Layer:
    """A part of the runtime: its modules, the other layers it may import, and outside packages it must not."""

    modules: tuple[str, ...]
    may_import: tuple[str, ...] = ()
    forbidden: frozenset[str] = frozenset()


SANS_IO: Final = EVENT_LOOPS | NETWORK | GRPC | {"time", "threading"}

LAYERS: Final = {
    "rpc": Layer(modules=("rpc", "loading"), forbidden=SANS_IO),
    "handler": Layer(modules=("rpc.context", "rpc.binding"), may_import=("rpc",), forbidden=NETWORK | GRPC),
    "compression": Layer(modules=("compression",), may_import=("rpc",), forbidden=SANS_IO),
    "proto": Layer(modules=("loading.proto",), may_import=("rpc",), forbidden=SANS_IO - {"google"}),
    "message": Layer(modules=("message",), may_import=("rpc", "proto"), forbidden=SANS_IO - {"google"}),
    "well_known": Layer(
        modules=("well_known",), may_import=("rpc", "message", "contract"), forbidden=SANS_IO - {"google"}
    ),
    "net": Layer(modules=("net",), may_import=("rpc",), forbidden=GRPC),
    "pipe": Layer(modules=("carrier.api",), may_import=("rpc", "net"), forbidden=GRPC),
    "calls": Layer(modules=("protocol.api",), may_import=("rpc", "handler", "net", "pipe", "core"), forbidden=SANS_IO),
    "core": Layer(
        modules=(
            "protocol.core",
            "protocol.native.core",
            "protocol.grpc.http2",
            "protocol.eventflux.frame",
            "protocol.http1.answer",
            "protocol.http1.head",
            "protocol.sniff",
        ),
        may_import=("rpc",),
        forbidden=SANS_IO,
    ),
    "protocol": Layer(
        modules=("protocol",),
        may_import=("rpc", "handler", "compression", "net", "calls", "pipe", "core"),
        forbidden=GRPC,
    ),
    "websocket core": Layer(
        modules=(
            "carrier.websocket.access",
            "carrier.websocket.frame",
            "carrier.websocket.handshake",
            "carrier.websocket.mask",
        ),
        may_import=("rpc", "pipe"),
        forbidden=SANS_IO,
    ),
    "rdma core": Layer(modules=("carrier.rdma.frame", "carrier.rdma.credit"), forbidden=SANS_IO),
    "carrier": Layer(
        modules=("carrier",), may_import=("rpc", "net", "pipe", "websocket core", "rdma core"), forbidden=GRPC
    ),
    "grpcio": Layer(modules=("grpcio",), may_import=("rpc", "handler", "net", "calls")),
    "wire": Layer(modules=("wire",), may_import=("rpc", "net", "calls", "pipe", "protocol"), forbidden=GRPC),
    "health": Layer(modules=("health",), may_import=("rpc", "message"), forbidden=NETWORK | (GRPC - {"google"})),
    "reflection": Layer(modules=("reflection",), may_import=("rpc", "proto"), forbidden=SANS_IO - {"google"}),
    "client": Layer(
        modules=("client",),
        may_import=("rpc", "net", "calls", "health", "reflection"),
        forbidden=NETWORK | GRPC,
    ),
    "blocking": Layer(
        modules=tuple(
            f"blocking.{name}"
            for name in ("channel", "client", "event_loop", "health_client", "portal", "scope", "stream", "trace")
        ),
        may_import=("rpc", "calls", "client", "health"),
        forbidden=NETWORK | GRPC,
    ),
    "server": Layer(
        modules=("server",),
        may_import=("rpc", "handler", "net", "calls", "health", "reflection"),
        forbidden=NETWORK | GRPC,
    ),
    "workers": Layer(modules=("workers",), may_import=("rpc", "net", "server"), forbidden=GRPC),
    "peer": Layer(
        modules=("peer",),
        may_import=("rpc", "handler", "compression", "net", "calls", "core", "wire", "server"),
        forbidden=GRPC,
    ),
    "monitor": Layer(
        modules=("monitor",), may_import=("rpc", "net", "calls", "client", "wire"), forbidden=NETWORK | GRPC
    ),
    "contract": Layer(
        modules=("codegen_api",),
        may_import=("rpc", "handler", "message", "compression", "client", "blocking", "server", "peer", "monitor"),
        forbidden=GRPC,
    ),
    "error_details": Layer(modules=("error_details",), may_import=("contract", "well_known"), forbidden=SANS_IO),
    "access_log": Layer(
        modules=("access_log",),
        may_import=("rpc", "handler", "client"),
        forbidden=EVENT_LOOPS | NETWORK | GRPC,
    ),
    "otel": Layer(
        modules=("otel",),
        may_import=("rpc", "handler", "net", "calls", "client", "server"),
        forbidden=EVENT_LOOPS | NETWORK | GRPC,
    ),
    "stats": Layer(modules=("stats",), may_import=("contract", "well_known"), forbidden=EVENT_LOOPS | NETWORK),
    "telemetry": Layer(
        modules=("telemetry",),
        may_import=("rpc", "handler", "client", "blocking", "health", "stats", "well_known"),
        forbidden=NETWORK | GRPC,
    ),
    "surface": Layer(
        modules=("", "blocking", "connect", "serve"),
        may_import=(
            "rpc",
            "handler",
            "net",
            "calls",
            "wire",
            "client",
            "blocking",
            "server",
            "workers",
            "peer",
            "contract",
            "health",
            "access_log",
            "telemetry",
        ),
    ),
    "testing": Layer(
        modules=("testing",),
        may_import=("rpc", "handler", "message", "well_known", "client", "blocking", "server", "surface"),
        forbidden=NETWORK - {"selectors"} | GRPC,
    ),
}
"""Every module of the runtime belongs to the layer that names it most closely."""


def layer_of(module: str) -> str:
    """The layer of a runtime module, by the longest name in `LAYERS` that it is, or lies below."""
    inner = module.removeprefix("eventflux_runtime").removeprefix(".")
    best = ("", "")
    for layer, rule in LAYERS.items():
        for name in rule.modules:
            matches = is_within(inner, name) if name else not inner
            if matches and len(name) >= len(best[0]):
                best = (name, layer)
    assert best[1], f"{module} belongs to no layer: add it to LAYERS, or move it"
    return best[1]


def all_imports(package: str) -> list[Import]:
    """Every import of a package's modules."""
    return [found for module, path in modules_of(package).items() for found in all_imports_of(module, path)]


def imported(found: Import, modules: Container[str]) -> str:
    """The module that an import names: ``a.b`` or, where that is a module too, ``a.b.name``."""
    whole = f"{found.target}.{found.name}"
    return whole if whole in modules else found.target


def wrong_arrows(imports: list[Import]) -> list[str]:
    """The imports of runtime modules that `LAYERS` does not allow."""
    wrong = []
    modules = modules_of("eventflux_runtime")
    for found in imports:
        layer = layer_of(found.module)
        if is_within(found.target, "eventflux_runtime"):
            other = layer_of(imported(found, modules))
            if other != layer and other not in LAYERS[layer].may_import:
                wrong.append(f"{found} ({layer} must not import {other})")
        elif found.target.partition(".")[0] in LAYERS[layer].forbidden and not found.for_types_only:
            wrong.append(f"{found} ({layer} must not import {found.target.partition('.')[0]})")
    return wrong


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """One circle of modules that import one another, if there is any."""
    sorter = TopologicalSorter(arrows)
    try:
        sorter.prepare()
    except CycleError as error:
        return [error.args[1]]
    return []


@pytest.mark.parametrize("package", SOURCE_ROOTS)
def test_no_modules_import_each_other_for_types_either(package: str) -> None:
    modules = modules_of(package)
    arrows: dict[str, set[str]] = {module: set() for module in modules}
    for found in all_imports(package):
        target = imported(found, modules)
        if target in modules and target != package:  # the package's own names are loaded at first use
            arrows[found.module].add(target)
    assert circles(arrows) == []


def test_runtime_layers_import_only_what_lies_below_them() -> None:
    assert wrong_arrows(all_imports("eventflux_runtime")) == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        (f"{CORE}.frame", "import time", "core must not import time"),
        (f"{CORE}.frame", "def f():\n    import anyio.abc", "core must not import anyio"),
        (f"{CORE}.frame", "from eventflux_runtime.net import reactor", "core must not import net"),
        ("eventflux_runtime.rpc.status", f"from {CORE} import frame", "rpc must not import core"),
        ("eventflux_runtime.client.pool.pool", f"import {CORE}.frame", "client must not import core"),
        ("eventflux_runtime.server.dispatch", "from eventflux_runtime.carrier.tcp import X", "not import carrier"),
        ("eventflux_runtime.net.x", "importlib.import_module('grpc.aio')", "net must not import grpc"),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str, reason: str) -> None:
    (found,) = wrong_arrows(imports_of(module, source))
    assert reason in found


def test_carriers_and_protocols_do_not_know_each_other() -> None:
    named = [
        name
        for row in SCHEMES.values()
        for name in (row.carrier, *row.layers, row.upgrade, row.protocol, *row.guests, row.front)
        if name
    ]
    rooms = {_room(name.partition(":")[0]) for name in named}
    wrong = []
    for found in all_imports("eventflux_runtime"):
        ours, theirs = _room(found.module), _room(found.target)
        if {ours, theirs} <= rooms and ours != theirs:
            wrong.append(str(found))
    assert wrong == []


def _room(module: str) -> str:
    """A carrier's module, or a protocol's package."""
    parts = module.split(".")
    return ".".join(parts[:3])


@pytest.mark.parametrize("package", ["eventflux_runtime", "eventflux_codegen"])
def test_package_knows_none_of_the_others(package: str) -> None:
    others = [other for other in SOURCE_ROOTS if other != package]
    wrong = [str(found) for found in all_imports(package) if any(is_within(found.target, other) for other in others)]
    assert wrong == []


def test_generated_code_imports_only_the_contract_of_the_runtime() -> None:
    contract = ("eventflux_runtime.codegen_api", "eventflux_runtime.well_known")
    wrong = []
    for found in all_imports("eventflux_transport"):
        if is_within(found.target, "eventflux_codegen") or is_within(found.target, "eventflux_node"):
            wrong.append(str(found))
        is_contract = any(is_within(f"{found.target}.{found.name}", part) for part in contract)
        if is_within(found.target, "eventflux_runtime") and not is_contract:
            wrong.append(str(found))
    assert wrong == []


PUBLIC_PACKAGES: Final = frozenset(
    {"eventflux_runtime.error_details", "eventflux_runtime.stats", "eventflux_runtime.well_known"}
)


def test_node_uses_public_names_only() -> None:
    wrong = []
    for found in all_imports("eventflux_node"):
        if found.target.partition(".")[0] not in ("eventflux_runtime", "eventflux_transport", "eventflux_codegen"):
            continue
        if f"{found.target}.{found.name}" in PUBLIC_PACKAGES:
            continue
        public = getattr(importlib.import_module(found.target), "__all__", ())
        if "." in found.target or (found.name and found.name not in public):
            wrong.append(str(found))
    assert wrong == []


def test_importing_the_sdk_loads_neither_grpc_nor_protobuf() -> None:
    program = (
        "import sys, eventflux_transport, eventflux_runtime;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'grpc', 'google', 'trio', 'uvloop', 'ruff'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


COMES_WITH: Final = {
    "google": "protobuf",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_tools": "grpcio-tools",
    "typing_extensions": "typing-extensions",
    "opentelemetry": "opentelemetry-api",
    "pythonjsonlogger": "python-json-logger",
    "ruamel": "ruamel.yaml",
}
"""The requirement that brings a module whose name is another."""
LOADED_BY: Final = {"eventflux_runtime.testing.pytest_plugin": "pytest"}
"""Modules that nobody imports but what loads them, which is therefore there."""


def test_everything_imported_is_a_declared_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[<>=; ]", requirement)[0] for requirement in requirements}
    missing = []
    for found in itertools.chain(*(all_imports(package) for package in SOURCE_ROOTS)):
        name = found.target.partition(".")[0]
        is_ours = name in SOURCE_ROOTS or name in sys.stdlib_module_names
        if LOADED_BY.get(found.module) == name:
            continue
        if not is_ours and not found.for_types_only and COMES_WITH.get(name, name) not in declared:
            missing.append(str(found))
    assert missing == []
