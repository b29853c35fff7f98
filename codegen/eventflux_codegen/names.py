"""Which Python name everything gets that a package exports or its modules define, so that no two get the same."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.foreign import Names
from eventflux_codegen.naming import as_class, as_constant, as_snake, camel, flatten, in_capitals, keep_apart
from eventflux_codegen.options import MessageOptions, Options
from eventflux_codegen.reserved import CODEC_NAMES, IMPORTED_CLASSES, MESSAGE_MODULE_NAMES
from eventflux_codegen.schema import EnumNode, MessageNode, Schema, ServiceNode
from eventflux_codegen.scope import Scope, Wish, settle
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["ClassNames", "resolve"]

_RENAME: Final = "give one a 'name' in the options"


@dataclass(slots=True)
class ClassNames:
    """Python names by full protobuf name; grows while names are claimed, and refuses a second claim.

    What would meet by itself is told apart by itself: a message or an enum by the messages around it or by its package,
    a class made of something else by a word. What the options say stands, and is refused where it meets something.
    """

    by_full_name: dict[str, str] = field(default_factory=dict)
    """The class of each message and enum."""
    stems: dict[str, str] = field(default_factory=dict)
    """What the functions of each message and enum are called, in snake case where that tells it from all others."""
    service_stems: dict[str, str] = field(default_factory=dict)
    """What the classes of each service begin with."""
    constants: dict[str, str] = field(default_factory=dict)
    """The constants of methods, by ``service.method``, and those of messages' codecs, by the message."""
    unions: dict[str, str] = field(default_factory=dict)
    """The union of each oneof, by ``message.oneof``."""
    choices: dict[str, str] = field(default_factory=dict)
    """The class of each choice of a oneof, by ``message.field``."""
    _claims: dict[str, tuple[str, Place]] = field(default_factory=dict)
    _faults: list[GenerationError] = field(default_factory=list)

    @staticmethod
    def of(schema: Schema, options: Options, places: Places) -> ClassNames:
        """Names everything in the schema.

        Raises:
            GenerationError: the options give names that cannot be; all of them are named.
        """
        names = ClassNames()
        maker = _WishMaker(schema, options, places)
        nodes: list[MessageNode | EnumNode] = [*schema.messages.values(), *schema.enums.values()]
        names.by_full_name |= {
            node.full_name: flatten(node.package, node.full_name) for node in nodes if is_in_runtime(node)
        }
        settled = names._settle([*maker.types(), *maker.services()])
        for key, found in settled.items():
            if key in schema.services:
                names.service_stems[key] = found[0].removesuffix("Client")
            else:
                names.by_full_name[key] = found[0]
        own = [node for node in schema.own_messages.values() if not is_in_runtime(node)]
        shared = [node for node in schema.messages.values() if is_in_runtime(node)]
        helpers = names._settle(list(maker.oneofs(own, names.by_full_name)))
        helpers |= {wish.key: wish.candidates[0] for wish in maker.oneofs(shared, names.by_full_name)}
        for key, found in helpers.items():
            kind, _, name = key.partition(" ")
            (names.unions if kind == "oneof" else names.choices)[name] = found[0]
        names._name_foreign(schema)
        names._name_functions(schema, maker)
        names._name_constants(schema)
        return names

    def claim(self, name: str, what: str, place: Place) -> str:
        """Takes a name of the package's that the options ask for; `check` tells whether all such names could be had."""
        if keyword.iskeyword(name) or not name.isidentifier():
            self._faults.append(
                GenerationError(f"{what} cannot be named {name} in Python: give it a 'name' in the options", place)
            )
        elif name in MESSAGE_MODULE_NAMES:
            self._faults.append(
                GenerationError(f"{what} cannot be named {name}, which the generated code needs: {_RENAME}", place)
            )
        elif name in self._claims:
            other, where = self._claims[name]
            self._faults.append(
                GenerationError(f"{what} and {other} ({where}) would both be named {name} in Python: {_RENAME}", place)
            )
        else:
            self._claims[name] = what, place
        return name

    def refuse(self, fault: GenerationError) -> None:
        """Notes a mistake, to be told together with all others of the kind."""
        self._faults.append(fault)

    def check(self) -> None:
        """Raises GenerationError for all names that could not be had."""
        if self._faults:
            raise GenerationError.of_all(list({str(fault): fault for fault in self._faults}.values()))

    def is_class(self, name: str) -> bool:
        """Whether some class has that name, here or where it is imported."""
        return name in self._claims

    def local(self, name: str) -> str:
        """What a class is called in the modules that import it; ask when every name is claimed."""
        local = name
        while local in IMPORTED_CLASSES or not local[:1].isupper() or (local != name and local in self._claims):
            local = f"{local[:1].upper()}{local[1:]}Message"
        return local

    def shared_local(self, name: str) -> str:
        """What a class of the runtime is called in the modules that import it; ask when every name is claimed."""
        while name in IMPORTED_CLASSES or name in self._claims:
            name = f"WellKnown{name}"
        return name

    def _settle(self, wishes: list[Wish]) -> dict[str, tuple[str, ...]]:
        fixed = [wish for wish in wishes if wish.rank == _FIXED]
        for wish in fixed:
            for name in wish.candidates[0]:
                self.claim(name, wish.what, wish.place)
        settled = settle([wish for wish in wishes if wish.rank != _FIXED], {*MESSAGE_MODULE_NAMES, *self._claims})
        for wish in wishes:
            for name in settled.get(wish.key, ()):
                self._claims[name] = wish.what, wish.place
        return {wish.key: settled.get(wish.key, wish.candidates[0]) for wish in wishes}

    def _name_foreign(self, schema: Schema) -> None:
        """Gives what other packages have the names that it gets here: its own, or that of its package with it.

        All names of this package are settled before, so that they do not depend on others.
        """
        nodes: dict[str, MessageNode | EnumNode] = {**schema.messages, **schema.enums}
        wishes: dict[str, list[Wish]] = {"": [], "unions": [], "choices": []}
        for full_name, home in schema.foreign.items():
            node = nodes[full_name]
            wishes[""].append(_foreign_wish(full_name, node, home))
            if isinstance(node, MessageNode):
                for index, oneof in enumerate(node.descriptor.oneof_decl):
                    positions = node.choices(index)
                    if positions:
                        wishes["unions"].append(_foreign_wish(f"{full_name}.{oneof.name}", node, home))
                    fields = (node.descriptor.field[position] for position in positions)
                    wishes["choices"] += [_foreign_wish(f"{full_name}.{field.name}", node, home) for field in fields]
        for kind, found in (("", self.by_full_name), ("unions", self.unions), ("choices", self.choices)):
            found |= {key: names[0] for key, names in self._settle(wishes[kind]).items()}

    def _name_functions(self, schema: Schema, maker: _WishMaker) -> None:
        """Gives every class a stem: its name in snake case, or else, where two share that, its name."""
        nodes: dict[str, MessageNode | EnumNode] = {**schema.messages, **schema.enums}
        names = {
            full_name: self.shared_local(name) if is_in_runtime(nodes[full_name]) else name
            for full_name, name in self.by_full_name.items()
        }
        snakes = {full_name: as_snake(name) for full_name, name in names.items()}
        often = Counter(snakes.values())
        scope = Scope({*CODEC_NAMES, *(f"_{self.local(self.by_full_name[name])}" for name in schema.messages)})
        for full_name, snake in snakes.items():
            name = names[full_name]
            layouts = maker.layouts(full_name) if full_name in schema.messages else None
            stem = snake if often[snake] == 1 and snake[:1].islower() else name
            while any(made in scope for made in _made_of(stem, layouts)):
                stem = name if stem == snake and name != snake else f"{stem}_"
            for made in _made_of(stem, layouts):
                scope.take(made)
            self.stems[full_name] = stem

    def _name_constants(self, schema: Schema) -> None:
        scope = Scope(IMPORTED_CLASSES)
        for full_name, stem in self.service_stems.items():
            for method in schema.services[full_name].descriptor.method:
                wished = f"{as_constant(stem)}_{as_constant(method.name)}"
                self.constants[f"{full_name}.{method.name}"] = scope.take(wished)
        for full_name in schema.messages:
            self.constants[full_name] = scope.take(f"{in_capitals(self.stems[full_name])}_CODEC")


