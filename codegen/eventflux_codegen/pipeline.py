"""The generator's stages in their order: descriptors and options, model, text, lock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from eventflux_codegen.error import Place
from eventflux_codegen.extern import Extern
from eventflux_codegen.input import Input
from eventflux_codegen.language import Blueprint, Target
from eventflux_codegen.lock import Facts, find_breaking, lock_text, wire_facts
from eventflux_codegen.order import Order
from eventflux_codegen.package import Package
from eventflux_codegen.product import LANGUAGES
from eventflux_codegen.protobuf_module import generate_protobuf
from eventflux_codegen.render import format_modules, render_unformatted
from eventflux_codegen.schema import Schema
from eventflux_codegen.tree import Plan

__all__ = ["Outcome", "run", "state_of", "targets_of"]


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
    targets: tuple[Target, ...] = ()
    """What is generated in other languages."""

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
    source = source or order.read()
    plan = _plan(order, source)
    packages = plan.build()
    heads = plan.heads(packages)
    with ThreadPoolExecutor(1) as beside:  # which mostly waits for protoc's plugins, each a process
        protobuf = beside.submit(generate_protobuf, source.descriptors, plan.modules, heads)
        texts = {
            plan.folder(package.name) + name: text
            for package in packages
            for name, text in render_unformatted(package).items()
        }
        levels = {f"{plan.folder(name)}__init__.py": text for name, text in plan.levels(packages).items()}
        files = {**levels, **format_modules(texts), "py.typed": ""}
        files |= {plan.folder(package) + name: text for (package, name), text in protobuf.result().items()}
    facts = wire_facts(plan.schema, *packages)
    return Outcome(
        output=order.output,
        files=files,
        lock=order.lock,
        lock_text=lock_text(facts),
        facts=facts,
        schema=plan.schema,
        place=Place(order.places().file),
        targets=tuple(_targets(order, plan, packages)),
    )


def state_of(order: Order) -> tuple[Facts, Schema]:
    """What peers rely on, and the IDL that says so; the stages up to the model suffice for it.

    Raises:
        GenerationError: the sources are wrong.
    """
    plan = _plan(order, order.read())
    return wire_facts(plan.schema, *plan.build()), plan.schema


def targets_of(order: Order) -> tuple[Target, ...]:
    """What is generated in other languages; the stages up to the model suffice for it.

    Raises:
        GenerationError: the sources are wrong.
    """
    plan = _plan(order, order.read())
    return tuple(_targets(order, plan, plan.build()))


def _targets(order: Order, plan: Plan, packages: tuple[Package, ...]) -> Iterator[Target]:
    folders = {package.name: plan.folder(package.name) for package in packages}
    blueprint = Blueprint(plan.schema, order.options, order.places, packages, folders)
    for language in LANGUAGES:
        options = getattr(order.options, language.section, None)
        if options is not None:
            yield language.target(options, blueprint, order.folder)


def _plan(order: Order, source: Input) -> Plan:
    extern = Extern.of(order.options, source, order.roots, order.places)
    schema = Schema.of(source.descriptors, source.include, source.listed, extern.homes)
    return Plan.of(schema, order.options, order.places, extern)
