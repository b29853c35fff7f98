"""The text of protobuf codec bodies: each kind of value, each cardinality, the order of fields, and whole functions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Cardinality, Field, Value, ValueKind, Variant
from eventflux_codegen.protobuf_form import Wire
from eventflux_codegen.protobuf_function import protobuf_functions
from eventflux_codegen.protobuf_read import choose_function, reader_of, scan
from eventflux_codegen.protobuf_write import write_fields, write_set
from tests.support.model import enum, field, message, plain, scalar, text, whole, wrapped
from tests.support.workspace import CONFIG, PROTO, Workspace

INT32: Final = scalar(ValueKind.I32)
STR: Final = scalar(ValueKind.STR)
TREE: Final = message("Tree", is_recursive=True)

SCALARS: Final[dict[ValueKind, tuple[str, str, str]]] = {
    ValueKind.BOOL: ("bool_bits", "writer.append(bits4)", "number != 0"),
    ValueKind.I32: ("int32_bits", "write_varint(writer, bits4)", "(number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000"),
    ValueKind.SINT32: ("sint32_bits", "write_varint(writer, bits4)", "unzigzag(number & 0xFFFFFFFF)"),
    ValueKind.U32: ("uint32_bits", "write_varint(writer, bits4)", "number & 0xFFFFFFFF"),
    ValueKind.I64: ("int64_bits", "write_varint(writer, bits4)", "number"),
    ValueKind.SINT64: ("sint64_bits", "write_varint(writer, bits4)", "unzigzag(number)"),
    ValueKind.U64: ("uint64_bits", "write_varint(writer, bits4)", "uint64_of(number)"),
    ValueKind.FIXED32: ("uint32_bits", "write_fixed32(writer, bits4)", "fixed32_at(data, begin)"),
    ValueKind.SFIXED32: ("int32_bits", "write_fixed32(writer, bits4)", "read_i32_le(data, begin)"),
    ValueKind.FIXED64: ("uint64_bits", "write_fixed64(writer, bits4)", "fixed64_at(data, begin)"),
    ValueKind.SFIXED64: ("int64_bits", "write_fixed64(writer, bits4)", "read_i64_le(data, begin)"),
    ValueKind.F32: ("", "write_f32_le(writer, bits4)", "read_f32_le(data, begin)"),
    ValueKind.F64: ("", "write_f64_le(writer, bits4)", "read_f64_le(data, begin)"),
    ValueKind.BYTES: ("block_of", "write_block(writer, bits4)", "data[begin:pos]"),
    ValueKind.STR: ("", "write_block(writer, bits4)", "data[begin:pos].decode()"),
}
"""What makes the bits of a value, writes them, and reads one."""

WIRES: Final = {
    Wire.VARINT: {"bool", "i32", "sint32", "u32", "i64", "sint64", "u64", "enum"},
    Wire.I32: {"fixed32", "sfixed32", "f32"},
    Wire.I64: {"fixed64", "sfixed64", "f64"},
    Wire.LEN: {"str", "bytes", "message", "struct", "list value", "value"},
}


def lines(*texts: str) -> list[str]:
    return [line for each in texts for line in each.strip("\n").split("\n")]


def read(own: Field) -> list[tuple[int, Wire, list[str]]]:
    return reader_of(own, "m").records


def test_each_kind_has_the_wire_type_of_the_specification() -> None:
    assert {kind.value: row.protobuf.wire for kind, row in KINDS.items()} == {
        name: wire for wire, names in WIRES.items() for name in names
    }


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: kind.value)
def test_a_value_is_written_unless_it_is_the_default_and_read(kind: ValueKind) -> None:
    function, put, expression = SCALARS[kind]
    value, tag = scalar(kind), 1 << 3 | KINDS[kind].protobuf.wire
    written = [f"    writer.append(0x{tag:02X})", f"    {put}"]
    match kind:
        case ValueKind.STR:
            expected = ['if x != "":', "    bits4 = x.encode()", *written]
        case ValueKind.BYTES:
            expected = ["bits4 = block_of(x)", "if len(bits4) != 0:", *written]
        case ValueKind.F32 | ValueKind.F64:
            expected = ["bits4: float = x", "if not is_zero(bits4):", *written]
        case _:
            expected = [f"bits4 = {function}(x)", "if bits4:", *written]
    assert write_set(value, 1, "x", "4", "writer") == expected
    assert read(field(Cardinality.SINGLE, value)) == [(1, KINDS[kind].protobuf.wire, [f"f_ = {expression}"])]


@pytest.mark.parametrize(("dense", "is_member"), [(3, "0 <= number < 3"), (0, "number in _COLOR")])
def test_an_enum_is_read_by_the_table_of_its_members(dense: int, is_member: str) -> None:
    expected = f"f_ = _COLOR[number] if {is_member} else Color(signed32(number))"
    own = field(Cardinality.SINGLE, enum(dense))
    assert reader_of(own, "m").before == ["f_: Color = _COLOR[0]"]
    assert read(own) == [(1, Wire.VARINT, [expected])]


def test_a_text_is_held_in_a_variable_of_its_type() -> None:
    assert write_fields(whole(field(Cardinality.SINGLE, STR))) == lines(
        """
