"""Methods whose messages travel in protobuf's encoding on the native wire, too.

The native layout has no bytes for a message without fields, so a list of such messages would be believed whatever
length it claims, and is bounded for that reason. Protobuf's encoding needs no such bound. So that every wire carries
the same, calls with such lists are never made in the native layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from eventflux_codegen.model import Cardinality, Message

__all__ = ["with_bounded_lists"]


def with_bounded_lists(messages: Mapping[str, Message]) -> frozenset[str]:
    """The messages that have, or can contain, a list of messages without fields."""
    holders: dict[str, list[str]] = {}
    pending: list[str] = []
    for name, message in messages.items():
        for inner in _submessages(message):
            holders.setdefault(inner, []).append(name)
        if _has_bounded_list(message):
            pending.append(name)
    return _reached(pending, holders)


def _submessages(message: Message) -> Iterator[str]:
    for field in message.fields:
        for value in (field.value, *(variant.value for variant in field.variants)):
            if value is not None and value.is_message:
                yield value.full_name


def _has_bounded_list(message: Message) -> bool:
    return any(
        field.cardinality is Cardinality.REPEATED and field.value is not None and field.value.min_bytes == 0
        for field in message.fields
    )


def _reached(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    pending = list(start)
    seen = set(pending)
    while pending:
        for name in edges.get(pending.pop(), ()):
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return frozenset(seen)
