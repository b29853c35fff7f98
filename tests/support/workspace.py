"""A directory with an IDL in it, for tests that generate code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from eventflux_codegen import GenerationError, GenerationResult, check, generate
from eventflux_codegen.build import build_package
from eventflux_codegen.compiler import compile_protos
from eventflux_codegen.lock import Facts, wire_facts
from eventflux_codegen.package import Package
from eventflux_codegen.product import FileOptions
from eventflux_codegen.schema import Schema
from eventflux_codegen.yaml_source import read_yaml

__all__ = ["Workspace"]

CONFIG = "package: sample\nprotos: [sample.proto]\n"
PROTO = """syntax = "proto3";
package demo;
message Point {
  int32 x = 1;
  int32 y = 2;
  Color color = 3;
  map<string, string> notes = 4;
}
enum Color {
  COLOR_NONE = 0;
  COLOR_RED = 1;
}
service Plane {
  rpc Move(Point) returns (Point);
}
"""


@dataclass
class Workspace:
    """Sources in a temporary directory. Line numbers count from 1, as in every editor."""

    root: Path

    def write(self, config: str = CONFIG, proto: str = PROTO) -> None:
        """Puts the sources down."""
        self.config.write_text(config, "utf-8")
        (self.root / "sample.proto").write_text(proto, "utf-8")

    @property
    def config(self) -> Path:
        """The YAML file."""
        return self.root / "sample.yaml"

    @property
    def output(self) -> Path:
        """The generated package."""
        return self.root / "sample"

    @property
    def lock(self) -> Path:
        """The lock beside the sources."""
        return self.root / "sample.lock"

    def generate(self, *, accept_breaking: bool = False) -> GenerationResult:
        """Generates in this process."""
        return generate(self.config, accept_breaking=accept_breaking)

    def facts(self) -> tuple[Facts, Schema, Package]:
        """What the lock is made of; takes a fraction of the time of generating."""
        options, places = read_yaml(self.config, FileOptions)
        schema = Schema.of(self.descriptors(), [self.root])
        package = build_package(schema, options, places)
        return wire_facts(schema, package), schema, package

    def descriptors(self) -> FileDescriptorSet:
        """Those of the sources and of all that they import."""
        options, places = read_yaml(self.config, FileOptions)
        return compile_protos(options.protos, [self.root], places)

    def is_current(self) -> bool:
        """Whether `check` finds no difference."""
        return check(self.config).is_current

    def refusal(self) -> str:
        """The error of generating, with this directory's path left out; asserts that nothing was written."""
        before = self.snapshot()
        with pytest.raises(GenerationError) as caught:
            self.generate()
        assert self.snapshot() == before
        text = str(caught.value)
        assert "\n" not in text
        return text.replace(f"{self.root}/", "")

    def snapshot(self) -> dict[str, bytes]:
        """Every file and its content."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
