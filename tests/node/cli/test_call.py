"""`eventflux call`: JSON in and out on every wire, whatever the types come from, and an exit code for each end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from eventflux_node.cli import main
from eventflux_runtime import ServerConfig, StatusCode, TlsConfig, serve
from inventory_sdk import inventory_pb2
from tests.project.import_graph import ROOT
from tests.support.authority import Authority
from tests.support.node_command import COMMAND
from tests.support.shop import SERVICE, Shop

GET = f"{SERVICE}/GetItem"
EVERYWHERE = ["tcp", "unix", "grpc", "ws", "grpcio-v1", "grpcio-v1alpha"]
IDL = ROOT / "tests/idl"


class Run:
    """What one command line came to."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = main(["call", *arguments])
        captured = capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        self.messages = [json.loads(line) for line in captured.out.splitlines()]


@pytest.mark.parametrize("server", EVERYWHERE)
def test_a_unary_method_is_called_by_reflection(
    server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = Run(capsys, urls[server], GET, '{"sku": "bolt"}')
    assert (done.code, done.err) == (0, "")
    (item,) = done.messages
    assert (item["sku"], item["stock"], item["supplier"]) == ("bolt", {"a": 1}, "acme")


@pytest.mark.parametrize("server", EVERYWHERE)
def test_both_sides_stream(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    done = Run(capsys, urls[server], f"{SERVICE}/Reserve", '{"sku": "a", "count": 1}', '{"sku": "b", "count": 2}')
    assert (done.code, done.err) == (0, "")
    assert done.messages == [{"confirmation": "a-1"}, {"confirmation": "b-2"}]


@pytest.mark.parametrize("server", EVERYWHERE)
def test_a_failed_call_shows_its_code_and_details(
    server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = Run(capsys, urls[server], GET, '{"sku": "missing"}')
    assert (done.code, done.out) == (64 + StatusCode.NOT_FOUND, "")
    head, *details = done.err.splitlines()
    assert head == "eventflux: NOT_FOUND: no such ïtem"
    assert [json.loads(line) for line in details] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "sku", "description": "nobody has it"}],
        },
        {"@type": "type.googleapis.com/shop.secret.Plan", "value": "CCo="},
    ]


def sources(folder: Path) -> dict[str, list[str]]:
    (folder / "set.bin").write_bytes(_descriptor_set())
    return {
        "proto": ["--proto", str(IDL / "inventory.proto")],
        "include": ["--proto", str(IDL / "inventory.proto"), "-I", str(IDL)],
        "set": ["--descriptor-set", str(folder / "set.bin")],
        "package": ["--package", "inventory_sdk"],
    }


def _descriptor_set() -> bytes:
    made = FileDescriptorSet()
    inventory_pb2.DESCRIPTOR.CopyToProto(made.file.add())
    return made.SerializeToString()  # without the files of protobuf's own that it imports