field = "M.f"
f_: str = values[2]
if f_ != "":
    bits4 = f_.encode()
    writer.append(0x0A)
    write_block(writer, bits4)
"""
    )


def test_an_optional_value_is_written_even_if_it_is_the_default() -> None:
    own = field(Cardinality.OPTIONAL, INT32)
    assert write_fields(whole(own)) == lines(
        """
field = "M.f"
f_: int | None = values[2]
if f_ is not None:
    bits4 = int32_bits(f_)
    writer.append(0x08)
    write_varint(writer, bits4)
"""
    )
    assert reader_of(own, "m").before == ["f_: int | None = None"]


def test_a_message_is_written_once_its_size_is_known_and_read_behind_all_records() -> None:
    own = field(Cardinality.OPTIONAL, message("Point"))
    assert write_fields(whole(own)) == lines(
        """
field = "M.f"
f_: object = values[2]
if f_ is not None:
    if not isinstance(f_, Point_):
        raise TypeError
    part = BytesWriter()
    encode_point_protobuf(f_, part)
    bits4 = part.getvalue()
    writer.append(0x0A)
    write_block(writer, bits4)
"""
    )
    reader = reader_of(own, "m")
    assert reader.before == ["begin4: i64 = -1", "end4: i64 = 0"]
    assert reader.records == [
        (
            1,
            Wire.LEN,
            lines(
                """
if begin4 >= 0:
    repeats = repeated(repeats, tag, data, begin4, end4, depth + 1)
begin4 = begin
end4 = pos
"""
            ),
        )
    ]
    assert reader.behind == lines(
        """
f_: Point_ | None = None
if begin4 >= 0:
    if repeats is None:
        f_ = _read_point(data, begin4, end4, depth + 1)
    else:
        f_ = repeats.read(_read_point, 0x0A, data, begin4, end4, depth + 1)
"""
    )


def test_a_list_of_numbers_is_one_record_and_read_in_either_form() -> None:
    own = field(Cardinality.REPEATED, INT32, number=16, is_packed=True)
    assert write_fields(whole(own)) == lines(
        r"""
field = "M.f"
f_: object = values[2]
if not isinstance(f_, list):
    raise TypeError
if f_:
    part = BytesWriter()
    item4: int
    for item4 in f_:
        bits4 = int32_bits(item4)
        write_varint(part, bits4)
    writer.write(b"\x82\x01")
    write_block(writer, part.getvalue())
"""
    )
    single, packed = read(own)
    append = "f_.append((number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000)"
    assert single == (16, Wire.VARINT, [append])
    assert packed == (
        16,
        Wire.LEN,
        lines(
            f"""
at = begin
while at < pos:
    number = data[at]
    at += 1
    if number >= 0x80:
        number, at = long_varint(data, at - 1)
    {append}
if at != pos:
    raise ValueError("its length is not that of its elements")
"""
        ),
    )


def test_a_packed_list_of_a_fixed_width() -> None:
    _, packed = read(field(Cardinality.REPEATED, scalar(ValueKind.F64)))
    assert packed[2][1:4] == ["while at < pos:", "    f_.append(read_f64_le(data, at))", "    at += 8"]


@pytest.mark.parametrize("value", [STR, INT32], ids=["never packed", "not packed by wish"])
def test_a_list_of_several_records(value: Value) -> None:
    own = field(Cardinality.REPEATED, value)
    written = write_fields(whole(own))
    assert written[4:6] == [f"item4: {value.local}", "for item4 in f_:"]
    assert written[-2] == f"    writer.append(0x{8 | KINDS[value.kind].protobuf.wire:02X})"
    assert len(read(own)) == (2 if value is INT32 else 1)


def test_a_list_of_messages_is_read_as_it_comes() -> None:
    own = field(Cardinality.REPEATED, TREE)
    assert read(own) == [(1, Wire.LEN, ["f_.append(_read_tree(data, begin, pos, depth + 1))"])]


def test_a_map_is_written_entry_by_entry_with_sizes_known_before() -> None:
    own = field(Cardinality.MAP, TREE, key=INT32)
    assert write_fields(whole(own, is_recursive=True)) == lines(
        """
