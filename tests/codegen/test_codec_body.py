"""The text of codec bodies: each kind of value, each cardinality around each kind, and whole functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from eventflux_codegen.codec_field import read_field, write_field
from eventflux_codegen.codec_function import layout_functions, native_functions
from eventflux_codegen.kind import KINDS, read_value, value_words, write_value
from eventflux_codegen.model import Cardinality, ClosedEnum, Layout, ValueKind, Variant
from tests.support.model import enum, field, message, plain, scalar, text, whole, wrapped
from tests.support.workspace import CONFIG, Workspace

PLAIN: Final = (ValueKind.STRUCT, ValueKind.LIST_VALUE, ValueKind.VALUE)
VALUES: Final = {
    **{kind.value: scalar(kind) for kind in ValueKind if kind not in (ValueKind.ENUM, ValueKind.MESSAGE, *PLAIN)},
    **{kind.value: plain(kind) for kind in PLAIN},
    "wrapped": wrapped(),
    "enum": enum(dense_members=3),
    "enum with gaps": enum(dense_members=0),
    "message": message("Point"),
    "message in itself": message("Tree", is_recursive=True),
}

ALIKE: Final = {
    **dict.fromkeys(("sint32", "sfixed32", "wrapped"), "i32"),
    **dict.fromkeys(("sint64", "sfixed64"), "i64"),
    "fixed32": "u32",
    "fixed64": "u64",
}
"""The kinds that bincode has other kinds' layout for."""

WRITTEN: Final = {
    "str": ["text = x.encode()", "write_i64_le(writer, len(text))", "writer.write(text)"],
    "bytes": ["_write_bytes(writer, x)"],
    "bool": ["_write_bool(writer, x)"],
    "i32": ["write_i32_le(writer, x)"],
    "u32": ["_write_u32(writer, x)"],
    "i64": ["write_i64_le(writer, x)"],
    "u64": ["_write_u64(writer, x)"],
    "f32": ["write_f32_le(writer, x)"],
    "f64": ["write_f64_le(writer, x)"],
    "enum": ["_write_enum(writer, x)"],
    "enum with gaps": ["_write_enum(writer, x)"],
    "message": ["if not isinstance(x, Point_):", "    raise TypeError", "encode_point(x, writer)"],
    "struct": ["write_struct(x, writer, depth + 1)"],
    "list value": ["write_list_value(x, writer, depth + 1)"],
    "value": ["write_value(x, writer, depth + 1)"],
    "message in itself": ["if not isinstance(x, Tree_):", "    raise TypeError", "_write_tree(x, writer, depth + 1)"],
}
WRITTEN.update({name: WRITTEN[other] for name, other in ALIKE.items()})

READ: Final = {
    "str": [
        "begin = pos + 8",
        "pos = begin + read_i64_le(data, pos)",
        "x = (",
        "    data[begin:pos].decode()",
        "    if pos > begin and limit >= pos",
        '    else ""',
        "    if pos == begin",
        "    else bad_length(field, begin, pos, limit)",
        ")",
    ],
    "bytes": [
        "begin = pos + 8",
        "pos = begin + read_i64_le(data, pos)",
        "if pos < begin or pos > limit:",
        "    raise overlong(field, begin - 8, pos - begin, limit - begin)",
        "x = data[begin:pos]",
    ],
    "bool": ["flag = data[pos]", "if flag > 1:", "    raise bad_flag(field, pos, flag)", "pos += 1", "x = flag == 1"],
    "i32": ["x = read_i32_le(data, pos)", "pos += 4"],
    "u32": ["x = _read_u32(data, pos)", "pos += 4"],
    "i64": ["x = read_i64_le(data, pos)", "pos += 8"],
    "u64": ["x = _read_u64(data, pos)", "pos += 8"],
    "f32": ["x = read_f32_le(data, pos)", "pos += 4"],
    "f64": ["x = read_f64_le(data, pos)", "pos += 8"],
    "enum": [
        "number = read_i32_le(data, pos)",
        "pos += 4",
        "x = _COLOR[number] if 0 <= number < 3 else Color(number)",
    ],
    "enum with gaps": [
        "number = read_i32_le(data, pos)",
        "pos += 4",
        "x = _COLOR[number] if number in _COLOR else Color(number)",
    ],
    "message": ["x, pos = _read_point(data, pos)"],
    "message in itself": ["x, pos = _read_tree(data, pos, depth + 1)"],
    "struct": ["x, pos = read_struct(data, pos, depth + 1)"],
    "list value": ["x, pos = read_list_value(data, pos, depth + 1)"],
    "value": ["x, pos = read_value(data, pos, depth + 1)"],
}
READ.update({name: READ[other] for name, other in ALIKE.items()})

