"""The generator's stages in their order: descriptors and options, model, text, lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from eventflux_codegen.build import build_package
from eventflux_codegen.error import Place
from eventflux_codegen.input import Input
from eventflux_codegen.lock import Facts, find_breaking, lock_text, wire_facts
from eventflux_codegen.order import Order
from eventflux_codegen.protobuf_module import generate_protobuf
from eventflux_codegen.render import render
from eventflux_codegen.schema import Schema

__all__ = ["Outcome", "run", "state_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a configuration leads to."""

    output: Path
    files: dict[str, str]
    lock: Path
    lock_text: str
    facts: Facts
    schema: Schema
    place: Place
    """What the options came from."""

    def refuse_breaking(self) -> None:
        """Raises GenerationError for the first change since the lock was written that breaks peers."""
        breaking = find_breaking(self.lock, self.facts, self.schema)
        if breaking is not None:
            raise breaking


def run(order: Order, source: Input | None = None) -> Outcome:
    """Runs every stage; touches no file but the sources.

    Args:
        order: what is asked for.
        source: the descriptors, where they do not come from what the order names.

    Raises:
        GenerationError: the sources are wrong.
    """
    options, places = order.options, order.places
    source = source or order.read()
    schema = Schema.of(source.descriptors, source.include, source.listed)
    package = build_package(schema, options, places)
    with ThreadPoolExecutor(1) as beside:  # which mostly waits for protoc's plugins, each a process
        heads = {package.name: package.stub_head}
        protobuf = beside.submit(generate_protobuf, source.descriptors, package.pb_files, heads)
        files = {**render(package), **{file: text for (_, file), text in protobuf.result().items()}, "py.typed": ""}
    facts = wire_facts(schema, package)
    return Outcome(
        output=order.output,
        files=files,
        lock=order.lock,
        lock_text=lock_text(facts, package),
        facts=facts,
        schema=schema,
        place=Place(places().file),
    )


def state_of(order: Order) -> tuple[Facts, Schema]:
    """What peers rely on, and the IDL that says so; the stages up to the model suffice for it.

    Raises:
        GenerationError: the sources are wrong.
    """
    source = order.read()
    schema = Schema.of(source.descriptors, source.include, source.listed)
    return wire_facts(schema, build_package(schema, order.options, order.places)), schema