def _made_of(stem: str, layouts: Mapping[str, Collection[str]] | None) -> Iterator[str]:
    """The names that the codecs make of a stem; those with a number behind them cannot meet others.

    `layouts` has the fields of each layout of a message that get a table, and is None for an enum.
    """
    if layouts is None:
        yield f"_{in_capitals(stem)}"
        return
    yield from (f"_read_{stem}", f"_write_{stem}", f"encode_{stem}", f"decode_{stem}")
    for layout, fields in layouts.items():
        yield from (f"encode_{stem}_{layout}", f"decode_{stem}_{layout}")
        yield from (f"_{in_capitals(f'{stem}_{layout}')}_{name.upper()}" for name in fields)


_FIXED: Final = (-1,)
"""The rank of a name that the options give."""


@dataclass(slots=True)
class _WishMaker:
    """Says what everything would be called, by itself and by the options."""

    schema: Schema
    options: Options
    places: Places
    _messages: dict[str, str] = field(init=False)
    _enums: dict[str, str] = field(init=False)
    _services: dict[str, str] = field(init=False)
    _home: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        schema, options, places = self.schema, self.options, self.places
        self._messages = resolve(options.messages, schema.own_messages, schema, places, "messages", "message")
        self._enums = resolve(options.enums, schema.own_enums, schema, places, "enums", "enum")
        self._services = resolve(options.services, schema.services, schema, places, "services", "service")
        self._home = frozenset(source.descriptor.package for source in schema.sources if source.is_listed)

    def layouts(self, full_name: str) -> dict[str, Collection[str]]:
        """The stems of a message's layouts, and the fields of each that have variants."""
        return {as_snake(name): layout.variants for name, layout in self._options_of(full_name).layouts.items()}

    def types(self) -> Iterator[Wish]:
        """The classes of messages and enums."""
        for name, message in self.schema.own_messages.items():
            if not is_in_runtime(message):
                key = self._messages.get(name)
                yield self._type(message, self.options.messages[key].name if key is not None else None)
        for name, enum in self.schema.own_enums.items():
            if not is_in_runtime(enum):
                key = self._enums.get(name)
                yield self._type(enum, self.options.enums[key].name if key is not None else None)

    def services(self) -> Iterator[Wish]:
        """The classes of clients and services, by a common stem."""
        for full_name, node in self.schema.services.items():
            key = self._services.get(full_name)
            wished = self.options.services[key].name if key is not None else None
            stem = camel(node.descriptor.name)
            stems = [wished] if wished is not None else [stem, f"{camel(node.package)}{stem}"]
            candidates = [(f"{each}Client", f"{each}Service", f"{each}BlockingClient") for each in dict.fromkeys(stems)]
            rank = _FIXED if wished is not None else (1, self._distance(node), 0, 0)
            yield Wish(full_name, f"the classes of {full_name}", node.place, rank, candidates)

    def oneofs(self, nodes: Iterable[MessageNode], classes: Mapping[str, str]) -> Iterator[Wish]:
        """The unions of oneofs and the classes of their choices; `classes` has those of messages."""
        for node in nodes:
            full_name = node.full_name
            own, distance = self._options_of(full_name), self._distance(node)
            for index, oneof in enumerate(node.descriptor.oneof_decl):
                positions = node.choices(index)
                if not positions:
                    continue
                base = f"{classes[full_name]}{_capitalized(oneof.name)}"
                option = own.oneofs.get(oneof.name)
                name = f"{full_name}.{oneof.name}"
                wished = option.union if option is not None else None
                yield _helper(
                    f"oneof {name}", node.source.place((*node.path, 8, index)), 2, distance, wished, base, "Oneof"
                )
                for position in positions:
                    proto = node.descriptor.field[position]
                    choice = own.choices.get(proto.name)
                    yield _helper(
                        f"choice {full_name}.{proto.name}",
                        node.field_place(position),
                        3,
                        distance,
                        choice.name if choice is not None else None,
                        f"{base}{_capitalized(proto.name)}",
                        "Choice",
                    )

    def _options_of(self, full_name: str) -> MessageOptions:
        key = self._messages.get(full_name)
        return self.options.messages[key] if key is not None else MessageOptions()

    def _type(self, node: MessageNode | EnumNode, wished: str | None) -> Wish:
        if wished is not None:
            return Wish(node.full_name, node.full_name, node.place, _FIXED, [(wished,)])
        flat, apart = flatten(node.package, node.full_name), keep_apart(node.package, node.full_name)
        package = camel(node.package) if node.package else ""
        candidates = dict.fromkeys((flat, apart, f"{package}{flat}", f"{package}_{apart}"))
        depth = node.local_name.count(".")
        rank = (0, self._distance(node), depth, int(flat != node.descriptor.name))
        return Wish(node.full_name, node.full_name, node.place, rank, [(as_class(name),) for name in candidates])

    def _distance(self, node: MessageNode | EnumNode | ServiceNode) -> int:
        """How far from the files that the options name: of their packages, or another one, or protobuf's own."""
        return 0 if node.package in self._home else 2 if node.source.is_well_known else 1


