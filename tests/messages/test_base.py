"""What every message class inherits, and that nobody sees whence it comes."""

from __future__ import annotations

import copy
import inspect
import pickle

import msgspec
import pytest

from eventflux_runtime import CodecError
from eventflux_runtime.codegen_api import Message as BaseMessage
from eventflux_runtime.codegen_api import OpenEnum, codec_of
from eventflux_transport import EventFilter, EventRequest, MessageType, TransportMessage, transport_pb2
from eventflux_transport import messages as transport_messages
from eventflux_transport.methods import TRANSPORT_MESSAGE_CODEC
from kitchen_package import Nothing, Shape, ShapeFillSolid
from tests.support.catalogue import message_classes
from tests.support.unknown import unknown_to


class Noted(TransportMessage):
    """A user's own child of a generated class."""

    note: str = "new"


def test_messages_are_plain_structs_with_the_fields_of_the_idl_alone() -> None:
    for kind in message_classes():
        assert issubclass(kind, msgspec.Struct)
        assert not hasattr(kind(), "__dict__")
        assert not any(name.startswith("_") for name in kind.__struct_fields__)
        message = kind()
        assert repr(message).startswith(f"{kind.__name__}(")
        assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == message
        assert kind.__module__ in {
            "eventflux_runtime.well_known.messages",
            "eventflux_transport.messages",
            "inventory_sdk.messages",
            "kitchen_package.messages",
        }


def test_messages_take_keywords_alone() -> None:
    for kind in message_classes():
        if kind.__struct_fields__ and kind.__module__ != "eventflux_runtime.well_known.messages":
            with pytest.raises(TypeError, match="Extra positional arguments"):
                kind(None)
    with pytest.raises(TypeError, match="nonsense"):
        EventFilter(nonsense=1)  # type: ignore[call-arg] # wrong on purpose


def test_inherited_methods_are_described() -> None:
    for name in (
        "to_wire",
        "to_protobuf",
        "to_proto",
        "to_json",
        "from_wire",
        "from_protobuf",
        "from_proto",
        "from_json",
    ):
        assert name not in vars(TransportMessage)
        assert inspect.getdoc(getattr(TransportMessage, name))


def test_enums_share_one_base() -> None:
    assert MessageType.__mro__[1] is OpenEnum
    assert list(OpenEnum) == []


class Extended(TransportMessage, kw_only=True):
    """A child whose own fields stand behind those of the generated class."""

    note: str = "new"


def test_a_child_is_written_as_the_generated_class() -> None:
    plain = unknown_to(TransportMessage(id="i", payload=b"p", priority=-1), b"\xa0\x06\x05")
    for kind in (Noted, Extended):
        message = unknown_to(kind(note="n", id="i", payload=b"p", priority=-1), b"\xa0\x06\x05")
        assert message.to_wire() == plain.to_wire()
        assert message.to_protobuf() == plain.to_protobuf()
        assert message.to_json() == plain.to_json()


def test_a_child_of_a_generated_class_is_read_as_itself() -> None:
    message = Noted(id="i", payload=b"p", note="old")
    again = Noted(id="i", payload=b"p")
    assert Noted.from_wire(message.to_wire()) == again
    assert Noted.from_protobuf(message.to_protobuf()) == again
    assert Noted.from_proto(message.to_proto()) == again
    assert Noted.from_json(message.to_json()) == again
    assert type(TransportMessage.from_wire(message.to_wire())) is TransportMessage


@pytest.mark.parametrize("kind", [TransportMessage, Noted, Nothing])
def test_what_is_unknown_goes_with_a_copy(kind: type[TransportMessage | Nothing]) -> None:
    message = unknown_to(kind(), b"\xa0\x06\x05")
    copies = [copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message)), message.__replace__()]
    assert [made.unknown_fields for made in copies] == [message.unknown_fields] * len(copies)
    assert [type(made) for made in copies] == [kind] * len(copies)
    assert copies == [message] * len(copies)
    assert message not in (kind(), unknown_to(kind(), b"\xa0\x06\x06"))
    assert message != 1
    assert kind() == kind()
    copies[0].unknown_fields = b""
    assert copies[0] == kind()
    with pytest.raises(TypeError, match="unhashable"):
        hash(message)


def test_what_is_unknown_is_no_field() -> None:
    message = unknown_to(TransportMessage(id="i"), b"\xa0\x06\x05")
    assert msgspec.structs.asdict(message) == msgspec.structs.asdict(TransportMessage(id="i"))
    assert msgspec.json.encode(message) == msgspec.json.encode(TransportMessage(id="i"))
    with pytest.raises(TypeError, match="unknown_fields"):
        TransportMessage(unknown_fields=b"")  # type: ignore[call-arg] # wrong on purpose


@pytest.mark.parametrize("layout", [None, 1, [], {}, "", "Native"])
def test_a_layout_is_a_name(layout: object) -> None:
    for attempt in (lambda: EventRequest().to_wire(layout), lambda: EventRequest.from_wire(b"", layout)):  # type: ignore[arg-type] # wrong on purpose
        with pytest.raises(CodecError) as caught:
            attempt()
        assert str(caught.value) == f"unknown layout {layout!r}: use one of native"


def test_the_base_itself_has_no_codec() -> None:
    with pytest.raises(AttributeError, match="only a generated class has a codec"):
        BaseMessage.from_wire(b"")


def test_a_codec_is_that_of_its_class() -> None:
    codec = codec_of(TransportMessage)
    for name in ("encode", "decode", "encode_protobuf", "decode_protobuf", "proto"):
        assert getattr(codec, name) == getattr(TRANSPORT_MESSAGE_CODEC, name)
    assert codec.type_name == TRANSPORT_MESSAGE_CODEC.type_name == "eventflux.transport.TransportMessage"
    message = TransportMessage(id="i")
    assert codec.to_protobuf(message) == transport_pb2.TransportMessage(id="i").SerializeToString()


def test_a_child_of_a_choice_is_that_choice() -> None:
    class Painted(ShapeFillSolid):
        """A user's own child of a choice."""

    shape = Shape(fill=Painted(1))  # type: ignore[arg-type] # a number where a member is usual
    assert shape.to_proto().solid == 1
    assert Shape.from_wire(shape.to_wire()) == Shape.from_proto(shape.to_proto())


def test_generated_modules_define_messages_and_nothing_else() -> None:
    names = {name for name, value in vars(transport_messages).items() if inspect.isclass(value)}
    assert names == set(transport_messages.__all__)
