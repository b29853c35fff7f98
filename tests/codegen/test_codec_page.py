"""docs/protocol.md: the bytes of its sample are what the codecs write and read."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.support.codec_page import SAMPLE_NATIVE, SAMPLE_PROTO, SAMPLE_PROTOBUF
from tests.support.workspace import Workspace


def test_the_sample_has_these_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("package: codec_page_sample\nprotos: [sample.proto]\n", SAMPLE_PROTO)
    workspace.generate()
    monkeypatch.syspath_prepend(str(tmp_path))
    sdk = importlib.import_module("codec_page_sample")
    sample = sdk.Sample(
        name="é",
        level=0,
        flags={"b": True, "a": False},
        parts=[sdk.Part(id=1), sdk.Part(id=300)],
        kind=sdk.SampleKindCode(-2),
    )
    assert (sample.to_wire(), sample.to_protobuf()) == (SAMPLE_NATIVE, SAMPLE_PROTOBUF)
    assert sdk.Sample.from_wire(SAMPLE_NATIVE) == sdk.Sample.from_protobuf(SAMPLE_PROTOBUF) == sample