def _foreign_wish(key: str, node: MessageNode | EnumNode, home: Names) -> Wish:
    name = home.class_of(key, node.place)
    return Wish(key, key, node.place, (9, 0, 0, 0), [(name,), (f"{camel(node.package)}{name}",)])


def _helper(key: str, place: Place, kind: int, distance: int, wished: str | None, base: str, word: str) -> Wish:
    if wished is not None:
        return Wish(key, f"the {key}", place, _FIXED, [(wished,)])
    return Wish(key, f"the {key}", place, (kind, distance, 0, 0), [(base,), (f"{base}{word}",)])


def _capitalized(name: str) -> str:
    return "".join(part.capitalize() for part in as_snake(name).split("_"))


def resolve(
    section: Mapping[str, object],
    nodes: Mapping[str, object],
    schema: Schema,
    places: Places,
    key: str,
    what: str,
) -> dict[str, str]:
    """The option key of each full name that has one. A key is a full name, or one without its package.

    Raises:
        GenerationError: a key that names nothing.
    """
    packages = list(dict.fromkeys(source.descriptor.package for source in schema.sources))
    found: dict[str, str] = {}
    for name in section:
        candidates = [name, *(f"{package}.{name}" for package in packages if package)]
        match = next((candidate for candidate in candidates if candidate in nodes), None)
        if match is None:
            valid = [_local(full_name, packages) for full_name in nodes]
            raise GenerationError(f"{key}: no {what} is named {name!r}: {nearest(name, valid)}", places(key, name))
        if match in found:
            raise GenerationError(
                f"{key}: {name!r} and {found[match]!r} are the same {what}: keep one", places(key, name)
            )
        found[match] = name
    return found


def _local(full_name: str, packages: Collection[str]) -> str:
    fitting = [package for package in packages if package and full_name.startswith(f"{package}.")]
    return full_name[len(max(fitting, key=len)) + 1 :] if fitting else full_name