field = "M.f"
f_: object = values[2]
if not isinstance(f_, dict):
    raise TypeError
if f_ and depth == _MAX_DEPTH:
    raise too_deep("M", _MAX_DEPTH, -1)
key4: int
item4: object
for key4, item4 in f_.items():
    key4_bits = int32_bits(key4)
    if not isinstance(item4, Tree_):
        raise TypeError
    part = BytesWriter()
    _write_tree(item4, part, depth + 2)
    item4_bits = part.getvalue()
    writer.append(0x0A)
    write_varint(writer, varint_size(key4_bits) + block_size(item4_bits) + 2)
    writer.append(0x08)
    write_varint(writer, key4_bits)
    writer.append(0x12)
    write_block(writer, item4_bits)
"""
    )
    assert read(own) == [
        (
            1,
            Wire.LEN,
            [
                "entry = _enter_m_1(f_, data, begin, pos, depth + 1)",
                "if entry:",
                "    unknown = keep_entry(unknown, tag, entry)",
            ],
        )
    ]


def test_a_map_of_scalars_in_a_message_that_is_never_within_itself_has_no_limit() -> None:
    assert "_MAX_DEPTH" not in "\n".join(write_fields(whole(field(Cardinality.MAP, STR, key=STR))))


def choice(number: int, value: Value) -> Variant:
    return Variant(f"MF{number}", f"MF{number}", f"f{number}", number, 0, value, str(number), ())


def oneof(*variants: Variant) -> Field:
    return field(Cardinality.ONEOF, None, number=0, variants=variants, union="MF", union_local="MF")


def test_a_oneof_of_scalars() -> None:
    own = oneof(choice(1, INT32), choice(2, STR))
    assert write_fields(whole(own)) == lines(
        """
field = "M.f"
f_: object = values[2]
if f_ is not None:
    if isinstance(f_, MF1):
        bits1 = int32_bits(f_.value)
        writer.append(0x08)
        write_varint(writer, bits1)
    elif isinstance(f_, MF2):
        bits2 = f_.value.encode()
        writer.append(0x12)
        write_block(writer, bits2)
    else:
        raise TypeError
"""
    )
    assert reader_of(own, "m").before == ["f_: MF | None = None"]
    assert read(own)[1] == (2, Wire.LEN, ["f_ = MF2(data[begin:pos].decode())"])
    assert choose_function(own, "m") == []


def test_choices_stand_among_other_fields_by_their_numbers() -> None:
    own = oneof(choice(1, INT32), choice(9, INT32))
    between = field(Cardinality.SINGLE, INT32, name="g", path="M.g", number=5, index=3, slot="5")
    assert write_fields(whole(between, own)) == lines(
        """
field = "M.f"
f_: object = values[2]
if f_ is not None:
    if isinstance(f_, MF1):
        bits1 = int32_bits(f_.value)
        writer.append(0x08)
        write_varint(writer, bits1)
    elif not isinstance(f_, (MF9,)):
        raise TypeError
field = "M.g"
bits5 = int32_bits(values[3])
if bits5:
    writer.append(0x28)
    write_varint(writer, bits5)
field = "M.f"
if f_ is not None:
    if isinstance(f_, MF9):
        bits9 = int32_bits(f_.value)
        writer.append(0x48)
        write_varint(writer, bits9)
"""
    )


def test_a_oneof_of_messages_is_read_when_its_last_part_has_come() -> None:
    own = oneof(choice(1, TREE), choice(2, INT32), choice(3, message("Point")))
    reader = reader_of(own, "m")
    chosen = "_choose_m_4(choice4, data, begin4, end4, depth + 1, repeats)"
    assert reader.records[0][2] == [
        "if choice4 == tag:",
        "    repeats = repeated(repeats, tag, data, begin4, end4, depth + 1)",
        "elif choice4 != 0:",
        f"    {chosen}",
        "choice4 = tag",
        "begin4 = begin",
        "end4 = pos",
    ]
    assert reader.records[1][2] == [
        "if choice4 != 0:",
        f"    {chosen}",
        "    choice4 = 0",
        "f_ = MF2((number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000)",
    ]
    assert reader.behind == ["if choice4 != 0:", f"    f_ = {chosen}"]
    assert choose_function(own, "m") == lines(
        """
