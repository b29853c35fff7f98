"""`eventflux list`: the services of any server with reflection, and their methods as `call` takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventflux_node.cli import main
from tests.project.import_graph import ROOT
from tests.support.shop import SERVICE, shop

IDL = ROOT / "tests/idl"
METHODS = [f"{SERVICE}/{name}" for name in ("GetItem", "RecordChanges", "WatchItems", "Reserve")]


@pytest.mark.parametrize("server", ["tcp", "unix", "grpc", "ws", "grpcio-v1", "grpcio-v1alpha"])
def test_services_and_methods_are_listed(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", urls[server]]) == 0
    services = capsys.readouterr().out.splitlines()
    assert SERVICE in services
    assert services == sorted(services)
    assert main(["list", urls[server], SERVICE]) == 0
    assert capsys.readouterr().out.splitlines() == METHODS


def test_json_has_what_a_program_needs(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", urls["grpcio-v1"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"services": ["grpc.reflection.v1.ServerReflection", SERVICE]}
    assert main(["list", urls["tcp"], SERVICE, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["service"] == SERVICE
    assert record["methods"][1] == {
        "name": "RecordChanges",
        "kind": "client_streaming",
        "request": "shop.inventory.v1.StockChange",
        "response": "shop.inventory.v1.ChangeSummary",
        "is_deprecated": False,
        "is_idempotent": False,
    }


def test_files_and_packages_need_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    for source in (["--proto", str(IDL / "inventory.proto")], ["--package", "inventory_sdk"]):
        assert main(["list", *source]) == 0
        assert capsys.readouterr().out == f"{SERVICE}\n"
        assert main(["list", *source, SERVICE]) == 0
        assert capsys.readouterr().out.splitlines() == METHODS


def test_what_is_deprecated_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.proto").write_text(DEPRECATED)
    assert main(["list", "--proto", f"{tmp_path}/a.proto", "a.S"]) == 0
    assert capsys.readouterr().out == "a.S/Old (deprecated)\na.S/New\n"


DEPRECATED = """
syntax = "proto3";
package a;
message M {}
service S {
  rpc Old(M) returns (M) { option deprecated = true; }
  rpc New(M) returns (M);
}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        ([], 2, "Missing argument 'URL'."),
        ([SERVICE], 2, "Missing argument 'URL'."),
        (["tcp://127.0.0.1:1", "a", "b"], 2, "Got unexpected extra argument (b): there is one SERVICE at most"),
        (["tcp://127.0.0.1:1"], 1, "UNAVAILABLE: cannot connect to tcp://127.0.0.1:1"),
        (
            ["--package", "inventory_sdk", "shop.Inventory"],
            1,
            "no service 'shop.Inventory' in the package inventory_sdk",
        ),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], code: int, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", *arguments]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith(f"eventflux: {fault}")


@pytest.mark.parametrize("scheme", ["tcp", "grpc"])
def test_a_server_without_reflection_is_told_apart(
    scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with shop(tmp_path, reflection=False) as urls:
        assert main(["list", urls[scheme]]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("eventflux: the server describes itself in no version of grpc.reflection")
    assert "--proto, --descriptor-set or --package" in captured.err
    assert captured.err.count("\n") == 1