LEAST: Final = {"str": 8, "bytes": 8, "bool": 1, "i32": 4, "u32": 4, "f32": 4, "enum": 4, "enum with gaps": 4} | {
    "i64": 8,
    "u64": 8,
    "f64": 8,
    "message": 3,
    "message in itself": 3,
    "struct": 8,
    "list value": 8,
    "value": 1,
}
LEAST.update({name: LEAST[other] for name, other in ALIKE.items()})
EACH: Final = pytest.mark.parametrize("name", VALUES)


def test_there_is_a_row_and_an_example_for_each_kind() -> None:
    assert set(KINDS) == set(ValueKind) == {value.kind for value in VALUES.values()}
    assert WRITTEN.keys() == READ.keys() == LEAST.keys() == VALUES.keys()


@EACH
def test_a_value_is_written_and_read(name: str) -> None:
    value = VALUES[name]
    assert write_value(value, "x") == WRITTEN[name]
    assert read_value(value, "x") == READ[name]
    assert value.min_bytes == LEAST[name]


def test_a_value_in_words() -> None:
    assert value_words(VALUES["u32"]) == "an int from 0 to 4294967295"
    assert value_words(VALUES["enum"]) == "Color or an int from -2147483648 to 2147483647"
    assert value_words(VALUES["message"]) == "Point"


def written(name: str, expression: str, indentation: int) -> str:
    lines = [line.replace("(x", f"({expression}").replace(" x", f" {expression}") for line in WRITTEN[name]]
    return f"\n{' ' * indentation}".join(lines)


def read(name: str, target: str, indentation: int) -> str:
    lines = [f"{target}{line[1:]}" if line.startswith("x") else line for line in READ[name]]
    return f"\n{' ' * indentation}".join(lines)


def is_message(name: str) -> bool:
    return VALUES[name].kind in (ValueKind.MESSAGE, *PLAIN)


@EACH
def test_a_single_field(name: str) -> None:
    own = field(Cardinality.SINGLE, VALUES[name])
    if name == "str":
        expected = f'field = "M.f"\nf_: str = values[2]\n{written(name, "f_", 0)}'
    else:
        expected = f'field = "M.f"\n{written(name, "values[2]", 0)}'
    assert "\n".join(write_field(own)) == expected
    assert "\n".join(read_field(own)) == f'field = "M.f"\n{read(name, "f_", 0)}'


@EACH
def test_an_optional_field(name: str) -> None:
    local = VALUES[name].local
    own = field(Cardinality.OPTIONAL, VALUES[name])
    assert (
        "\n".join(write_field(own))
        == f"""\
field = "M.f"
f_: {"object" if is_message(name) else f"{local} | None"} = values[2]
if f_ is {"UNSET" if name == "value" else "None"}:
    writer.append(0)
else:
    writer.append(1)
    {written(name, "f_", 4)}"""
    )
    assert (
        "\n".join(read_field(own))
        == f"""\
field = "M.f"
flag = data[pos]
if flag > 1:
    raise bad_flag(field, pos, flag)
pos += 1
f_: {"Any = UNSET" if name == "value" else f"{local} | None = None"}
if flag == 1:
    {read(name, "f_", 4)}"""
    )