def _choose_m_4(tag: i64, data: bytes, begin: i64, end: i64, depth: i64, repeats: Repeats | None) -> MF:
    if tag == 0x0A:
        if repeats is None:
            item1 = _read_tree(data, begin, end, depth)
        else:
            item1 = repeats.read(_read_tree, 0x0A, data, begin, end, depth)
        return MF1(item1)
    if repeats is None:
        item3 = _read_point(data, begin, end, depth)
    else:
        item3 = repeats.read(_read_point, 0x1A, data, begin, end, depth)
    return MF3(item3)
"""
    )


def test_records_are_told_apart_by_wire_type_first() -> None:
    own = [
        field(Cardinality.SINGLE, INT32),
        field(Cardinality.SINGLE, STR, number=2),
        field(Cardinality.SINGLE, scalar(ValueKind.F32), number=3),
    ]
    assert scan([reader_of(each, "m") for each in own], '"M"') == lines(
        """
while pos < limit:
    record = pos
    tag = data[pos]
    pos += 1
    if tag >= 0x80:
        tag, pos = long_tag(data, record)
    kind = tag & 7
    if kind == 2:
        size = data[pos]
        pos += 1
        if size >= 0x80:
            size, pos = long_size(data, pos - 1)
        begin = pos
        pos += size
        if pos > limit:
            raise overrun("M", record, size, limit - begin)
        if tag == 0x12:
            f_ = data[begin:pos].decode()
        else:
            unknown = keep(unknown, data, record, pos, tag)
    elif kind == 0:
        number = data[pos]
        pos += 1
        if number >= 0x80:
            number, pos = long_varint(data, pos - 1)
        if tag == 0x08:
            f_ = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        else:
            unknown = keep(unknown, data, record, pos, tag)
    elif kind == 5:
        begin = pos
        pos += 4
        if tag == 0x1D:
            f_ = read_f32_le(data, begin)
        else:
            unknown = keep(unknown, data, record, pos, tag)
    else:
        pos = skip_value(data, pos, limit, tag, depth)
        unknown = keep(unknown, data, record, pos, tag)
if pos != limit:
    raise IndexError
"""
    )


def test_the_functions_of_a_message() -> None:
    assert (
        text(protobuf_functions(whole(field(Cardinality.SINGLE, INT32, index=0))))
        == '''\
def encode_m_protobuf(message: M, writer: BytesWriter) -> None:
    """Appends a M in protobuf's encoding. Raises CodecError."""
    if type(message) is not _M:
        message = require(message, _M)
    field = ""
    try:
        values = _astuple(message)
        field = "M.f"
        bits4 = int32_bits(values[0])
        if bits4:
            writer.append(0x08)
            write_varint(writer, bits4)
        if message.__has_unknown_fields__:
            writer.write(message.unknown_fields)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, field, EXPECTS) from None

