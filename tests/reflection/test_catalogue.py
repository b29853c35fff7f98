"""What is found of a server's services, by every name that a client may ask for."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.health.method import HEALTH_CHECK
from eventflux_runtime.reflection.answer import answer
from eventflux_runtime.reflection.catalogue import Catalogue, with_imports
from eventflux_runtime.reflection.method import REFLECTION_METHODS, REFLECTION_V1
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec, Method, MethodKind
from eventflux_runtime.rpc.status import StatusCode
from kitchen_package.methods import KITCHEN_SCATTER
from tests.reflection.extended import EXTENDED, EXTENDING, SERVICE
from tests.support.reflecting import pool_of, question

THEIRS: tuple[Any, ...] = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
"""Protobuf's default pool has these, which define the same names as our own files."""
OPTIONS = "google.protobuf.FieldOptions"
GONE = "tests.absent_pb2"
EXTENDED_PLACE = "tests.reflection.extended:EXTENDED"


def nothing(*_: Any) -> Any:
    raise AssertionError("no message is coded here")


def method_of(service: str, proto: str, message: str = "") -> AnyMethod:
    """A method of which only its place counts."""
    codec: MessageCodec[Any] = MessageCodec(
        type_name="T", encode=nothing, decode=nothing, encode_protobuf=nothing, decode_protobuf=nothing, proto=message
    )
    return Method(
        service=service, name="Get", kind=MethodKind.UNARY, request=codec, response=codec, fingerprint=0, proto=proto
    )


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue([KITCHEN_SCATTER, method_of(SERVICE, EXTENDED_PLACE), HEALTH_CHECK, *REFLECTION_METHODS])


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("kitchen.sink.Kitchen", "kitchen.proto"),
        ("kitchen.sink.Kitchen.Scatter", "kitchen.proto"),
        ("kitchen.sink.Scalars", "kitchen.proto"),
        ("kitchen.sink.Scalars.a_double", "kitchen.proto"),
        ("kitchen.shared.Direction", "shared/point.proto"),
        ("kitchen.shared.NORTH", "shared/point.proto"),
        ("google.protobuf.Empty", "google/protobuf/empty.proto"),
        ("extended.Thing.Size", "extended/service.proto"),
        ("extended.Thing.SMALL", "extended/service.proto"),
        ("extended.Thing.choice", "extended/service.proto"),
        ("extended.Things.Get", "extended/service.proto"),
        ("extended.first", "extended/option.proto"),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
        ("grpc.reflection.v1.ServerReflection.ServerReflectionInfo", "grpc/reflection/v1/reflection.proto"),
        ("grpc.reflection.v1alpha.ErrorResponse", "grpc/reflection/v1alpha/reflection.proto"),
    ],
)
def test_a_symbol_is_found(catalogue: Catalogue, symbol: str, file: str) -> None:
    found = catalogue.file_of_symbol(symbol)
    assert found.name == file
    assert found not in THEIRS
    assert catalogue.file_by_name(file) is found


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        ".",
        ".kitchen.sink.Kitchen",
        "kitchen.sink",
        "kitchen.sink.Kitchen/Scatter",
        "kitchen.sink.Kitchen.scatter",
        "kitchen.sink.Scalars.Scatter",
        "kitchen.sink.Kitchen.Scatter.x",
        "\0",
    ],
)
def test_what_is_no_symbol_is_not_found(catalogue: Catalogue, symbol: str) -> None:
    with pytest.raises(KeyError):
        catalogue.file_of_symbol(symbol)


@given(st.text(), st.integers(-(2**31), 2**31 - 1))
def test_any_question_has_an_answer(text: str, number: int) -> None:
    catalogue = Catalogue([KITCHEN_SCATTER, method_of(SERVICE, EXTENDED_PLACE)])
    for fields in (
        {"file_by_filename": text},
        {"file_containing_symbol": text},
        {"file_containing_extension": {"containing_type": text, "extension_number": number}},
        {"file_containing_extension": {"containing_type": OPTIONS, "extension_number": number}},
        {"all_extension_numbers_of_type": text},
    ):
        request = question(REFLECTION_V1, host=text, **fields)
        given_answer = answer(catalogue, request)
        assert given_answer.WhichOneof("message_response") is not None
        assert (given_answer.valid_host, given_answer.original_request) == (text, request)


