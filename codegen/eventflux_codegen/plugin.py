"""`protoc-gen-eventflux`: the generator as a plugin of protoc and buf, with the same result as `eventflux-codegen`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.generator import check_tools

if TYPE_CHECKING:
    from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse

    from eventflux_codegen.order import Order

__all__ = ["main", "respond"]

_PARAMETERS: Final = ("accept_breaking", "package", "tree", "yaml")
_PLACE: Final = Place("parameters")


def main() -> int:
    """Answers the request on standard input. What is wrong with the sources stands in the answer."""
    try:
        check_tools(Place("protoc-gen-eventflux"))
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest  # noqa: PLC0415 - it is an extra's

    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(respond(request).SerializeToString())
    return 0


def respond(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """The files of the package, or the mistakes, a line each."""
    from google.protobuf.compiler.plugin_pb2 import CodeGeneratorResponse  # noqa: PLC0415 - it is an extra's
    from google.protobuf.descriptor_pb2 import Edition  # noqa: PLC0415 - so is this

    features = CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL | CodeGeneratorResponse.FEATURE_SUPPORTS_EDITIONS
    response = CodeGeneratorResponse(
        supported_features=features,
        minimum_edition=Edition.EDITION_PROTO2,
        maximum_edition=Edition.EDITION_2023,
    )
    try:
        texts = _generate(request)
    except GenerationError as error:
        response.error = str(error)
        return response
    for name, text in texts.items():
        response.file.add(name=name, content=text)
    return response


def _generate(request: CodeGeneratorRequest) -> Mapping[str, str]:
    """The files by their paths below the directory that protoc writes to."""
    from eventflux_codegen.input import Input  # noqa: PLC0415 - it needs an extra
    from eventflux_codegen.pipeline import run  # noqa: PLC0415 - so does this

    parameters = _parameters(request.parameter)
    order = _order(parameters)
    outcome = run(order, Input.given(request.proto_file, request.file_to_generate, _PLACE))
    if "yaml" in parameters and "accept_breaking" not in parameters:
        outcome.refuse_breaking()
    folder = order.options.package.replace(".", "/")
    return {f"{folder}/{name}": outcome.files[name] for name in sorted(outcome.files)}


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in _PARAMETERS:
            raise GenerationError(f"unknown parameter {name!r}: {nearest(name, _PARAMETERS)}", _PLACE)
        found[name] = value
    return found


def _order(parameters: Mapping[str, str]) -> Order:
    from eventflux_codegen.order import Order  # noqa: PLC0415 - it needs an extra
    from eventflux_codegen.product import FileOptions  # noqa: PLC0415 - so does this
    from eventflux_codegen.yaml_source import Places  # noqa: PLC0415 - so does this

    package = parameters.get("package")
    if "yaml" in parameters:
        order = Order.of_yaml(Path(parameters["yaml"]))
        return order if not package else replace(order, options=replace(order.options, package=package))
    if not package:
        message = "package is missing: say --eventflux_opt=package=NAME, or --eventflux_opt=yaml=FILE"
        raise GenerationError(message, _PLACE)
    options = FileOptions(package=package, protos=(), tree="tree" in parameters)
    return Order(options, Places(_PLACE.file, 0), Path(), Path(package), Path(f"{package}.lock"))


if __name__ == "__main__":
    sys.exit(main())