def decode_m_protobuf(data: bytes, start: int, end: int) -> M:
    """The M in ``data[start:end]``, protobuf's encoding. Raises CodecError."""
    if start != 0 or end != len(data):
        data = data[start:end]
    pos: i64 = 0
    limit: i64 = len(data)
    depth: i64 = 0
    f_: i64 = 0
    unknown: BytesWriter | None = None
    record: i64 = pos
    tag: i64 = 0
    kind: i64
    number: i64
    try:
        while pos < limit:
            record = pos
            tag = data[pos]
            pos += 1
            if tag >= 0x80:
                tag, pos = long_tag(data, record)
            kind = tag & 7
            if kind == 0:
                number = data[pos]
                pos += 1
                if number >= 0x80:
                    number, pos = long_varint(data, pos - 1)
                if tag == 0x08:
                    f_ = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
                else:
                    unknown = keep(unknown, data, record, pos, tag)
            else:
                pos = skip_value(data, pos, limit, tag, depth)
                unknown = keep(unknown, data, record, pos, tag)
        if pos != limit:
            raise IndexError
    except (IndexError, ValueError) as error:
        raise bad_record(path_of(FIELDS["M"], "M", tag), record, pos, limit, error) from None
    message = _M(f=f_)
    if unknown is not None:
        message.unknown_fields = unknown.getvalue()
    return message'''
    )


def test_a_message_in_itself_counts_how_deep_it_is() -> None:
    own = whole(field(Cardinality.OPTIONAL, TREE, index=0), is_recursive=True, is_embedded=True)
    functions = {lines[0].partition("(")[0]: lines for lines in protobuf_functions(own)}
    assert list(functions) == ["def encode_m_protobuf", "def _write_m", "def decode_m_protobuf", "def _read_m"]
    assert functions["def encode_m_protobuf"][-1] == "    _write_m(message, writer, 0)"
    assert functions["def _write_m"][1:3] == [
        "    if depth > _MAX_DEPTH:",
        '        raise too_deep("M", _MAX_DEPTH, -1)',
    ]
    assert functions["def decode_m_protobuf"][-1] == "    return _read_m(data, 0, len(data), 0)"
    assert functions["def _read_m"][1:3] == [
        "    if depth > _MAX_DEPTH:",
        '        raise too_deep("M", _MAX_DEPTH, pos)',
    ]
    assert "    repeats: Repeats | None = None" in functions["def _read_m"]


def test_a_message_without_fields_keeps_every_record() -> None:
    encode, decode = protobuf_functions(whole())
    assert "            writer.write(message.unknown_fields)" in encode
    assert "            unknown = keep_any(unknown, data, record, pos)" in decode
    assert "        values = _astuple(message)" not in encode


def test_an_entry_with_unknown_fields_is_kept_in_the_order_of_its_fields() -> None:
    own = whole(field(Cardinality.MAP, message("Point"), key=STR))
    (enter,) = [lines for lines in protobuf_functions(own) if lines[0].startswith("def _enter")]
    assert enter[0] == (
        "def _enter_m_1(entries: dict[str, Point_], data: bytes, pos: i64, limit: i64, depth: i64) -> bytes:"
    )
    assert enter[enter.index("    if unknown is not None:") :] == lines(
        """
    if unknown is not None:
        entry = BytesWriter()
        if key_ != "":
            bits1 = key_.encode()
            entry.append(0x0A)
            write_block(entry, bits1)
        if item_ is not None:
            part = BytesWriter()
            encode_point_protobuf(item_, part)
            bits2 = part.getvalue()
            entry.append(0x12)
            write_block(entry, bits2)
        entry.write(unknown.getvalue())
        return entry.getvalue()
    entries[key_] = item_ if item_ is not None else Point_()
    return b""
"""
    )


@pytest.mark.parametrize(
    ("declared", "is_packed"),
    [
        ("repeated int32 z = 7;", True),
        ("repeated int32 z = 7 [packed = true];", True),
        ("repeated int32 z = 7 [packed = false];", False),
        ("repeated string z = 7;", False),
        ("int32 z = 7;", False),
    ],
)
def test_a_list_is_packed_unless_the_idl_says_otherwise(tmp_path: Path, declared: str, is_packed: bool) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG, proto=PROTO.replace("int32 y = 2;", f"int32 y = 2;\n  {declared}"))
    messages = {each.name: each for each in workspace.facts()[2].messages}
    (own,) = [each for each in messages["Point"].fields if each.name == "z"]
    assert own.is_packed is is_packed


def test_what_is_a_plain_value_is_a_message_on_the_wire() -> None:
    assert write_fields(whole(field(Cardinality.OPTIONAL, wrapped()))) == [
        'field = "M.f"',
        "f_: int | None = values[2]",
        "if f_ is not None:",
        "    part = BytesWriter()",
        "    write_int32_value_protobuf(f_, part)",
        "    bits4 = part.getvalue()",
        "    writer.append(0x0A)",
        "    write_block(writer, bits4)",
    ]
    assert read(field(Cardinality.REPEATED, wrapped())) == [
        (1, Wire.LEN, ["f_.append(read_int32_value_protobuf(data, begin, pos, depth + 1))"])
    ]
    assert write_fields(whole(field(Cardinality.OPTIONAL, plain(ValueKind.VALUE))))[1:3] == [
        "f_: object = values[2]",
        "if f_ is not UNSET:",
    ]
    own = reader_of(field(Cardinality.OPTIONAL, plain(ValueKind.VALUE)), "m")
    assert own.behind[0] == "f_: Any = UNSET"
    assert "        f_ = read_value_protobuf(data, begin4, end4, depth + 1)" in own.behind


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        (plain(ValueKind.STRUCT), "{}"),
        (plain(ValueKind.LIST_VALUE), "[]"),
        (plain(ValueKind.VALUE), "None"),
        (wrapped(), "0"),
        (message("Point"), "Point_()"),
    ],
)
def test_an_entry_without_a_value_has_an_empty_one(value: Value, empty: str) -> None:
    own = whole(field(Cardinality.MAP, value, key=STR))
    assert f"item_ if item_ is not {value.absent} else {empty}" in text(protobuf_functions(own))
