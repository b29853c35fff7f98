"""The generator's stages in their order: options, descriptors, model, text, lock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from eventflux_codegen.build import build_package
from eventflux_codegen.compiler import compile_protos, generate_protobuf, relocate
from eventflux_codegen.lock import Facts, find_breaking, lock_text, wire_facts
from eventflux_codegen.product import FileOptions
from eventflux_codegen.render import render
from eventflux_codegen.schema import Schema
from eventflux_codegen.yaml_source import read_yaml

__all__ = ["Outcome", "run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a configuration leads to."""

    output: Path
    files: dict[str, str]
    lock: Path
    lock_text: str
    facts: Facts
    schema: Schema

    def refuse_breaking(self) -> None:
        """Raises GenerationError for the first change since the lock was written that breaks peers."""
        breaking = find_breaking(self.lock, self.facts, self.schema)
        if breaking is not None:
            raise breaking


def run(config: Path) -> Outcome:
    """Runs every stage; touches no file but the sources.

    Raises:
        GenerationError: the sources are wrong.
    """
    options, places = read_yaml(config, FileOptions)
    include = [config.parent / path for path in options.include]
    descriptors = compile_protos(options.protos, include, places)
    schema = Schema.of(descriptors, include)
    package = build_package(schema, options, places)
    files = render(package)
    files |= generate_protobuf(relocate(descriptors, package.name), package.name, package.stub_head)
    files["py.typed"] = ""
    facts = wire_facts(schema, package)
    lock = config.parent / options.lock if options.lock is not None else config.with_suffix(".lock")
    return Outcome(
        output=Path(os.path.normpath(config.parent / (options.output or package.name.replace(".", "/")))),
        files=files,
        lock=lock,
        lock_text=lock_text(facts, package),
        facts=facts,
        schema=schema,
    )
