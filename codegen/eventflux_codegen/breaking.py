"""Finds the changes that break peers: what changed, who is hit by it on which wire, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from eventflux_codegen.consequence import Reading, Shape, read_as
from eventflux_codegen.error import Place
from eventflux_codegen.schema import EnumNode, MessageNode, Schema

__all__ = ["Change", "Facts", "find_changes", "json_name_of"]

Facts: TypeAlias = dict[str, dict[str, dict[str, Any]]]
"""Sections (messages, enums, methods, layouts, errors), then full names, then what is known of each."""

_CALLS: Final = "on native and gRPC"
"""The wires of calls. Where messages differ, native calls carry protobuf as gRPC does."""
_DATA: Final = "in protobuf"
"""The same for messages that no method carries."""
_JSON: Final = "in JSON"
_CATCHING: Final = "old clients that catch it, on every wire: they see another error, or the plain one of its status"
_BOTH: Final = "old clients and old servers"


@dataclass(frozen=True, slots=True)
class Change:
    """One change that breaks peers."""

    text: str
    """What changed, and from what to what."""
    broken: str
    """Who breaks, on which wire, and how that shows."""
    advice: str
    """How to come by the same without breaking anybody."""
    place: Place | None = None
    """The line of the IDL, where there still is one."""

    def __str__(self) -> str:
        return f"{self.text}, which breaks {self.broken}; {self.advice}"


@dataclass(frozen=True, slots=True)
class _Use:
    """Whether a message travels to servers, and back from them."""

    in_requests: bool
    in_responses: bool

    def peers(self, forth: bool, back: bool) -> str:
        """Who is hit if what old peers send is misread (`forth`), or what new ones send (`back`)."""
        clients = (forth and self.in_requests) or (back and self.in_responses)
        servers = (back and self.in_requests) or (forth and self.in_responses)
        hit = [name for name, is_hit in (("old clients", clients), ("old servers", servers)) if is_hit]
        return " and ".join(hit) or "whoever exchanges it as data"

    @property
    def wires(self) -> str:
        """Where it travels in protobuf's encoding."""
        return _CALLS if self.in_requests or self.in_responses else _DATA


def find_changes(old: Facts, new: Facts, schema: Schema) -> Iterator[Change]:
    """The changes that break peers which know the old facts; the new ones are those of `schema`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the old facts are not what the lock has them to be.
    """
    uses = _uses(old, new)
    yield from _gone(old, new)
    for name, fields in _in_both(old, new, "messages"):
        changes = _Fields(old, new, schema.messages[name], uses[name])
        yield from changes.between(fields, new["messages"][name])
    for name, numbers in _in_both(old, new, "enums"):
        yield from _enum_changes(numbers, new["enums"][name], schema.enums[name])
    for name, method in _in_both(old, new, "methods"):
        place = schema.services[name.split("/")[1]].place
        yield from _method_changes(name, method, new["methods"][name], place)
    for name, layout in _in_both(old, new, "layouts"):
        yield from _layout_changes(name, layout, new["layouts"][name])
    for name, error in _in_both(old, new, "errors"):
        yield from _error_changes(name, error, new["errors"][name])


def json_name_of(name: str) -> str:
    """The name that a field has in JSON unless the IDL gives it one, as protoc makes it."""
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _in_both(old: Facts, new: Facts, section: str) -> Iterator[tuple[str, Any]]:
    for name, known in old.get(section, {}).items():
        if name in new[section]:
            yield name, known


def _gone(old: Facts, new: Facts) -> Iterator[Change]:
    told = {
        "messages": ("message", "whoever finds one in an Any or keeps some", "keep it until nobody uses it"),
        "enums": ("enum", f"{_BOTH} {_JSON}, where its names are refused", "keep it until nobody uses it"),
        "methods": (
            "method",
            "old clients on every wire: their calls fail with UNIMPLEMENTED",
            "mark it deprecated, and keep it until no client calls it",
        ),
        "errors": ("error", _CATCHING, "keep it until no client catches it"),
        "layouts": ("layout", "old clients and old servers that speak it", "keep it until nobody speaks it"),
    }
    for section, (what, broken, advice) in told.items():
        for name in old.get(section, {}):
            if name not in new[section]:
                yield Change(f"{what} {name} is gone", broken, advice)


