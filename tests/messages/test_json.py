"""Proto3's JSON mapping beside protobuf's own: the same text, the same refusals, the same values."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventflux_runtime import CodecError, well_known
from eventflux_transport import EventFilter, EventRequest, MessageType, TransportMessage
from kitchen_package import (
    Carried,
    Color,
    Json,
    JsonKindAValue,
    JsonKindText,
    Maps,
    Named,
    NamedWhichFirstOne,
    Nothing,
    Nothings,
    NothingsChoiceNothing,
    Numbers,
    Point,
    Scalars,
    Shape,
    ShapeKindRadius,
    Tree,
    WellKnown,
    Wrapped,
    WrappedChoiceNothing,
    WrappedChoiceText,
)
from tests.support.catalogue import message_classes
from tests.support.protobuf_object import has_one_order, object_of, quieted
from tests.support.strategy import messages_of

KINDS = pytest.mark.parametrize("kind", message_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FEW = settings(max_examples=6, suppress_health_check=SLOW, deadline=None, phases=set(Phase) - {Phase.explain})
MANY = settings(max_examples=10, suppress_health_check=SLOW, deadline=None, phases=set(Phase) - {Phase.explain})


ACCIDENTS = (
    "has no attribute 'null_value'",
    "Assignment not allowed to map, or repeated field",
    "Failed to parse nulls field: null is not allowed to be used as an element in a repeated field",
    "Failed to parse nulls field: int() argument must be a string",
)
"""What protobuf fails with for null where a list of values is; null is the absence of any other list.

And for null in lists and maps of nulls, which is what it writes itself.
"""
GREATEST = "3.4028235e+38"
"""What protobuf writes for the greatest float of 32 bits, and does not read."""


CUT_ENUM = re.compile(r"expected an integer from -2147483648 to 2147483647; found '?-?\d{10,}")
"""Numbers of enums beyond 32 bits, whose upper bits protobuf drops, if the lower ones look right."""


def text_of(proto: Any) -> str | None:
    """Protobuf's own JSON of an object; None where it has none."""
    try:
        return json_format.MessageToJson(proto, indent=None, ensure_ascii=False)
    except Exception:  # noqa: BLE001 - json_format lets out whatever it meets
        return None


def assert_read_alike(kind: type[Any], text: str, *, ignoring: bool) -> None:
    """Both refuse a text, or both read the same."""
    if GREATEST in text:
        return
    theirs = type(kind().to_proto())()
    try:
        json_format.Parse(text, theirs, ignore_unknown_fields=ignoring)
    except json_format.ParseError as error:
        if any(accident in str(error) for accident in ACCIDENTS):
            return
        with pytest.raises(CodecError) as caught:
            kind.from_json(text, ignore_unknown_fields=ignoring)
        assert caught.value.field.startswith(kind.__name__)
        return
    try:
        ours = kind.from_json(text, ignore_unknown_fields=ignoring)
    except CodecError as error:
        if ignoring and "expected an object; found" in str(error):
            return  # protobuf takes the letters of a text, and the texts of a list, for names that it does not know
        if CUT_ENUM.search(str(error)):
            return
        raise
    assert quieted(ours.to_proto()) == quieted(theirs)