def test_a_file_comes_with_all_that_it_imports_and_first(catalogue: Catalogue) -> None:
    response = answer(catalogue, question(REFLECTION_V1, file_containing_symbol="kitchen.sink.Kitchen"))
    serialized = response.file_descriptor_response.file_descriptor_proto
    assert serialized[0] == catalogue.file_of_symbol("kitchen.sink.Kitchen").serialized_pb
    pool: DescriptorPool = pool_of(serialized)  # which raises KeyError for a file that is missing
    scatter = pool.FindServiceByName("kitchen.sink.Kitchen").methods_by_name["Scatter"]
    assert scatter.input_type.full_name == "google.protobuf.Empty"
    assert len(serialized) == len(set(serialized)) == 9


def test_imports_of_imports_come_too_each_once() -> None:
    names = [file.name for file in with_imports(EXTENDED)]
    assert names[0] == EXTENDED.name
    assert sorted(names[1:]) == [EXTENDING.name, "google/protobuf/descriptor.proto"]


def test_extensions_are_found_in_the_pool_that_has_them(catalogue: Catalogue) -> None:
    assert catalogue.file_of_extension(OPTIONS, 50_001) is EXTENDING
    assert catalogue.extension_numbers(OPTIONS) == [50_001, 50_002]
    response = answer(catalogue, question(REFLECTION_V1, all_extension_numbers_of_type=OPTIONS))
    numbers = response.all_extension_numbers_response
    assert (numbers.base_type_name, list(numbers.extension_number)) == (OPTIONS, [50_001, 50_002])
    wanted = {"containing_type": OPTIONS, "extension_number": 50_002}
    response = answer(catalogue, question(REFLECTION_V1, file_containing_extension=wanted))
    assert response.file_descriptor_response.file_descriptor_proto[0] == EXTENDING.serialized_pb
    with pytest.raises(KeyError):
        catalogue.file_of_extension(OPTIONS, 50_003)


def test_a_message_without_extensions_has_none(catalogue: Catalogue) -> None:
    response = answer(catalogue, question(REFLECTION_V1, all_extension_numbers_of_type="extended.Thing"))
    assert response.HasField("all_extension_numbers_response")
    assert not response.all_extension_numbers_response.extension_number


@pytest.mark.parametrize("version", REFLECTION_METHODS)
def test_the_answer_is_of_the_questions_version(catalogue: Catalogue, version: AnyMethod) -> None:
    response = answer(catalogue, question(version, list_services=""))
    assert response.DESCRIPTOR.full_name == version.response.type_name
    assert tuple(service.name for service in response.list_services_response.service) == catalogue.services


def test_services_are_listed_in_order_and_once() -> None:
    methods = [method_of("b.B", ""), method_of("a.A", ""), method_of("b.B", "")]
    assert Catalogue(methods).services == ("a.A", "b.B")


def test_a_service_without_a_place_is_found_by_its_messages() -> None:
    catalogue = Catalogue([method_of(SERVICE, "", "tests.reflection.extended:THING")])
    assert catalogue.file_of_symbol(SERVICE) is EXTENDED


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (
            f"{GONE}:DESCRIPTOR",
            f"what {GONE}:DESCRIPTOR defines needs {GONE}, which cannot be imported: install the package that has it",
        ),
        ("tests.reflection.extended:NO_SUCH", "what tests.reflection.extended:NO_SUCH defines cannot be described"),
    ],
)
def test_what_cannot_be_loaded_is_logged_once_and_hides_nothing_else(
    place: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue([method_of("broken.Service", place), HEALTH_CHECK, method_of(SERVICE, EXTENDED_PLACE)])
    with caplog.at_level(logging.ERROR):
        assert catalogue.file_of_symbol("grpc.health.v1.Health").name == "grpc/health/v1/health.proto"
        assert catalogue.file_of_symbol(SERVICE) is EXTENDED
        for symbol in ("broken.Service", "broken.Service.Get"):
            response = answer(catalogue, question(REFLECTION_V1, file_containing_symbol=symbol))
            assert response.error_response.error_code == StatusCode.NOT_FOUND
            assert response.error_response.error_message == reason
    assert catalogue.services == ("broken.Service", SERVICE, "grpc.health.v1.Health")
    assert [record.getMessage() for record in caplog.records] == [reason]