@dataclass(frozen=True, slots=True)
class _Fields:
    """Compares the fields of one message."""

    old: Facts
    new: Facts
    node: MessageNode
    use: _Use

    def between(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
        places = {
            str(field.number): self.node.field_place(index) for index, field in enumerate(self.node.descriptor.field)
        }
        for number, field in old.items():
            if number not in new:
                yield from self._gone(number, field["name"], new)
                continue
            yield from self._named(number, field, new[number], places[number])
            if field["type"] != new[number]["type"]:
                yield from self._typed(number, field, new[number]["type"], places[number])

    def _gone(self, number: str, name: str, new: Mapping[str, Any]) -> Iterator[Change]:
        if any(part.start <= int(number) < part.end for part in self.node.descriptor.reserved_range):
            return
        elsewhere = next((other for other, field in new.items() if field["name"] == name), None)
        wires, json = self.use.wires, "its name is refused" if elsewhere is None else "nothing changes"
        advice = f'write reserved {number}; reserved "{name}"; in its place'
        yield Change(
            f"field {number} ({name}) of {self.node.full_name} is gone and not reserved",
            f"{self.use.peers(True, True)}: {wires} its value is not seen, and a later field {number} would be read as "
            f"it; {_JSON} {json}",
            advice if elsewhere is None else f"give {name} its number {number} again",
            self.node.place,
        )

    def _named(self, number: str, old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[Change]:
        before, after = _json_name(old), _json_name(new)
        if before == after:
            return
        if old["name"] != new["name"]:
            text = f"field {number} of {self.node.full_name} was named {old['name']} and is named {new['name']}"
        else:
            name = f"field {number} ({old['name']}) of {self.node.full_name}"
            text = f"{name} had the JSON name {before} and has {after}"
        yield Change(
            text,
            f"{self.use.peers(True, True)} {_JSON}: either name is refused as unknown by who knows the other "
            f"({self.use.wires} nothing changes)",
            f'keep the name there by [json_name = "{before}"]',
            place,
        )

    def _typed(self, number: str, old: Mapping[str, Any], after: str, place: Place) -> Iterator[Change]:
        was, now = Shape.of(old["type"], self._is_enum), Shape.of(after, self._is_enum)
        forth, back = read_as(was, now), read_as(now, was)
        if forth.is_right and back.is_right:
            return
        yield Change(
            f"field {number} ({old['name']}) of {self.node.full_name} was {old['type']} and is {after}",
            f"{self.use.peers(not forth.is_right, not back.is_right)}: {_told(self.use.wires, forth, back)}",
            "add a field with another number, and keep this one until nobody uses it",
            place,
        )

    def _is_enum(self, name: str) -> bool:
        return name in self.old.get("enums", {}) or name in self.new["enums"] or name == "google.protobuf.NullValue"


def _told(wires: str, forth: Reading, back: Reading) -> str:
    """What happens on each wire; `forth` is what old peers send, `back` what new ones do."""
    sentences = []
    for wire, ours, theirs in ((wires, forth.protobuf, back.protobuf), (_JSON, forth.json, back.json)):
        parts = []
        if ours and ours == theirs:
            parts.append(f"what either sends {ours}")
        else:
            parts += [f"what old peers send {ours}"] if ours else []
            parts += [f"what new peers send {theirs}"] if theirs else []
        if parts:
            sentences.append(f"{wire} {' and '.join(parts)}")
    return "; ".join(sentences)


def _json_name(field: Mapping[str, Any]) -> str:
    return str(field.get("json_name") or json_name_of(field["name"]))


def _enum_changes(old: Mapping[str, Any], new: Mapping[str, Any], node: EnumNode) -> Iterator[Change]:
    for number, names in old.items():
        if number not in new:
            if not any(part.start <= int(number) <= part.end for part in node.descriptor.reserved_range):
                yield Change(
                    f"value {number} ({names[0]}) of {node.full_name} is gone and not reserved",
                    f"{_BOTH}: {_CALLS} it is a number without a name, and a later value {number} would be read as it; "
                    f"{_JSON} {names[0]} is refused",
                    f'write reserved {number}; reserved "{names[0]}"; in its place',
                    node.place,
                )
            continue
        lost = [name for name in names if name not in new[number]]
        if lost or names[0] != new[number][0]:
            was, now = (lost or names)[0], new[number][0]
            yield Change(
                f"value {number} of {node.full_name} was named {was} and is named {now}",
                f"{_BOTH} {_JSON}: {now} is refused by who knows {was} alone ({_CALLS} nothing changes)",
                f"keep {names[0]} as its first name, and add others behind it under option allow_alias",
                node.place,
            )


def _method_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[Change]:
    advice = "add a method of another name, and keep this one until no client calls it"
    if old["kind"] != new["kind"]:
        yield Change(
            f"method {name} had kind {old['kind']} and has {new['kind']}",
            f"{_BOTH} {_CALLS}: calls fail where one side sends more or fewer messages than the other expects",
            advice,
            place,
        )
    for key, reader in (("request", "servers"), ("response", "clients")):
        if old[key] != new[key]:
            yield Change(
                f"method {name} had {key} {old[key]} and has {new[key]}",
                f"{_BOTH} on native, gRPC and {_JSON}: {reader} read the one as the other, which is right only where "
                "both have the same fields",
                advice,
                place,
            )


def _error_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    advice = "leave it, and add an error of another name"
    for key in ("code", "domain"):
        if old[key] != new[key]:
            yield Change(f"error {name} had the {key} {old[key]} and has {new[key]}", _CATCHING, advice)
    for field, known in old["fields"].items():
        if field not in new["fields"]:
            yield Change(f"field {field} of error {name} is gone", _CATCHING, advice)
        elif known != new["fields"][field]:
            yield Change(f"field {field} of error {name} was {known} and is {new['fields'][field]}", _CATCHING, advice)


def _layout_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    broken = f"{_BOTH} that speak it: it has no numbers, so the one reads what the other did not write"
    advice = "leave it, and add a layout of another name"
    if old["fields"] != new["fields"]:
        before, after = ", ".join(old["fields"]), ", ".join(new["fields"])
        yield Change(f"layout {name} carried {before} and carries {after}", broken, advice)
    for field, members in old["variants"].items():
        after = new["variants"].get(field, [])
        if members != after[: len(members)]:
            known = f"had the variants {', '.join(members)} of {field} and has {', '.join(after)}"
            yield Change(f"layout {name} {known}", broken, "add variants behind the others alone")


def _uses(old: Facts, new: Facts) -> dict[str, _Use]:
    """How each message travels, with the messages around it, by the facts of either time."""
    requests: set[str] = set()
    responses: set[str] = set()
    for facts in (old, new):
        for method in facts.get("methods", {}).values():
            _reach(facts, method["request"], requests)
            _reach(facts, method["response"], responses)
    return {name: _Use(name in requests, name in responses) for name in (*old["messages"], *new["messages"])}


def _reach(facts: Facts, name: str, reached: set[str]) -> None:
    pending = [name]
    while pending:
        current = pending.pop()
        if current in reached or current not in facts["messages"]:
            continue
        reached.add(current)
        pending.extend(Shape.of(field["type"], lambda _: False).type for field in facts["messages"][current].values())
