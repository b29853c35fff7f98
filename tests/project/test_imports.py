"""Dependencies point one way: each layer imports only what lies below it."""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from typing import Final

import pytest

from tests.project.import_graph import ROOT, SOURCE_ROOTS, Import, imports_of, is_within, modules_of

EVENT_LOOPS: Final = frozenset({"anyio", "asyncio", "sniffio", "trio", "uvloop"})
NETWORK: Final = frozenset({"select", "selectors", "socket", "ssl", "subprocess"})
GRPC: Final = frozenset({"google", "grpc", "grpc_health", "grpc_reflection"})


@dataclass(frozen=True)
class Layer:
    """A part of the runtime: its modules, the other layers it may import, and outside packages it must not."""

    modules: tuple[str, ...]
    may_import: tuple[str, ...] = ()
    forbidden: frozenset[str] = frozenset()


LAYERS: Final = {
    "vocabulary": Layer(
        modules=(
            "argument",
            "call_head",
            "checked",
            "compiled",
            "config",
            "deadline",
            "endpoint",
            "errors",
            "handler",
            "host",
            "lazy",
            "metadata",
            "method",
            "rpc_error",
            "status",
            "status_part",
            "transport_api",
        ),
        forbidden=EVENT_LOOPS | NETWORK | GRPC | {"time", "threading"},
    ),
    "compression": Layer(
        modules=("compression", "expansion", "payload"),
        may_import=("vocabulary",),
        forbidden=EVENT_LOOPS | NETWORK | GRPC | {"time", "threading"},
    ),
    "wire": Layer(
        modules=("wire",),
        may_import=("vocabulary",),
        forbidden=EVENT_LOOPS | NETWORK | GRPC | {"time", "threading"},
    ),
    "net": Layer(modules=("net",), may_import=("vocabulary",), forbidden=GRPC),
    "native": Layer(
        modules=("native",),
        may_import=("vocabulary", "compression", "wire", "net"),
        forbidden=GRPC,
    ),
    "transports": Layer(
        modules=("transports",), may_import=("vocabulary", "compression", "wire", "net", "native", "health")
    ),
    "health": Layer(modules=("health",), may_import=("vocabulary",), forbidden=NETWORK | (GRPC - {"google"})),
    "channel": Layer(
        modules=("channel", "health.client"),
        may_import=("vocabulary", "net", "registry", "health"),
        forbidden=NETWORK | GRPC,
    ),
    "server": Layer(
        modules=("server", "health.service"),
        may_import=("vocabulary", "net", "registry", "health"),
        forbidden=NETWORK | GRPC,
    ),
    "registry": Layer(modules=("transports.registry",), may_import=("vocabulary", "transports"), forbidden=GRPC),
    "peer": Layer(
        modules=("peer",),
        may_import=("vocabulary", "compression", "wire", "net", "registry", "server"),
        forbidden=GRPC,
    ),
    "monitor": Layer(
        modules=("monitor",), may_import=("vocabulary", "net", "channel", "registry"), forbidden=NETWORK | GRPC
    ),
    "contract": Layer(
        modules=("codegen_api",),
        may_import=("vocabulary", "compression", "channel", "server", "peer", "monitor"),
        forbidden=GRPC,
    ),
    "surface": Layer(
        modules=("", "connect", "testing"),
        may_import=(
            "vocabulary",
            "wire",
            "net",
            "native",
            "transports",
            "registry",
            "channel",
            "server",
            "contract",
            "health",
        ),
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
    return [found for module, path in modules_of(package).items() for found in imports_of(module, path.read_text())]


def wrong_arrows(imports: list[Import]) -> list[str]:
    """The imports of runtime modules that `LAYERS` does not allow."""
    wrong = []
    modules = modules_of("eventflux_runtime")
    for found in imports:
        if found.for_types_only:
            continue
        layer = layer_of(found.module)
        if is_within(found.target, "eventflux_runtime"):
            whole = f"{found.target}.{found.name}"
            other = layer_of(whole if whole in modules else found.target)
            if other != layer and other not in LAYERS[layer].may_import:
                wrong.append(f"{found} ({layer} must not import {other})")
        elif found.target.partition(".")[0] in LAYERS[layer].forbidden:
            wrong.append(f"{found} ({layer} must not import {found.target.partition('.')[0]})")
    return wrong


def test_runtime_layers_import_only_what_lies_below_them() -> None:
    assert wrong_arrows(all_imports("eventflux_runtime")) == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("eventflux_runtime.wire.frame", "import time", "wire must not import time"),
        ("eventflux_runtime.wire.frame", "def f():\n    import anyio.abc", "wire must not import anyio"),
        ("eventflux_runtime.wire.frame", "from eventflux_runtime.net import reactor", "wire must not import net"),
        ("eventflux_runtime.status", "from eventflux_runtime.wire import frame", "vocabulary must not import wire"),
        ("eventflux_runtime.channel.pool", "import eventflux_runtime.wire.frame", "channel must not import wire"),
        ("eventflux_runtime.server.dispatch", "from eventflux_runtime.transports.tcp import X", "import transports"),
        ("eventflux_runtime.net.x", "importlib.import_module('grpc.aio')", "net must not import grpc"),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str, reason: str) -> None:
    (found,) = wrong_arrows(imports_of(module, source))
    assert reason in found


def test_transports_do_not_know_each_other() -> None:
    wrong = []
    for found in all_imports("eventflux_runtime"):
        ours, theirs = _transport(found.module), _transport(f"{found.target}.{found.name}")
        if ours and theirs and ours not in (theirs, "registry"):
            wrong.append(str(found))
    assert wrong == []


def _transport(module: str) -> str:
    """The name of a module or package directly below ``transports``."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["eventflux_runtime", "transports"] and len(parts) > 2 else ""


@pytest.mark.parametrize("package", ["eventflux_runtime", "eventflux_codegen"])
def test_package_knows_none_of_the_others(package: str) -> None:
    others = [other for other in SOURCE_ROOTS if other != package]
    wrong = [str(found) for found in all_imports(package) if any(is_within(found.target, other) for other in others)]
    assert wrong == []


def test_generated_code_imports_only_the_contract_of_the_runtime() -> None:
    wrong = []
    for found in all_imports("eventflux_transport"):
        if is_within(found.target, "eventflux_codegen") or is_within(found.target, "eventflux_node"):
            wrong.append(str(found))
        if is_within(found.target, "eventflux_runtime") and found.target != "eventflux_runtime.codegen_api":
            wrong.append(str(found))
    assert wrong == []


def test_node_uses_public_names_only() -> None:
    wrong = []
    for found in all_imports("eventflux_node"):
        if found.target.partition(".")[0] not in ("eventflux_runtime", "eventflux_transport", "eventflux_codegen"):
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
    "grpc_reflection": "grpcio-reflection",
    "grpc_tools": "grpcio-tools",
    "outcome": "trio",
    "ruamel": "ruamel.yaml",
}
"""The requirement that brings a module whose name is another."""


def test_everything_imported_is_a_declared_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[<>=; ]", requirement)[0] for requirement in requirements}
    missing = []
    for found in itertools.chain(*(all_imports(package) for package in SOURCE_ROOTS)):
        name = found.target.partition(".")[0]
        is_ours = name in SOURCE_ROOTS or name in sys.stdlib_module_names
        if not is_ours and not found.for_types_only and COMES_WITH.get(name, name) not in declared:
            missing.append(str(found))
    assert missing == []
