"""The command line, and how files are written: what changed, all of it or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.cli import main
from tests.support.workspace import CONFIG, PROTO, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.write()
    return workspace


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = Workspace(tmp_path_factory.mktemp("template"))
    workspace.write()
    workspace.generate()
    return workspace.root


@pytest.fixture
def generated(template: Path, tmp_path: Path) -> Workspace:
    """Sources with their package."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


def test_generate_writes_a_package_and_a_lock(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--config", str(workspace.config)]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[0] == "wrote __init__.py"
    assert written[-1] == "wrote sample.lock"
    assert {path.name for path in workspace.output.iterdir()} == {
        *(
            "__init__.py",
            "__init__.pyi",
            "blocking.py",
            "client.py",
            "codec.py",
            "idl_names.py",
            "json_fields.py",
            "messages.py",
            "methods.py",
            "protobuf.py",
            "py.typed",
            "service.py",
        ),
        *("sample_pb2.py", "sample_pb2.pyi", "sample_pb2_grpc.py", "sample_pb2_grpc.pyi"),
    }
    assert main(["generate", "--config", str(workspace.config)]) == 0
    assert capsys.readouterr().out == f"{workspace.output}: up to date\n"
    assert main(["check", "--config", str(workspace.config)]) == 0
    program = "from sample import Color, Point; print(Point.from_wire(Point(x=1, y=2, color=Color.RED).to_wire()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Point(x=1, y=2, color=<Color.RED: 1>, notes={})\n"


def test_only_what_changed_is_written(generated: Workspace) -> None:
    times = {path.name: path.stat().st_mtime_ns for path in generated.output.iterdir()}
    generated.write(config=CONFIG + "services:\n  Plane:\n    methods:\n      Move: {idempotent: true}\n")
    result = generated.generate()
    assert result.written == ("methods.py",)
    changed = {path.name for path in generated.output.iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {"methods.py"}


def test_what_is_stale_is_removed(generated: Workspace) -> None:
    (generated.output / "old.py").write_text("left over")
    (generated.output / "__pycache__").mkdir(exist_ok=True)
    (generated.output / "__pycache__" / "codec.cpython-311.pyc").write_bytes(b"")
    (generated.output / "codec.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    result = generated.generate()
    assert (result.written, result.removed) == ((), ("old.py",))
    assert not (generated.output / "old.py").exists()
    assert (generated.output / "codec.cpython-311-x86_64-linux-gnu.so").exists()
    assert generated.is_current()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda output: (output / "codec.py").unlink(), "codec.py is missing"),
        (lambda output: (output / "py.typed").unlink(), "py.typed is missing"),
        (lambda output: (output / "extra.py").write_text("x = 1\n"), "extra.py is extra"),
        (lambda output: (output / "extra.txt").touch(), "extra.txt is extra"),
        (
            lambda output: (output / "client.py").write_bytes((output / "client.py").read_bytes() + b"\n"),
            "client.py differs",
        ),
        (
            lambda output: (output / "client.py").write_bytes((output / "client.py").read_bytes()[:-1]),
            "client.py differs",
        ),
        (
            lambda output: (output / "client.py").write_bytes(
                (output / "client.py").read_bytes().replace(b"\n", b"\r\n")
            ),
            "client.py differs",
        ),
        (lambda output: (output / "messages.py").write_bytes(b"\xff"), "messages.py differs"),
        (lambda output: (output.parent / "sample.lock").unlink(), "sample.lock is missing"),
        (lambda output: (output.parent / "sample.lock").write_text("{}\n"), "sample.lock differs"),
    ],
)
def test_check_finds_every_difference(
    generated: Workspace, capsys: pytest.CaptureFixture[str], spoil: object, complaint: str
) -> None:
    assert callable(spoil)
    spoil(generated.output)
    before = generated.snapshot()
    assert main(["check", "--config", str(generated.config)]) == 1
    assert generated.snapshot() == before
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert f"run eventflux-codegen generate --config {generated.config}" in captured.err
    assert captured.out.startswith("--- ")


def test_the_diff_leads_from_what_is_there_to_what_should_be(
    generated: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    client = generated.output / "client.py"
    client.write_text(client.read_text().replace("methods.PLANE_MOVE", "methods.PLANE_STOP"))
    assert main(["check", "--config", str(generated.config)]) == 1
    diff = capsys.readouterr().out
    assert "-        return self._channel.unary(methods.PLANE_STOP, request, **options)\n" in diff
    assert "+        return self._channel.unary(methods.PLANE_MOVE, request, **options)\n" in diff


def test_a_directory_with_other_files_is_left_alone(workspace: Workspace) -> None:
    workspace.output.mkdir()
    (workspace.output / "precious.py").write_text("mine")
    assert workspace.refusal().startswith("sample.yaml: output sample holds files that this generator did not write")
    (workspace.output / "precious.py").unlink()
    workspace.output.rmdir()
    workspace.output.write_text("a file")
    assert workspace.refusal() == "sample.yaml: output sample is not a directory: choose another"


def test_an_error_while_writing_changes_nothing(generated: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    generated.write(proto=PROTO.replace("int32 y = 2;", "int32 y = 2;\n  int32 z = 5;"))
    before = generated.snapshot()
    write_bytes = Path.write_bytes

    def fail_at_last(path: Path, data: bytes) -> int:
        if path.name == "sample_pb2.pyi":
            raise OSError(28, os.strerror(28), str(path))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail_at_last)
    assert main(["generate", "--config", str(generated.config)]) == 2
    monkeypatch.undo()
    assert generated.snapshot() == before


def test_mistakes_are_one_line_and_exit_with_two(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + "mesages: {}\n")
    command = [sys.executable, "-m", "eventflux_codegen.cli"]
    for name in ("generate", "check"):
        done = subprocess.run(
            [*command, name, "--config", str(workspace.config)], capture_output=True, text=True, check=False
        )
        expected = f"eventflux-codegen: {workspace.config}:3: unknown key 'mesages': did you mean 'messages'?\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert subprocess.run([*command, "generat"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("missing", ["grpc_tools", "jinja2", "ruamel", "mypy_protobuf", "ruff", "google"])
def test_a_missing_tool_is_named_with_the_command_that_installs_it(workspace: Workspace, missing: str) -> None:
    program = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from eventflux_codegen.cli import main
sys.exit(main(["generate", "--config", {str(workspace.config)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"generating code needs {missing}" in done.stderr
    assert done.stderr.endswith("run pip install 'eventflux-transport[codegen]'\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["generate", "check"])
def test_any_encoding_of_the_terminal_will_do_and_nobody_need_read(workspace: Workspace, command: str) -> None:
    workspace.write(config=CONFIG)
    program = [sys.executable, "-m", "eventflux_codegen.cli", command, "--config", str(workspace.config)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as output:
        unread = subprocess.run(
            program, stdout=output, stderr=subprocess.PIPE, text=True, env=environment, check=False, timeout=60
        )
    said = [line for line in unread.stderr.splitlines() if not line.startswith("eventflux-codegen: ")]
    assert (unread.returncode, said) == (1, [])
