"""The option that gives a message methods for a payload which may be compressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventflux_codegen import GenerationError
from eventflux_codegen.model import Payload
from tests.support.workspace import CONFIG, Workspace

PROTO = """syntax = "proto3";
package demo;
message Parcel {
  bytes content = 1;
  Packing packing = 2;
  Color color = 3;
  string note = 4;
  repeated bytes parts = 5;
}
enum Packing {
  PACKING_NONE = 0;
  PACKING_LZ4 = 1;
  PACKING_GZIP = 2;
}
enum Color {
  COLOR_NONE = 0;
  COLOR_RED = 1;
}
"""


def built(workspace: Workspace, options: str) -> Payload | None:
    workspace.write(f"{CONFIG}messages:\n  Parcel:\n    {options}\n", PROTO)
    _, _, package = workspace.facts()
    (message,) = package.messages
    return message.payload


def test_the_fields_and_their_enum(tmp_path: Path) -> None:
    payload = built(Workspace(tmp_path), "payload: {field: content, compression: packing}")
    assert payload == Payload("content", "packing", "Packing", "Packing")


def test_without_the_option(tmp_path: Path) -> None:
    assert built(Workspace(tmp_path), "aliases: [Box]") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("payload: {field: contents, compression: packing}", "no field is named 'contents': did you mean 'content'?"),
        ("payload: {field: note, compression: packing}", "note is not one field of type bytes"),
        ("payload: {field: parts, compression: packing}", "parts is not one field of type bytes"),
        ("payload: {field: content, compression: note}", "note is not one field of an enum"),
        (
            "payload: {field: content, compression: color}",
            "Color has to name compressions, NONE and others of LZ4, SNAPPY, ZSTD and GZIP: RED not among them",
        ),
        ("payload: {field: content}", "key 'compression' is missing"),
        (
            "builders: {compress_payload: parts}\n    payload: {field: content, compression: packing}",
            "'compress_payload' is the name of a method for the payload: choose another",
        ),
    ],
)
def test_refusals_name_the_place(options: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"sample\.yaml:[56]") as caught:
        built(Workspace(tmp_path), options)
    assert message in str(caught.value)