@EACH
def test_a_repeated_field(name: str) -> None:
    local = VALUES[name].local
    own = field(Cardinality.REPEATED, VALUES[name])
    assert (
        "\n".join(write_field(own))
        == f"""\
field = "M.f"
f_: object = values[2]
if not isinstance(f_, list):
    raise TypeError
write_i64_le(writer, len(f_))
item4: {"object" if is_message(name) else local}
for item4 in f_:
    {written(name, "item4", 4)}"""
    )
    assert (
        "\n".join(read_field(own))
        == f"""\
field = "M.f"
count = read_i64_le(data, pos)
pos += 8
if not 0 <= count <= (limit - pos) // {LEAST[name]}:
    raise overlong(field, pos - 8, count, (limit - pos) // {LEAST[name]})
f_: list[{local}] = []
for _ in range(count):
    {read(name, "item4", 4)}
    f_.append(item4)"""
    )


def test_elements_without_bytes_are_counted() -> None:
    own = field(Cardinality.REPEATED, message("Nothing", min_bytes=0))
    assert (
        "\n".join(write_field(own))
        == """\
field = "M.f"
f_: object = values[2]
if not isinstance(f_, list):
    raise TypeError
if len(f_) > _MAX_EMPTY:
    raise too_many_empty(field, _MAX_EMPTY, len(f_))
write_i64_le(writer, len(f_))
item4: object
for item4 in f_:
    if not isinstance(item4, Nothing_):
        raise TypeError
    encode_nothing(item4, writer)"""
    )
    assert (
        "\n".join(read_field(own))
        == """\
field = "M.f"
count = read_i64_le(data, pos)
pos += 8
if not 0 <= count <= _MAX_EMPTY:
    raise too_many_empty(field, _MAX_EMPTY, count, pos - 8)
f_: list[Nothing_] = []
for _ in range(count):
    item4, pos = _read_nothing(data, pos)
    f_.append(item4)"""
    )


@pytest.mark.parametrize("key", ["str", "bool", "i32", "u32", "i64", "u64"])
@EACH
def test_a_map(key: str, name: str) -> None:
    local = VALUES[name].local
    own = field(Cardinality.MAP, VALUES[name], key=VALUES[key])
    assert (
        "\n".join(write_field(own))
        == f"""\
field = "M.f"
f_: object = values[2]
if not isinstance(f_, dict):
    raise TypeError
write_i64_le(writer, len(f_))
key4: {VALUES[key].local}
item4: {"object" if is_message(name) else local}
for key4, item4 in f_.items():
    {written(key, "key4", 4)}
    {written(name, "item4", 4).replace("depth + 1", "depth + 2")}"""
    )
    room = LEAST[key] + LEAST[name]
    assert (
        "\n".join(read_field(own))
        == f"""\
field = "M.f"
count = read_i64_le(data, pos)
pos += 8
if not 0 <= count <= (limit - pos) // {room}:
    raise overlong(field, pos - 8, count, (limit - pos) // {room})
f_: dict[{VALUES[key].local}, {local}] = {{}}
for _ in range(count):
    {read(key, "key4", 4)}
    {read(name, "item4", 4).replace("depth + 1", "depth + 2")}
    f_[key4] = item4"""
    )


def test_an_entry_of_a_map_is_a_level() -> None:
    own = field(Cardinality.MAP, VALUES["i32"], key=VALUES["i32"])
    assert write_field(own, "M")[4:6] == [
        "if f_ and depth == _MAX_DEPTH:",
        '    raise too_deep("M", _MAX_DEPTH, -1)',
    ]
    assert read_field(own, "M")[5:7] == [
        "if count and depth == _MAX_DEPTH:",
        '    raise too_deep("M", _MAX_DEPTH, pos - 8)',
    ]


def choice(name: str, index: int) -> Variant:
    class_name = f"MF{index}"
    return Variant(class_name, class_name, f"f{index}", index + 1, index, VALUES[name], str(index + 6), ())


