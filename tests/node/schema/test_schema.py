"""Types by name, whatever a source gives of them: files one by one, in any order, broken, or with types unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.duration_pb2 import Duration

from eventflux_node.schema.api import Callee, SchemaError
from eventflux_node.schema.described import DescribedSchema
from eventflux_node.schema.filed import FiledSchema
from eventflux_node.schema.resolver import Files
from eventflux_runtime import CodecError, ErrorDetail

TEXT = FieldDescriptorProto.TYPE_STRING
MESSAGE = FieldDescriptorProto.TYPE_MESSAGE
ANY = ".google.protobuf.Any"


def file(name: str, *imports: str) -> FileDescriptorProto:
    """``name.proto`` of the package of that name, with a message ``M`` that has one of each import's."""
    made = FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    message = made.message_type.add(name="M")
    message.field.add(name="text", number=1, type=TEXT)
    for number, other in enumerate(imports, start=2):
        made.dependency.append(f"{other}.proto")
        message.field.add(name=other, number=number, type=MESSAGE, type_name=f".{other}.M")
    return made


def held() -> FileDescriptorProto:
    """A service whose messages hold an Any, a list and a map of them."""
    made = file("held")
    made.dependency.append("google/protobuf/any.proto")
    message = made.message_type[0]
    message.field.add(name="one", number=2, type=MESSAGE, type_name=ANY)
    repeated = FieldDescriptorProto.LABEL_REPEATED
    message.field.add(name="many", number=3, type=MESSAGE, type_name=ANY, label=repeated)
    entry = message.nested_type.add(name="NamedEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=TEXT)
    entry.field.add(name="value", number=2, type=MESSAGE, type_name=ANY)
    message.field.add(name="named", number=4, type=MESSAGE, type_name=".held.M.NamedEntry", label=repeated)
    made.service.add(name="S").method.add(name="Call", input_type=".held.M", output_type=".held.M")
    return made


class OneByOne(Files):
    """Gives what it is asked for and nothing that it imports; counts the questions."""

    def __init__(self, *files: FileDescriptorProto) -> None:
        self.files = {file.name: file.SerializeToString() for file in files}
        self.asked: list[str] = []

    async def of_symbol(self, symbol: str) -> Iterable[bytes]:
        return await self.by_name(f"{symbol.partition('.')[0]}.proto")

    async def by_name(self, name: str) -> Iterable[bytes]:
        self.asked.append(name)
        return [self.files[name]] if name in self.files else []


class Schema(DescribedSchema):
    async def services(self) -> tuple[str, ...]:
        return ("held.S",)


async def test_imports_are_fetched_once_and_only_where_they_are_needed() -> None:
    source = OneByOne(file("a", "b", "c"), file("b", "d"), file("c", "d"), file("d"), file("unused"))
    schema = Schema(source)
    assert (await schema.define("a.M")).text.count("\n") == 4
    assert (await schema.define("d.M")).kind == "message"
    assert sorted(source.asked) == ["a.proto", "b.proto", "c.proto", "d.proto"]


async def test_a_chain_of_any_length_is_no_recursion() -> None:
    files = [file(f"f{number}", f"f{number + 1}") for number in range(1500)]
    schema = FiledSchema((*files, file("f1500")))
    assert (await schema.define("f0.M")).file == "f0.proto"


async def test_what_cannot_be_used_is_told() -> None:
    with pytest.raises(SchemaError, match=r"a\.proto imports b\.proto, which the source of types does not have"):
        await Schema(OneByOne(file("a", "b"))).define("a.M")
    with pytest.raises(SchemaError, match="import each other"):
        await Schema(OneByOne(file("a", "b"), file("b", "a"))).define("a.M")
    wrong = file("a")
    wrong.message_type[0].field[0].type = MESSAGE
    wrong.message_type[0].field[0].type_name = ".no.Such"
    with pytest.raises(SchemaError, match=r"a\.proto is not valid: "):
        await Schema(OneByOne(wrong)).define("a.M")
    broken = OneByOne()
    broken.files["a.proto"] = b"\xff"
    with pytest.raises(SchemaError, match="a descriptor that is none"):
        await Schema(broken).define("a.M")


async def test_a_name_that_nobody_knows_is_asked_for_once() -> None:
    source = OneByOne(held())
    schema = Schema(source)
    for _ in range(3):
        assert await schema.resolver.find("type.googleapis.com/no.Such") is None
    assert source.asked == ["no.proto"]


async def callee(*files: FileDescriptorProto) -> Callee:
    return await Schema(OneByOne(held(), *files)).callee("held.S/Call")


def packed(name: str, value: bytes) -> dict[str, object]:
    return {"type_url": f"type.googleapis.com/{name}", "value": value}


async def test_what_an_any_packs_is_looked_up() -> None:
    method = await callee(file("other"))
    duration = Duration(seconds=3).SerializeToString()
    kind = type(await method.read("{}"))
    message = kind(
        one=packed("other.M", b"\x0a\x01x"),
        many=[packed("google.protobuf.Duration", duration), packed("no.Such", b"\x08\x2a"), packed("no such", b"\x01")],
        named={"a": packed("no.Such", b"\x00"), "b": packed("held.M.Inner", b"\x02")},
    )
    assert json.loads(await method.write(message, with_defaults=False)) == {
        "one": {"@type": "type.googleapis.com/other.M", "text": "x"},
        "many": [
            {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"},
            {"@type": "type.googleapis.com/no.Such", "value": "CCo="},
            {"@type": "type.googleapis.com/eventflux.Unnamed", "value": "AQ=="},
        ],
        "named": {
            "a": {"@type": "type.googleapis.com/no.Such", "value": "AA=="},
            "b": {"@type": "type.googleapis.com/held.M.Inner", "value": "Ag=="},
        },
    }


async def test_an_any_within_an_any_is_looked_up_too() -> None:
    method = await callee()
    kind = type(await method.read("{}"))
    inner = kind(one=packed("no.Such", b"\x01")).SerializeToString()
    shown = json.loads(await method.write(kind(one=packed("held.M", inner)), with_defaults=False))
    assert shown["one"]["one"] == {"@type": "type.googleapis.com/no.Such", "value": "AQ=="}


async def test_a_request_packs_what_its_json_names() -> None:
    method = await callee(file("other"))
    request = await method.read('{"many": [{"@type": "type.googleapis.com/other.M", "text": "x"}]}')
    assert request.many[0].value == b"\x0a\x01x"
    with pytest.raises(CodecError, match=r"^held\.M: .*no\.Such"):
        await method.read('{"one": {"@type": "type.googleapis.com/no.Such", "text": "x"}}')


async def test_bytes_that_are_no_message_of_their_type_are_an_error() -> None:
    method = await callee(file("other"))
    kind = type(await method.read("{}"))
    with pytest.raises(CodecError, match=r"held\.M: has no JSON: "):
        await method.write(kind(one=packed("other.M", b"\xff")), with_defaults=False)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"no": 1}', '{"text": 1}', '{"text": "\ud800"}', "[" * 100_000])
async def test_wrong_json_is_an_error_on_one_line(text: str) -> None:
    method = await callee()
    with pytest.raises(CodecError, match=r"^held\.M: ") as caught:
        await method.read(text)
    assert "\n" not in str(caught.value)


async def test_details_are_shown_by_what_the_source_knows() -> None:
    schema = Schema(OneByOne(held(), file("other")))
    detail = ErrorDetail("type.googleapis.com/other.M", b"\x0a\x01x")
    assert await schema.detail(detail) == {"@type": "type.googleapis.com/other.M", "text": "x"}
    assert await schema.detail(ErrorDetail("type.googleapis.com/other.M", b"\xff")) is None
    assert await schema.detail(ErrorDetail("type.googleapis.com/no.Such", b"")) is None
    assert await schema.detail(ErrorDetail("type.googleapis.com/google.rpc.RetryInfo", b"\x0a\x02\x08\x01")) == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "1s",
    }