@KINDS
@FEW
@given(data=st.data())
def test_a_message_has_the_json_that_protobuf_gives_it(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    expected = text_of(object_of(message))
    if expected is None:
        with pytest.raises(CodecError) as caught:
            message.to_json()
        assert caught.value.field.startswith(kind.__name__)
        return
    text = message.to_json()
    assert json.loads(text) == json.loads(expected)
    if has_one_order(message):
        assert text == expected
    assert_read_alike(kind, text, ignoring=False)
    assert_read_alike(kind, text, ignoring=True)


SCALARS = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 7, 2**31, 2**32, -(2**31), 2**63, 2**64, 1.5, 1.0, -0.0, 1e10, 1e-7, 0.1,
        "", "1", "-1", "1.0", "1.5", "1e2", " 1", "1 ", "+1", "1_0", "0x1", "x", "true", "false", "null", "NaN", "nan",
        "Infinity", "-Infinity", "inf", "AQI=", "AQI", "A", "-_-_", "+/+/", "a b!", "COLOR_RED", "COLOR_CRIMSON", "RED",
        "2020-01-31T12:34:56Z", "2020-01-31T12:34:56.5+01:30", "2020-1-1T1:1:1.123456789-00:00", "2020-01-31",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "2020-01-31T12:34:56z",
        "3s", "-3.5s", "3", "1.1234567891s", "-0.5s", ".5s", "315576000001s", "a.b,cD", "a_b", "A", "é", "\ud800",
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["", "1", "true", "a", "value", "fields", "@type", "seconds"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)
TYPES = st.sampled_from(
    [
        {"@type": "type.googleapis.com/kitchen.shared.Point", "x": 1},
        {"@type": "kitchen.shared.Point", "y": "2.5"},
        {"@type": "a/b/google.protobuf.Duration", "value": "3s"},
        {"@type": "type.googleapis.com/google.protobuf.Duration"},
        {"@type": "type.googleapis.com/google.protobuf.Empty"},
        {"@type": "type.googleapis.com/google.protobuf.Value", "value": None},
        {"@type": "type.googleapis.com/google.protobuf.Any", "value": {"@type": "x/kitchen.shared.Point"}},
        {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "s"},
        {"@type": "type.googleapis.com/nobody.Knows", "value": 1},
    ]
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The same JSON with one part of it replaced, taken out, put in or renamed."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 3)):
        name = data.draw(st.sampled_from(sorted(value)))
        changed = dict(value)
        match data.draw(st.integers(0, 5)):
            case 0:
                del changed[name]
            case 1:
                changed[data.draw(st.sampled_from(["nonsense", name.upper(), "1", "true"]))] = changed[name]
            case _:
                changed[name] = mutated(value[name], data)
        return changed
    if isinstance(value, list) and value and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], mutated(value[index], data), *value[index + 1 :]]
    return data.draw(ANYTHING | TYPES)


@KINDS
@MANY
@given(data=st.data())
def test_mutated_json_is_read_as_protobuf_reads_it(kind: type[Any], data: st.DataObject) -> None:
    text = text_of(object_of(data.draw(messages_of(kind))))
    value = mutated(json.loads(text) if text else {}, data)
    assert_read_alike(kind, json.dumps(value), ignoring=data.draw(st.booleans()))


@KINDS
@FEW
@given(data=st.data())
def test_a_field_of_anything_is_read_as_protobuf_reads_it(kind: type[Any], data: st.DataObject) -> None:
    fields = [name for field in kind().to_proto().DESCRIPTOR.fields for name in (field.name, field.json_name)]
    name = data.draw(st.sampled_from(fields or ["x"]))
    value = data.draw(ANYTHING | TYPES | st.lists(TYPES, max_size=1))
    assert_read_alike(kind, json.dumps({name: value}), ignoring=data.draw(st.booleans()))


@FEW
@given(data=st.text(max_size=20) | st.binary(max_size=20))
def test_any_text_is_a_message_or_a_codec_error(data: str | bytes) -> None:
    try:
        EventFilter.from_json(data)
    except CodecError as error:
        name, _, _ = error.field.partition(".")
        assert name == "EventFilter"


def test_names_are_read_in_both_forms_and_written_in_one() -> None:
    message = Named(some_name="a", odd__name_="b", fieldName3=1, which=NamedWhichFirstOne("c"), class_=Named())
    text = '{"another_name": "a", "oddName": "b", "fieldName3": 1, "1st": "c", "class": {}}'
    assert message.to_json() == text
    assert (
        Named.from_json('{"some_name": "a", "odd__name_": "b", "fieldName3": 1, "first_one": "c", "class": {}}')
        == message
    )
    assert Named.from_json(text) == message
    with pytest.raises(CodecError, match="^Named: the field 'some_name' stands here under two names$"):
        Named.from_json('{"some_name": "a", "another_name": "a"}')