@EACH
def test_a_oneof(name: str) -> None:
    own = field(Cardinality.ONEOF, None, variants=(choice("i32", 0), choice(name, 1)), union="MF", union_local="MF")
    if is_message(name):
        taken = f"item7: object = f_.value\n    {written(name, 'item7', 4)}"
    elif name == "wrapped":
        taken = f"item7: int = f_.value\n    {written(name, 'item7', 4)}"
    else:
        taken = written(name, "f_.value", 4)
    assert (
        "\n".join(write_field(own))
        == f"""\
field = "M.f"
f_: object = values[2]
if f_ is None:
    writer.append(0)
elif isinstance(f_, MF0):
    writer.append(1)
    write_i32_le(writer, 0)
    write_i32_le(writer, f_.value)
elif isinstance(f_, MF1):
    writer.append(1)
    write_i32_le(writer, 1)
    {taken}
else:
    raise TypeError"""
    )
    assert (
        "\n".join(read_field(own))
        == f"""\
field = "M.f"
flag = data[pos]
if flag > 1:
    raise bad_flag(field, pos, flag)
pos += 1
f_: MF | None = None
if flag == 1:
    number = read_i32_le(data, pos)
    pos += 4
    if number == 0:
        item6 = read_i32_le(data, pos)
        pos += 4
        f_ = MF0(item6)
    elif number == 1:
        {read(name, "item7", 8)}
        f_ = MF1(item7)
    else:
        raise bad_variant(field, pos - 4, number, 2)"""
    )


def test_the_functions_of_a_message() -> None:
    own = whole(field(Cardinality.SINGLE, VALUES["i32"]))
    assert (
        text(native_functions(own))
        == '''\
def encode_m(message: M, writer: BytesWriter) -> None:
    """Appends a M in the native layout. Raises CodecError."""
    if type(message) is not _M:
        message = require(message, _M)
    field = ""
    try:
        values = _astuple(message)
        field = "M.f"
        write_i32_le(writer, values[2])
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, field, EXPECTS) from None

def decode_m(data: bytes, start: int, end: int) -> M:
    """The M in ``data[start:end]``, native layout. Raises CodecError."""
    if start != 0 or end != len(data):
        data = data[start:end]
    pos: i64 = 0
    limit: i64 = len(data)
    field = ""
    try:
        field = "M.f"
        f_ = read_i32_le(data, pos)
        pos += 4
    except (IndexError, UnicodeDecodeError) as error:
        raise malformed(field, pos, limit, error) from None
    if pos != limit:
        raise trailing("M", pos, limit)
    return _M(f=f_)'''
    )


def test_the_functions_of_a_message_in_itself() -> None:
    tree = message("Tree", is_recursive=True)
    own = whole(field(Cardinality.OPTIONAL, tree), is_recursive=True, is_embedded=True)
    assert (
        text(native_functions(own))
        == '''\
def encode_m(message: M, writer: BytesWriter) -> None:
    """Appends a M in the native layout. Raises CodecError."""
    _write_m(message, writer, 0)

def _write_m(message: M, writer: BytesWriter, depth: i64) -> None:
    if depth > _MAX_DEPTH:
        raise too_deep("M", _MAX_DEPTH, -1)
    if type(message) is not _M:
        message = require(message, _M)
    field = ""
    try:
        values = _astuple(message)
        field = "M.f"
        f_: object = values[2]
        if f_ is None:
            writer.append(0)
        else:
            writer.append(1)
            if not isinstance(f_, Tree_):
                raise TypeError
            _write_tree(f_, writer, depth + 1)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, field, EXPECTS) from None

def decode_m(data: bytes, start: int, end: int) -> M:
    """The M in ``data[start:end]``, native layout. Raises CodecError."""
    if start != 0 or end != len(data):
        data = data[start:end]
    message, pos = _read_m(data, 0, 0)
    if pos != len(data):
        raise trailing("M", pos, len(data))
    return message

def _read_m(data: bytes, pos: i64, depth: i64) -> tuple[M, i64]:
    if depth > _MAX_DEPTH:
        raise too_deep("M", _MAX_DEPTH, pos)
    limit: i64 = len(data)
    field = ""
    try:
        field = "M.f"
        flag = data[pos]
        if flag > 1:
            raise bad_flag(field, pos, flag)
        pos += 1
        f_: Tree_ | None = None
        if flag == 1:
            f_, pos = _read_tree(data, pos, depth + 1)
    except (IndexError, UnicodeDecodeError) as error:
        raise malformed(field, pos, limit, error) from None
    return _M(f=f_), pos'''
    )