@pytest.mark.parametrize("source", ["proto", "include", "set", "package"])
def test_types_come_from_elsewhere_too(
    source: str, urls: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    types = sources(tmp_path)[source]
    for server in ("tcp", "grpc"):
        done = Run(capsys, urls[server], GET, '{"sku": "bolt"}', *types)
        assert (done.code, done.err) == (0, "")
        assert done.messages == [{"sku": "bolt", "stock": {"a": 1}, "priceCents": "5", "supplier": "acme"}]
        failed = Run(capsys, urls[server], GET, '{"sku": "missing"}', *types)
        assert failed.code == 69
        assert [json.loads(line)["@type"].rpartition(".")[2] for line in failed.err.splitlines()[1:]] == [
            "BadRequest",
            "Plan",
        ]


@pytest.mark.parametrize("types", [[], ["--package", "inventory_sdk"]], ids=["reflection", "package"])
def test_defaults_are_shown_when_asked_for(
    types: list[str], urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (item,) = Run(capsys, urls["tcp"], GET, "--emit-defaults", *types).messages
    assert (item["sku"], item["title"], item["tags"]) == ("", "", [])
    assert "dimensions" not in item


def test_the_rest_of_a_call_is_shown_when_asked_for(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    headers = ["-H", "x-trace: 4 2", "--header", "x-raw-bin: AAH/"]
    done = Run(capsys, urls["grpc"], GET, '{"sku": "bolt"}', "-v", *headers)
    assert done.code == 0
    lines = done.err.splitlines()
    assert lines[:4] == ["< node: shop", "trailer: x-trace: 4 2", "trailer: x-raw-bin: AAH/", "status: OK"]
    assert lines[4] == "responses: 1"
    assert lines[5].startswith("time: ")
    failed = Run(capsys, urls["grpc"], GET, '{"sku": "missing"}', "-v")
    assert "trailer: hint: elsewhere\nstatus: NOT_FOUND\n" in failed.err


def test_requests_of_a_file_are_lines_or_one_text(
    urls: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "item.json").write_text('{\n  "sku": "bolt"\n}\n')
    assert Run(capsys, urls["tcp"], GET, f"@{tmp_path}/item.json").messages[0]["sku"] == "bolt"
    (tmp_path / "changes.jsonl").write_text('{"sku": "a"}\n\n{"sku": "b"}\n')
    recorded = Run(capsys, urls["tcp"], f"{SERVICE}/RecordChanges", f"@{tmp_path}/changes.jsonl", '{"sku": "c"}')
    assert recorded.messages == [{"changes": 3}]
    (tmp_path / "bad.jsonl").write_text('{"sku": "a"}\n{"sku": 1}\n')
    bad = Run(capsys, urls["tcp"], f"{SERVICE}/RecordChanges", f"@{tmp_path}/bad.jsonl")
    assert (bad.code, bad.out) == (1, "")
    assert bad.err.startswith(f"eventflux: {tmp_path}/bad.jsonl, line 2: shop.inventory.v1.StockChange: ")
    assert bad.err.count("\n") == 1
    gone = Run(capsys, urls["tcp"], GET, "@/nonexistent")
    assert (gone.code, gone.err) == (1, "eventflux: cannot read /nonexistent: no such file or directory\n")


def test_lines_are_sent_and_answered_as_they_come(urls: dict[str, str]) -> None:
    # A conversation over pipes, whose input is still open when the server ends the call.
    command = [*COMMAND, "call", urls["grpc"], f"{SERVICE}/Reserve", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for sku in ("a", "last"):
            process.stdin.write(json.dumps({"sku": sku}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"confirmation": f"{sku}-0"}
        assert process.wait(timeout=30) == 0


def test_a_server_that_refuses_early_is_not_kept_waiting_for_input(
    urls: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("w") as file:
            file.write('{"sku": "stop"}\n')
            file.flush()
            over.wait()

    over = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = Run(capsys, urls["tcp"], f"{SERVICE}/RecordChanges", f"@{pipe}")
    finally:
        over.set()
        writer.join()
    assert (done.code, done.err) == (64 + StatusCode.INVALID_ARGUMENT, "eventflux: INVALID_ARGUMENT: stopped\n")


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        ([f"{SERVICE}/GetItems"], 1, f"no method 'GetItems' in {SERVICE}: did you mean GetItem?"),
        (["shop.Inventory/GetItem"], 1, f"no service 'shop.Inventory': did you mean {SERVICE}?"),
        (["GetItem"], 1, "'GetItem' is no method: write it as package.Service/Method"),
        ([GET, '{"sk": 1}'], 1, "shop.inventory.v1.GetItemRequest: "),
        ([GET, "{"], 1, "shop.inventory.v1.GetItemRequest: "),
        ([GET, "{}", "{}"], 1, "the method takes one request, and there is more than one"),
        ([GET, "@/dev/null"], 1, "/dev/null: shop.inventory.v1.GetItemRequest: "),
        ([f"{SERVICE}/Reserve"], 2, f"/{SERVICE}/Reserve streams requests: give DATA, or - for lines"),
        ([GET, "-H", "no colon"], 2, "'no colon' is no header: write it as 'name: value'"),
        ([GET, "-H", "a-bin: !"], 2, "'!' is not base64"),
        ([GET, "-H", "grpc-x: 1"], 2, "metadata key 'grpc-x' is reserved"),
        ([GET, "--proto", "a", "--package", "b"], 2, "types come from one of --proto, --descriptor-set and --package"),
        ([GET, "-I", "/tmp"], 2, "-I is for --proto"),
        ([GET, "--proto", "/nonexistent.proto"], 1, "cannot read /nonexistent.proto: no such file"),
        ([GET, "--descriptor-set", "/nonexistent"], 1, "cannot read /nonexistent: no such file or directory"),
        ([GET, "--descriptor-set", "/etc/hostname"], 1, "/etc/hostname is no descriptor set: make it by"),
        ([GET, "--package", "no_such_package"], 1, "cannot import no_such_package: there is no package"),
        ([GET, "--package", "eventflux_runtime"], 1, "eventflux_runtime is no package with services"),
        ([GET, "--timeout", "0"], 64 + 4, "DEADLINE_EXCEEDED: "),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], code: int, fault: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = Run(capsys, urls["tcp"], *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("eventflux: ")
    assert fault in done.err
    assert done.err.count("\n") == 1


def test_a_proto_that_does_not_compile_is_named(
    urls: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.proto").write_text('syntax = "proto3";\nmessage {\n')
    done = Run(capsys, urls["tcp"], GET, "--proto", f"{tmp_path}/bad.proto")
    assert done.code == 1
    assert done.err.startswith(f"eventflux: protoc: {tmp_path}/bad.proto:2:9: ")


def test_nobody_there_is_a_status_too(capsys: pytest.CaptureFixture[str]) -> None:
    done = Run(capsys, "tcp://127.0.0.1:1", GET, "--package", "inventory_sdk")
    assert done.code == 64 + StatusCode.UNAVAILABLE
    assert done.err.startswith("eventflux: UNAVAILABLE: cannot connect to tcp://127.0.0.1:1")


def test_a_generated_package_needs_no_protobuf(urls: dict[str, str]) -> None:
    program = (
        "import sys\nsys.modules['google.protobuf'] = None\nfrom eventflux_node.cli import main\n"
        f"sys.exit(main(['call', {urls['tcp']!r}, {GET!r}, '{{}}', *sys.argv[1:]]))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    # The package lies in the folder that the command is run in.
    here = ROOT / "tests/generated"
    packaged = [*command, "--package", "inventory_sdk"]
    done = subprocess.run(packaged, capture_output=True, text=True, check=False, cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["supplier"] == "acme"
    missing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == (
        "eventflux: calling a server by its own description needs an extra: "
        "run pip install 'eventflux-transport[protobuf]'\n"
    )


@pytest.mark.parametrize("scheme", ["tcps", "grpcs"])
def test_certificates_are_given_by_options(scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path)
    config = ServerConfig(drain_grace_s=0, tls=TlsConfig(**authority.server().files))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve([Shop()], f"{scheme}://127.0.0.1:0", config=config)) as server,
    ):
        url = server.endpoints[0]
        done = Run(capsys, url, GET, '{"sku": "bolt"}', "--ca-file", authority.ca_file)
        refused = Run(capsys, url, GET, '{"sku": "bolt"}')
    assert (done.code, done.messages[0]["sku"]) == (0, "bolt")
    assert (refused.code, refused.err.count("\n")) == (64 + StatusCode.UNAVAILABLE, 1)
    assert "certificate" in refused.err


@pytest.mark.parametrize("server", ["tcp", "grpc", "ws"])
def test_one_side_streams(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    watched = Run(capsys, urls[server], f"{SERVICE}/WatchItems", '{"skus": ["a", "b"]}', "-v")
    assert watched.code == 0
    assert watched.messages == [{"sku": "a", "added": 0}, {"sku": "b", "added": 1}]
    assert "status: OK\nresponses: 2\n" in watched.err
    recorded = Run(capsys, urls[server], f"{SERVICE}/RecordChanges", '{"sku": "a", "added": 1}', "{}", "-v")
    assert (recorded.code, recorded.messages) == (0, [{"changes": 2}])
    assert "status: OK\nresponses: 1\n" in recorded.err


def test_a_missing_compiler_is_named(
    urls: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "grpc_tools" else find(name))
    done = Run(capsys, urls["tcp"], GET, "--proto", str(IDL / "inventory.proto"))
    assert (done.code, done.err) == (1, "eventflux: --proto needs grpcio-tools: run pip install grpcio-tools\n")
