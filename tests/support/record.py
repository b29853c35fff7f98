"""Hypothesis strategies for the records of protobuf's encoding: well-formed, odd, and broken ones."""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

__all__ = ["encoded_messages", "length_prefixed", "mutated", "varint"]

_MAX_NESTING: Final = 3
_NUMBERS: Final = st.sampled_from([1, 2, 3, 15, 16, 100, 2**29 - 1])
_WIRE_TYPES: Final = st.sampled_from([0, 1, 2, 2, 3, 5])
_VALUES: Final = st.one_of(
    st.integers(0, 300), st.integers(0, 2**64 - 1), st.sampled_from([2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
)
_PACKED: Final = {
    0: st.lists(_VALUES, max_size=3).map(lambda values: b"".join(map(varint, values))),
    1: st.integers(0, 3).flatmap(lambda count: st.binary(min_size=8 * count, max_size=8 * count)),
    5: st.integers(0, 3).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count)),
}
_VARINT_TYPES: Final = {
    FieldDescriptor.TYPE_BOOL,
    FieldDescriptor.TYPE_ENUM,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
}
_I64_TYPES: Final = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64}
_LEN_TYPES: Final = {FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING}


def varint(value: int, padding: int = 0) -> bytes:
    """A varint, with so many bytes more than it needs."""
    data = bytearray()
    while value > 0x7F or padding:
        data.append(value & 0x7F | 0x80)
        padding -= value <= 0x7F
        value >>= 7
    data.append(value)
    return bytes(data)


def length_prefixed(data: bytes, padding: int = 0) -> bytes:
    """Bytes behind their length."""
    return varint(len(data), padding) + data


def encoded_messages(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """Records that are nearly always a message of that descriptor, though not one that protobuf would write so."""
    return _records(descriptor, 0)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes, with some of them changed, cut off, put in or taken out."""
    return st.lists(st.tuples(st.integers(0, 3), st.integers(0, len(data)), st.binary(min_size=1, max_size=3))).map(
        lambda changes: _changed(data, changes)
    )


def _changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for kind, place, new in changes[:3]:
        behind = place if kind == 1 else place + len(new)
        rest = b"" if kind == 3 else data[behind:]
        data = data[:place] + (b"" if kind in (2, 3) else new) + rest
    return data


def _records(descriptor: Descriptor | None, nesting: int) -> st.SearchStrategy[bytes]:
    return st.lists(_record(descriptor, nesting), max_size=6 if nesting == 0 else 3).map(b"".join)


def _record(descriptor: Descriptor | None, nesting: int) -> st.SearchStrategy[bytes]:
    odd = st.tuples(_NUMBERS, _WIRE_TYPES).flatmap(lambda pair: _of(pair[0], pair[1], None, nesting))
    if descriptor is None or not descriptor.fields:
        return odd
    known = st.sampled_from(list(descriptor.fields)).flatmap(lambda field: _known(field, nesting))
    return st.one_of(known, known, known, known, odd)


def _known(field: FieldDescriptor, nesting: int) -> st.SearchStrategy[bytes]:
    wire = _wire_type(field)
    usual = _of(field.number, wire, field, nesting)
    choices = [usual, usual, usual, _WIRE_TYPES.flatmap(lambda other: _of(field.number, other, None, nesting))]
    if field.is_repeated and wire != 2:
        packed = _PACKED[wire].map(lambda data: varint(field.number << 3 | 2) + length_prefixed(data))
        choices += [packed, packed]
    return st.one_of(choices)


def _wire_type(field: FieldDescriptor) -> int:
    if field.type in _LEN_TYPES:
        return 2
    return 0 if field.type in _VARINT_TYPES else 1 if field.type in _I64_TYPES else 5


def _of(number: int, wire: int, field: FieldDescriptor | None, nesting: int) -> st.SearchStrategy[bytes]:
    padding = st.sampled_from([0, 0, 0, 0, 1, 3])
    tag = padding.map(lambda more: varint(number << 3 | wire, more))
    return st.tuples(tag, _payload(number, wire, field, nesting)).map(b"".join)


def _payload(number: int, wire: int, field: FieldDescriptor | None, nesting: int) -> st.SearchStrategy[bytes]:
    match wire:
        case 0:
            return st.tuples(_VALUES, st.sampled_from([0, 0, 0, 1, 2])).map(lambda pair: varint(*pair))
        case 1:
            return st.binary(min_size=8, max_size=8)
        case 5:
            return st.binary(min_size=4, max_size=4)
        case 3:
            inner = st.just(b"") if nesting >= _MAX_NESTING else _records(None, nesting + 1)
            return inner.map(lambda data: data + varint(number << 3 | 4))
        case _:
            return _block(field, nesting).map(length_prefixed)


def _block(field: FieldDescriptor | None, nesting: int) -> st.SearchStrategy[bytes]:
    if field is None or field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=5)
    if field.message_type is None:
        return st.one_of(st.text(max_size=5).map(str.encode), st.binary(max_size=3))
    message_type = field.message_type
    if nesting >= _MAX_NESTING:
        return st.just(b"")
    return st.deferred(lambda: _records(message_type, nesting + 1))
