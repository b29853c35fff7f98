"""`breaking --against`: what is compared with what, and that each change says who breaks, where, and what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eventflux_codegen.cli import main
from tests.support.workspace import CONFIG, PROTO, Workspace

SHARED = 'syntax = "proto3";\npackage demo;\nimport "sample.proto";\nmessage More { Point point = 1; }\n'
BROKEN = (
    "field 2 (y) of demo.Point was int32 and is sint32, which breaks old clients and old servers: on native and gRPC "
    "what either sends is read as another number; add a field with another number, and keep this one until nobody uses "
    "it\n"
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Sources below a directory of a git repository."""
    monkeypatch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
    folder = tmp_path / "repository" / "idl files"
    folder.mkdir(parents=True)
    workspace = Workspace(folder)
    workspace.write()
    git(folder.parent, "init", "--quiet")
    commit(folder.parent)
    monkeypatch.chdir(folder.parent)
    return workspace


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "now", "--allow-empty")


@pytest.fixture
def breaking(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command, and gives its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["breaking", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


Breaking = Callable[..., tuple[int, str, str]]
WAYS = {
    "yaml": ["--config", "idl files/sample.yaml"],
    "directory": ["idl files", "--package", "sample"],
    "file": ["idl files/sample.proto", "--package", "sample"],
    "pattern": ["idl files/*.proto", "--package", "sample"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_revision_is_compared_with(workspace: Workspace, breaking: Breaking, way: str) -> None:
    assert breaking(*WAYS[way], "--against", "HEAD") == (0, "nothing breaks peers since HEAD\n", "")
    before = workspace.snapshot()
    workspace.write(proto=PROTO.replace("int32 y", "sint32 y"))
    code, out, err = breaking(*WAYS[way], "--against", "HEAD")
    assert (code, err) == (1, "")
    assert out == f"idl files/sample.proto:5: {BROKEN}"
    commit(workspace.root.parent)
    assert breaking(*WAYS[way], "--against", "HEAD")[0] == 0
    assert breaking(*WAYS[way], "--against", "HEAD~1")[:2] == (1, out)
    assert set(workspace.snapshot()) == set(before)
    command = ["git", "status", "--porcelain"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""  # nor is the index touched


def test_what_a_revision_imports_and_names_is_taken_from_it(workspace: Workspace, breaking: Breaking) -> None:
    (workspace.root / "more.proto").write_text(SHARED)
    workspace.write(config=CONFIG.replace("[sample.proto]", "[more.proto]"))
    commit(workspace.root.parent)
    workspace.write(config="package: sample\nprotos: [.]\n", proto=PROTO.replace("int32 y", "sint32 y"))
    (workspace.root / "more.proto").unlink()
    code, out, _ = breaking("idl files/sample.yaml", "--against", "HEAD")
    assert code == 1
    gone = "HEAD: message demo.More is gone, which breaks whoever finds one in an Any or keeps some"
    assert out.splitlines() == [f"{gone}; keep it until nobody uses it", f"idl files/sample.proto:5: {BROKEN.strip()}"]


def test_a_lock_and_a_descriptor_set_are_compared_with(workspace: Workspace, breaking: Breaking) -> None:
    workspace.generate()
    target = "old.binpb"
    options = ["-Iidl files", "--include_imports", f"--descriptor_set_out={target}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, "sample.proto"], check=True)
    layout = CONFIG + "messages:\n  Point:\n    layouts:\n      small: {fields: [x]}\n"
    workspace.write(config=layout, proto=PROTO.replace("int32 y", "sint32 y"))
    for old in ("idl files/sample.lock", target):
        assert breaking("idl files/sample.yaml", "--against", old)[:2] == (1, f"idl files/sample.proto:5: {BROKEN}")
    workspace.write()
    for old in ("idl files/sample.lock", target):
        assert breaking("idl files/sample.yaml", "--against", old)[0] == 0


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ("no-such-branch", "--against: no-such-branch is neither a file nor a git revision of "),
        ("--help-me", "--against: --help-me is neither a file nor a git revision of "),
        ("idl files", "--against: idl files is a directory: name a lock, a descriptor set or a git revision"),
        ("text.txt", "--against: text.txt is no descriptor set"),
        ("old.json", "old.json: is not a lock of this generator"),
    ],
)
def test_what_cannot_be_compared_with_is_told(
    workspace: Workspace, breaking: Breaking, against: str, expected: str
) -> None:
    Path("text.txt").write_text("hello\n")
    Path("old.json").write_text("{}\n")
    code, out, err = breaking("idl files/sample.yaml", f"--against={against}")
    assert (code, out) == (2, "")
    assert err.startswith(f"eventflux-codegen: {expected}")
    assert err.count("\n") == 1


def test_a_mistake_of_then_is_named_as_git_names_it(workspace: Workspace, breaking: Breaking) -> None:
    workspace.write(proto=PROTO.replace("int32 y = 2;", "int32 y = ;"))
    commit(workspace.root.parent)
    workspace.write()
    code, _, err = breaking("idl files/sample.yaml", "--against", "HEAD")
    assert (code, err) == (2, "eventflux-codegen: HEAD:idl files/sample.proto:5: Expected field number.\n")
    git(workspace.root.parent, "rm", "--quiet", "-r", "--cached", "idl files")
    git(workspace.root.parent, "commit", "--quiet", "--message", "gone")
    code, _, err = breaking("idl files/sample.yaml", "--against", "HEAD")
    assert (code, err) == (
        2,
        "eventflux-codegen: HEAD:idl files/sample.yaml: cannot be read: no such file or directory\n",
    )


def test_without_a_repository_there_is_no_revision(tmp_path: Path, breaking: Breaking) -> None:
    workspace = Workspace(tmp_path)
    workspace.write()
    code, _, err = breaking(str(workspace.config), "--against", "HEAD")
    assert (code, err) == (
        2,
        f"eventflux-codegen: --against: HEAD is no file, and {tmp_path} is in no git repository\n",
    )


REQUEST = "message Ask { int32 x = 1; }\nmessage Tell { int32 x = 1; }\n"
SERVICE = 'syntax = "proto3";\npackage demo;\n' + REQUEST + "service Plane { rpc Move(Ask) returns (Tell); }\n"


BEYOND = "on native and gRPC what new peers send is read as another number where int32 does not hold it"
CHANGES = {
    "request": ("Ask { int32 x", "Ask { int64 x", "old servers", BEYOND),
    "response": ("Tell { int32 x", "Tell { int64 x", "old clients", BEYOND),
    "list": (
        "Ask { int32",
        "Ask { repeated int32",
        "old clients and old servers",
        "in JSON what either sends is refused",
    ),
    "JSON": (
        "Ask { int32",
        "Ask { uint32",
        "old clients and old servers",
        "in JSON what old peers send is refused where",
    ),
    "name": (
        "Ask { int32 x",
        "Ask { int32 y",
        "old clients and old servers in JSON",
        "(on native and gRPC nothing changes)",
    ),
    "kind": (
        "Move(Ask)",
        "Move(stream Ask)",
        "old clients and old servers on native and gRPC",
        "more or fewer messages",
    ),
    "type": (
        "(Tell)",
        "(Ask)",
        "old clients and old servers on native, gRPC and in JSON",
        "clients read the one as the",
    ),
    "method": ("rpc Move(", "rpc Go(", "old clients on every wire", "their calls fail with UNIMPLEMENTED"),
}


@pytest.mark.parametrize(("old", "new", "who", "how"), CHANGES.values(), ids=CHANGES)
def test_a_change_says_who_breaks_and_where(
    workspace: Workspace, breaking: Breaking, old: str, new: str, who: str, how: str
) -> None:
    workspace.write(proto=SERVICE)
    commit(workspace.root.parent)
    workspace.write(proto=SERVICE.replace(old, new))
    code, out, err = breaking("idl files/sample.yaml", "--against", "HEAD")
    assert (code, err) == (1, "")
    assert f", which breaks {who}" in out
    assert how in out
    assert out.count("\n") == 1


ADVICE = {
    "rename": ("int32 z = 2;", 'by [json_name = "x"]', 'int32 z = 2 [json_name = "x"];'),
    "renumber": ("int32 x = 3;", "give x its number 2 again", "int32 x = 2;"),
    "remove": ("", 'write reserved 2; reserved "x"; in its place', 'reserved 2; reserved "x";'),
}


@pytest.mark.parametrize(("changed", "advice", "followed"), ADVICE.values(), ids=ADVICE)
def test_who_follows_the_advice_breaks_nobody(
    workspace: Workspace, breaking: Breaking, changed: str, advice: str, followed: str
) -> None:
    text = 'syntax = "proto3";\npackage demo;\nmessage A { int32 x = 2; }\n'
    workspace.write(proto=text)
    commit(workspace.root.parent)
    workspace.write(proto=text.replace("int32 x = 2;", changed))
    code, out, _ = breaking("idl files/sample.yaml", "--against", "HEAD")
    assert code == 1
    assert advice in out
    workspace.write(proto=text.replace("int32 x = 2;", followed))
    assert breaking("idl files/sample.yaml", "--against", "HEAD")[0] == 0
