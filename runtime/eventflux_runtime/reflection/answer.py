"""Answers one question about a server, in either version of ``ServerReflection``."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FileDescriptor

from eventflux_runtime.reflection.catalogue import Catalogue, Undescribed, with_imports
from eventflux_runtime.reflection.descriptor import message_class
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["answer"]


def answer(catalogue: Catalogue, request: Any) -> Any:
    """The response to a request of the same version.

    What is not found is a response, too; the call goes on with the next question.
    """
    response: Any = message_class(f"{request.DESCRIPTOR.file.package}.ServerReflectionResponse")()
    response.valid_host = request.host
    response.original_request.CopyFrom(request)
    kind = request.WhichOneof("message_request")
    try:
        _fill(response, catalogue, kind, request)
    except Undescribed as error:
        _refuse(response, StatusCode.NOT_FOUND, str(error))
    except KeyError:
        _refuse(response, StatusCode.NOT_FOUND, f"{_asked(kind, request)} is not known here")
    return response


def _fill(response: Any, catalogue: Catalogue, kind: str | None, request: Any) -> None:
    match kind:
        case "list_services":
            for name in catalogue.services:
                response.list_services_response.service.add(name=name)
        case "file_by_filename":
            _give(response, catalogue.file_by_name(request.file_by_filename))
        case "file_containing_symbol":
            _give(response, catalogue.file_of_symbol(request.file_containing_symbol))
        case "file_containing_extension":
            wanted = request.file_containing_extension
            _give(response, catalogue.file_of_extension(wanted.containing_type, wanted.extension_number))
        case "all_extension_numbers_of_type":
            numbers = catalogue.extension_numbers(request.all_extension_numbers_of_type)
            response.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            response.all_extension_numbers_response.extension_number.extend(numbers)
        case _:
            _refuse(response, StatusCode.INVALID_ARGUMENT, "the request asks nothing that is known here")


def _give(response: Any, file: FileDescriptor) -> None:
    """A file with all that it imports, so that the client has to ask once. The file itself is the first."""
    files = response.file_descriptor_response.file_descriptor_proto
    files.extend(found.serialized_pb for found in with_imports(file))


def _refuse(response: Any, code: StatusCode, text: str) -> None:
    response.error_response.error_code = int(code)
    response.error_response.error_message = text


def _asked(kind: str | None, request: Any) -> str:
    """What was looked for, in words."""
    match kind:
        case "file_by_filename":
            return f"the file {request.file_by_filename!r}"
        case "file_containing_symbol":
            return f"the symbol {request.file_containing_symbol!r}"
        case "file_containing_extension":
            wanted = request.file_containing_extension
            return f"an extension {wanted.extension_number} of {wanted.containing_type!r}"
        case _:
            return f"the message {request.all_extension_numbers_of_type!r}"