def test_the_functions_of_a_message_without_fields() -> None:
    assert (
        text(native_functions(whole(is_embedded=True)))
        == '''\
def encode_m(message: M, writer: BytesWriter) -> None:
    """Appends a M in the native layout. Raises CodecError."""
    if type(message) is not _M:
        message = require(message, _M)

def decode_m(data: bytes, start: int, end: int) -> M:
    """The M in ``data[start:end]``, native layout. Raises CodecError."""
    if start != 0 or end != len(data):
        data = data[start:end]
    message, pos = _read_m(data, 0)
    if pos != len(data):
        raise trailing("M", pos, len(data))
    return message

def _read_m(data: bytes, pos: i64) -> tuple[M, i64]:
    return _M(), pos'''
    )


def test_the_functions_of_a_named_layout() -> None:
    closed = field(Cardinality.SINGLE, VALUES["enum"])
    deep = field(Cardinality.OPTIONAL, VALUES["message in itself"], name="g", path="M.g", index=3, slot="5")
    lacked = [
        field(Cardinality.SINGLE, VALUES["i32"], name="h", path="M.h", index=0),
        field(Cardinality.OPTIONAL, VALUES["i32"], name="i", path="M.i", index=1),
    ]
    members = {"f": ClosedEnum(VALUES["enum"], ("RED", "BLUE"))}
    layout = Layout("short", "short", (closed, deep), tuple(lacked), members)
    assert (
        text(layout_functions(whole(*lacked, closed, deep, is_recursive=True), layout))
        == '''\
_M_SHORT_F: Final = (Color.RED, Color.BLUE, )

def encode_m_short(message: M, writer: BytesWriter) -> None:
    """Appends a M in the layout short. Raises CodecError."""
    depth: i64 = 0
    if type(message) is not _M:
        message = require(message, _M)
    field = ""
    try:
        values = _astuple(message)
        if values[0]:
            raise lacking(message, "M.h", "short")
        if values[1] is not None:
            raise lacking(message, "M.i", "short")
        field = "M.f"
        f_: Color = values[2]
        if f_ not in _M_SHORT_F:
            raise no_variant(message, field, "short")
        write_i32_le(writer, _M_SHORT_F.index(f_))
        field = "M.g"
        g_: object = values[3]
        if g_ is None:
            writer.append(0)
        else:
            writer.append(1)
            if not isinstance(g_, Tree_):
                raise TypeError
            _write_tree(g_, writer, depth + 1)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, field, EXPECTS) from None

def decode_m_short(data: bytes, start: int, end: int) -> M:
    """The M in ``data[start:end]``, layout short. Raises CodecError."""
    if start != 0 or end != len(data):
        data = data[start:end]
    pos: i64 = 0
    depth: i64 = 0
    limit: i64 = len(data)
    field = ""
    try:
        field = "M.f"
        number = read_i32_le(data, pos)
        if not 0 <= number < 2:
            raise bad_variant(field, pos, number, 2)
        pos += 4
        f_ = _M_SHORT_F[number]
        field = "M.g"
        flag = data[pos]
        if flag > 1:
            raise bad_flag(field, pos, flag)
        pos += 1
        g_: Tree_ | None = None
        if flag == 1:
            g_, pos = _read_tree(data, pos, depth + 1)
    except (IndexError, UnicodeDecodeError) as error:
        raise malformed(field, pos, limit, error) from None
    if pos != limit:
        raise trailing("M", pos, limit)
    return _M(f=f_, g=g_)'''
    )


def test_a_layout_with_messages_that_can_nest(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        config=CONFIG + "messages:\n  Tree:\n    layouts:\n      short: {fields: [left, label]}\n",
        proto='syntax = "proto3";\nmessage Tree { string label = 1; Tree left = 2; repeated Tree more = 3; }\n',
    )
    workspace.generate()
    program = (
        "from sample import Tree\n"
        "tree = Tree(label='a', left=Tree(label='b', more=[Tree(label='c')]))\n"
        "print(Tree.from_wire(tree.to_wire('short'), 'short') == tree)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