def test_enums_have_the_names_of_the_idl_or_numbers() -> None:
    message = EventFilter(message_types=[MessageType.EVENT, MessageType(99), MessageType.UNSPECIFIED])
    assert message.to_json() == '{"messageTypes": ["MESSAGE_TYPE_EVENT", 99, "MESSAGE_TYPE_UNSPECIFIED"]}'
    assert EventFilter.from_json('{"messageTypes": ["MESSAGE_TYPE_EVENT", 99, 0]}') == message
    assert Scalars.from_json('{"maybeColor": "COLOR_CRIMSON"}').to_json() == '{"maybeColor": "COLOR_RED"}'
    unknown = '{"messageTypes": ["MESSAGE_TYPE_EVENT", "MESSAGE_TYPE_NEW"], "streamNames": ["a"]}'
    with pytest.raises(
        CodecError, match=r"^EventFilter.message_types\[1\]: expected a name or number of MessageType; "
    ):
        EventFilter.from_json(unknown)
    kept = EventFilter.from_json(unknown, ignore_unknown_fields=True)
    assert kept == EventFilter(message_types=[MessageType.EVENT], stream_names=["a"])
    assert Scalars.from_json('{"maybeColor": "NEW"}', ignore_unknown_fields=True).maybe_color is None
    with pytest.raises(CodecError, match="^Scalars.maybe_color: expected a str that UTF-8 can encode"):
        Scalars.from_json('{"maybeColor": "\\ud800"}', ignore_unknown_fields=True)
    with pytest.raises(CodecError, match=r"^Numbers.known_versions\['x'\]: expected an integer"):
        Numbers.from_json('{"knownVersions": {"x": "NEW"}}', ignore_unknown_fields=True)


def test_null_is_absence_but_for_values_of_json() -> None:
    assert Json.from_json('{"array": null, "values": null, "text": null, "null": null}') == Json()
    assert Json.from_json('{"values": [null], "named": {"a": null}, "aValue": null}') == Json(
        values=[None], named={"a": None}, kind=JsonKindAValue(None)
    )
    assert Json.from_json('{"aValue": null, "text": "x"}') == Json(kind=JsonKindText("x"))
    assert Json.from_json('{"text": "x", "anObject": null}') == Json(kind=JsonKindText("x"))
    assert Wrapped.from_json('{"nothing": null}') == Wrapped(
        choice=WrappedChoiceNothing(well_known.NullValue.NULL_VALUE)
    )
    assert Wrapped.from_json('{"text": null, "aString": null}') == Wrapped()
    assert WellKnown.from_json('{"value": null}').value is None
    with pytest.raises(CodecError, match=r"^Shape.kind: 'radius' and 'svg' are choices of one oneof: keep one$"):
        Shape.from_json('{"radius": 1, "svg": "x"}')


def test_nulls_in_lists_and_maps_are_read_as_they_are_written() -> None:
    null = well_known.NullValue.NULL_VALUE
    for message in (Json(nulls=[null, null], values=[None]), Carried(nulls={0: null, 7: null})):
        assert type(message).from_json(message.to_json()) == message
    with pytest.raises(CodecError, match=r"^Wrapped.strings\[0\]: expected no null in an array"):
        Wrapped.from_json('{"strings": [null]}')


def test_wrappers_are_their_values() -> None:
    message = Wrapped(a_double=0.0, an_int64=-1, strings=["", "x"], numbers={1: 2}, choice=WrappedChoiceText("t"))
    assert (
        message.to_json() == '{"aDouble": 0.0, "anInt64": "-1", "strings": ["", "x"], "numbers": {"1": 2}, "text": "t"}'
    )
    assert Wrapped.from_json(message.to_json()) == message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 0.1, 1e-45, 3.4028234663852886e38, 16777217.0])
def test_floats_keep_what_their_type_can_carry(value: float) -> None:
    again = Scalars.from_json(Scalars(a_double=value, a_float=value).to_json())
    wire = Scalars.from_protobuf(Scalars(a_double=value, a_float=value).to_protobuf())
    for name in ("a_double", "a_float"):
        assert getattr(again, name) == getattr(wire, name) or math.isnan(value)
        assert math.copysign(1, getattr(again, name)) == math.copysign(1, getattr(wire, name))


