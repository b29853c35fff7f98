"""Builds what the templates see of services and of declared errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eventflux_codegen import model
from eventflux_codegen.error_model import DeclaredError, ErrorField
from eventflux_codegen.schema import Schema, ServiceNode
from eventflux_codegen.scope import Scope
from eventflux_codegen.typescript.comment import as_tsdoc
from eventflux_codegen.typescript.model import ErrorClass, ErrorProperty, Method, Service
from eventflux_codegen.typescript.names import FolderNames
from eventflux_codegen.typescript.naming import as_method, as_property
from eventflux_codegen.typescript.value import Values

__all__ = ["build_error", "build_service"]

_KINDS: Final = {
    "unary": ("unary", "callUnary"),
    "server_streaming": ("server_streaming", "callServerStream"),
    "client_streaming": ("client_streaming", "callClientStream"),
    "bidi": ("bidi_streaming", "callBidiStream"),
}
"""The kinds of methods as the runtime names them, and its functions that make such calls."""
_CODES: Final = {"CANCELLED": "Canceled"}
"""The codes that the runtime's `Code` spells in another way, as connect-es does."""
_ERROR_VALUES: Final[Mapping[str, tuple[str, str, str]]] = {
    "string": ("string", "$.errorString", '""'),
    "bytes": ("Uint8Array", "$.errorBytes", "new Uint8Array(0)"),
    "bool": ("boolean", "$.errorBool", "false"),
    "double": ("number", "$.errorDouble", "0"),
    "float": ("number", "$.errorFloat", "0"),
    **dict.fromkeys(("int32", "sint32", "sfixed32"), ("number", "$.errorInt32", "0")),
    **dict.fromkeys(("uint32", "fixed32"), ("number", "$.errorUint32", "0")),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), ("bigint", "$.errorInt64", "0n")),
    **dict.fromkeys(("uint64", "fixed64"), ("bigint", "$.errorUint64", "0n")),
}
"""The type of each scalar in an error, what reads it, and its default."""


def build_service(service: model.Service, node: ServiceNode, names: FolderNames, values: Values) -> Service:
    """One service."""
    scope = Scope()
    called = {method.proto_name: scope.take(as_method(method.proto_name)) for method in service.methods}
    methods = tuple(
        _method(method, called[method.proto_name], _comment(node, index), names, values)
        for index, method in enumerate(service.methods)
    )
    doc = as_tsdoc(node.comment, f"The service {service.full_name}.", deprecated=service.deprecated)
    return Service(names.services[service.full_name], names.clients[service.full_name], service.full_name, doc, methods)


def build_error(error: DeclaredError, schema: Schema, names: FolderNames, values: Values) -> ErrorClass:
    """One declared error."""
    scope = Scope()
    properties = []
    for field in error.fields:
        name = scope.take(as_property(field.name, is_error=True))
        properties.append(_error_property(field, name, schema, values))
    code = _CODES.get(error.code) or "".join(word.capitalize() for word in error.code.split("_"))
    doc = as_tsdoc("\n".join(error.doc).replace("\\\\", "\\"))
    return ErrorClass(names.errors[error.reason], error.reason, error.domain, code, doc, tuple(properties))


def _comment(node: ServiceNode, index: int) -> str:
    return node.source.comment((*node.path, 2, index))


def _method(method: model.Method, name: str, comment: str, names: FolderNames, values: Values) -> Method:
    kind, call = _KINDS[method.kind]
    request, response = values.of(method.request.full_name), values.of(method.response.full_name)
    notes = [f"@throws {error} {text}" for error, text in _raised(method, names)]
    return Method(
        name=name,
        proto_name=method.proto_name,
        kind=kind,
        call=call,
        request=f"$.Requests<{request.init}>" if kind in ("client_streaming", "bidi_streaming") else request.init,
        parameter="requests" if kind in ("client_streaming", "bidi_streaming") else "request",
        init=request.init,
        response=f"{'Promise' if kind in ('unary', 'client_streaming') else 'AsyncIterable'}<{response.type}>",
        input_type=request.type,
        output_type=response.type,
        input=request.constant,
        output=response.constant,
        fingerprint=method.fingerprint,
        settings=_settings(method),
        errors=tuple(names.errors[reason] for reason in method.errors if reason in names.errors),
        doc=as_tsdoc(comment, f"Calls {method.proto_name}.", notes=notes, deprecated=method.deprecated),
    )


def _raised(method: model.Method, names: FolderNames) -> list[tuple[str, str]]:
    """The declared errors that a method names, and what they mean."""
    texts = dict(zip(method.errors, method.raises, strict=True))
    return [(names.errors[reason], text) for reason, (_, text) in texts.items() if reason in names.errors]


def _settings(method: model.Method) -> tuple[tuple[str, str], ...]:
    given = dict(method.arguments)
    settings = [("idempotent", "true")] if "idempotent" in given else []
    settings += [("prefersProtobuf", "true")] if "prefers_protobuf" in given else []
    if "timeout_s" in given:
        settings.append(("timeoutMs", f"{float(given['timeout_s']) * 1000:.17g}"))
    return tuple(settings)


def _error_property(field: ErrorField, name: str, schema: Schema, values: Values) -> ErrorProperty:
    label, _, rest = field.type_text.rpartition(" ")
    type_text, reader, default = _error_value(rest, schema, values)
    imported = type_text if rest in schema.enums else ""
    if label == "repeated":
        row = f'$.errorList("{field.name}", "{name}", {reader})'
        return ErrorProperty(name, f"{type_text}[]", row, imported)
    if label == "optional" or default == "undefined":
        type_text, default = f"{type_text} | undefined", "undefined"
    return ErrorProperty(name, type_text, f'$.errorField("{field.name}", "{name}", {reader}, {default})', imported)


def _error_value(full_name: str, schema: Schema, values: Values) -> tuple[str, str, str]:
    """The type of a value, what reads it, and its default."""
    if full_name in _ERROR_VALUES:
        return _ERROR_VALUES[full_name]
    if full_name not in schema.enums:
        return "$.JsonValue", "$.errorJson", "undefined"
    numbers = schema.enums[full_name].descriptor.value
    listed = ", ".join(f"{value.name}: {value.number}" for value in numbers)
    return values.of(full_name).type, f"$.errorEnum({{ {listed} }})", str(numbers[0].number)