@pytest.mark.parametrize(
    ("kind", "text", "field", "reason"),
    [
        (TransportMessage, "", "TransportMessage", "no JSON: Expecting value at line 1, column 1"),
        (TransportMessage, "{", "TransportMessage", "no JSON: .* at line 1, column 2"),
        (TransportMessage, b"\xff\xfe", "TransportMessage", "no JSON: byte 0 is not UTF-8"),
        (TransportMessage, "[1]", "TransportMessage", r"expected an object; found \[1\]"),
        (TransportMessage, "null", "TransportMessage", "expected an object; found None"),
        (TransportMessage, '{"nonsense": 1}', "TransportMessage", "has no field 'nonsense'; its fields are: id, "),
        (TransportMessage, '{"id": "a", "id": "b"}', "TransportMessage", "the name 'id' stands twice in one object"),
        (
            TransportMessage,
            '{"priority": 3000000000}',
            "TransportMessage.priority",
            "expected an integer from -2147483648",
        ),
        (TransportMessage, '{"priority": 1.5}', "TransportMessage.priority", "expected an integer from .*; found 1.5"),
        (TransportMessage, '{"payload": 5}', "TransportMessage.payload", "expected a text of Base64; found 5"),
        (TransportMessage, '{"headers": {"a": 1}}', "TransportMessage.headers['a']", "expected a str; found 1"),
        (TransportMessage, '{"priority": NaN}', "TransportMessage", "no JSON: NaN has to stand in quotes"),
        (TransportMessage, f'{{"priority": {"9" * 5000}}}', "TransportMessage", "a number has too many digits"),
        (
            EventRequest,
            '{"filter": {"messageTypes": [1, {}]}}',
            "EventRequest.filter.message_types[1]",
            "expected an int",
        ),
        (EventRequest, '{"filter": {"nonsense": 1}}', "EventRequest.filter", "has no field 'nonsense'"),
        (Maps, '{"byBool": {"True": {}}}', "Maps.by_bool['True']", 'expected "true" or "false"; found .True.'),
        (Maps, '{"byString": {"a": {"left": {"label": 1}}}}', "Maps.by_string['a'].left.label", "expected a str"),
        (Scalars, '{"aDouble": 1e400}', "Scalars.a_double", "expected a number that fits into a double; found inf"),
        (Scalars, '{"aFloat": "1e39"}', "Scalars.a_float", "expected a number that fits into a float; found '1e39'"),
        (Scalars, '{"aFloat": 10000000000000000000000000000000000000000}', "Scalars.a_float", "fits into a float"),
        (Scalars, '{"strings": ["a", null]}', "Scalars.strings[1]", "expected no null in an array"),
        (WellKnown, '{"at": "yesterday"}', "WellKnown.at", 'expected a text such as "2001-02-03T04:05:06.789Z"'),
        (WellKnown, '{"json": {"a": ["\\ud800"]}}', "WellKnown.json['a'][0]", "expected a str that UTF-8 can encode"),
        (
            WellKnown,
            '{"anything": {"@type": "x/no.Such"}}',
            "WellKnown.anything.type_url",
            "no class is known for 'no.Such'",
        ),
        (WellKnown, '{"mask": "a_b"}', "WellKnown.mask", "expected paths in lowerCamelCase"),
    ],
)
def test_what_is_wrong_is_named(kind: type[Any], text: str | bytes, field: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        kind.from_json(text)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        (TransportMessage(priority=2**31), "TransportMessage.priority", "expected an int from -2147483648 to"),
        (TransportMessage(id=7), "TransportMessage.id", "expected a str; found 7"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(id="\ud800"), "TransportMessage.id", "expected a str that UTF-8 can encode"),
        (TransportMessage(headers=[1]), "TransportMessage.headers", "expected a dict"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(headers={"a": 1}), "TransportMessage.headers['a']", "expected a str; found 1"),  # type: ignore[dict-item] # wrong on purpose
        (TransportMessage(payload=bytearray()), "TransportMessage.payload", "expected bytes"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(message_type=None), "TransportMessage.message_type", "expected an int"),  # type: ignore[arg-type] # wrong on purpose
        (EventRequest(filter="all"), "EventRequest.filter", "expected a message of type EventFilter; found 'all'"),  # type: ignore[arg-type] # wrong on purpose
        (EventRequest(filter=EventFilter(stream_names="a")), "EventRequest.filter.stream_names", "expected a list"),  # type: ignore[arg-type] # wrong on purpose
        (EventFilter(stream_names=["a", 1]), "EventFilter.stream_names[1]", "expected a str"),  # type: ignore[list-item] # wrong on purpose
        (Shape(kind="round"), "Shape.kind", "expected one of ShapeKind"),  # type: ignore[arg-type] # wrong on purpose
        (Shape(kind=ShapeKindRadius("x")), "Shape.kind", "expected a float; found 'x'"),  # type: ignore[arg-type] # wrong on purpose
        (Scalars(a_bool=1), "Scalars.a_bool", "expected True or False; found 1"),  # type: ignore[arg-type] # wrong on purpose
        (Scalars(a_double=10**400), "Scalars.a_double", "expected a float"),
        (WellKnown(at=well_known.Timestamp(2**60)), "WellKnown.at.seconds", "expected an int from -62135596800 to"),
        (WellKnown(at=well_known.Timestamp(1.5)), "WellKnown.at.seconds", "expected an int; found 1.5"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(lasting=well_known.Duration(1, -1)), "WellKnown.lasting.nanos", "expected the sign of the seconds"),
        (WellKnown(json={"a": [math.inf]}), "WellKnown.json['a'][0]", "expected a finite number; found inf"),
        (WellKnown(json={"a": object}), "WellKnown.json['a']", "expected None, a bool, a number, a str, a list or"),
        (WellKnown(json={1: 2}), "WellKnown.json[1]", "expected a str; found 1"),  # type: ignore[dict-item] # wrong on purpose
        (WellKnown(json=[]), "WellKnown.json", "expected a dict of str to values of JSON"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(mask=well_known.FieldMask(["a", "A"])), r"WellKnown.mask.paths[1]", "expected a path in snake_case"),
        (
            WellKnown(anything=well_known.Any("x/kitchen.shared.Point", b"\xff")),
            "WellKnown.anything.value",
            "packed kit",
        ),
        (Nothings(choice=NothingsChoiceNothing(Point())), "Nothings.choice", "expected a message of type Nothing"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_what_has_no_json_is_named(message: Any, field: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        message.to_json()
    assert (caught.value.field, caught.value.offset) == (field, -1)
    assert str(caught.value).startswith(f"{field}: ")


def calls_to_read(text: str) -> int:
    """The calls of functions that reading takes, which no busy machine changes."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        Scalars.from_json(text, ignore_unknown_fields=True)
    finally:
        sys.setprofile(None)
    return count


def test_work_grows_in_line_with_the_text() -> None:
    """Neither lists, nor objects, nor names that are not there take a time of their own square."""

    def work(count: int) -> int:
        unknown: dict[str, object] = {f"unknown{number}": {} for number in range(count)}
        return calls_to_read(json.dumps({"strings": ["x"] * count, "maybeColor": "COLOR_RED", **unknown}))

    work(1)  # loads what is loaded at first use
    assert work(2_000) < 10.5 * work(200)


def test_a_message_without_fields() -> None:
    assert Nothing().to_json() == "{}"
    assert Nothing.from_json(" { } ") == Nothing.from_json("[]") == Nothing()
    assert Scalars.from_json('{"maybeColor": 1}').maybe_color == Color.RED
    assert Tree.from_json('{"left": {}}') == Tree(left=Tree())


def test_a_number_of_an_enum_is_not_cut_down_to_32_bits() -> None:
    assert json_format.Parse('{"maybeColor": 4294967297}', Scalars().to_proto()).maybe_color == 1
    for number in (2**32 + 1, 2**31, -(2**31) - 1):
        with pytest.raises(CodecError, match=r"Scalars.maybe_color: expected an integer from -2147483648"):
            Scalars.from_json(f'{{"maybeColor": {number}}}')


DEFAULTS = [
    *(kind() for kind in (Scalars, Numbers, Maps, Named, Shape, Tree, Wrapped, Json, WellKnown, TransportMessage)),
    EventRequest(filter=EventFilter(message_types=[MessageType.EVENT])),
    Shape(kind=ShapeKindRadius(0.0)),
    Tree(children=[Tree()]),
]


@pytest.mark.parametrize("message", DEFAULTS, ids=lambda message: type(message).__name__)
def test_defaults_are_written_where_they_are_asked_for(message: Any) -> None:
    expected = json_format.MessageToDict(message.to_proto(), always_print_fields_with_no_presence=True)
    assert json.loads(message.to_json(with_defaults=True)) == expected
    assert json.loads(message.to_json()) == json_format.MessageToDict(message.to_proto())
