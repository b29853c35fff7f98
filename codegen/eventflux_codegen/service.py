"""Builds the model of services and their methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor_pb2 import MethodDescriptorProto
from google.protobuf.descriptor_pb2 import MethodOptions as MethodOptionsProto

from eventflux_codegen.bounded import with_bounded_lists
from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.error_model import DeclaredError
from eventflux_codegen.fingerprint import Fingerprints
from eventflux_codegen.model import Message, Method, Service
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.naming import as_error, as_method
from eventflux_codegen.options import MethodOptions, Options, RetryOptions, ServiceOptions, StatusCode
from eventflux_codegen.relocation import PbModule
from eventflux_codegen.schema import Schema, ServiceNode
from eventflux_codegen.scope import Scope
from eventflux_codegen.yaml_source import Places

__all__ = ["build_services"]

_LONGEST_S: Final = 1_000_000_000
"""The longest time that the runtime's configuration takes, in seconds."""
_RETRY_LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "max_attempts": (1, 2**31 - 1),
    "initial_backoff_s": (0, _LONGEST_S),
    "max_backoff_s": (0, _LONGEST_S),
    "multiplier": (1, 1000),
}
"""The least and the most that the runtime's `RetryPolicy` takes; 0 itself is too little."""
_MEANINGS: Final[Mapping[str, str]] = {
    "CANCELLED": "the call was cancelled",
    "UNKNOWN": "the handler failed in a way it did not foresee",
    "INVALID_ARGUMENT": "the request is wrong whatever the state of the system",
    "DEADLINE_EXCEEDED": "the time for the call ran out",
    "NOT_FOUND": "what the request names does not exist",
    "ALREADY_EXISTS": "what the request would create exists already",
    "PERMISSION_DENIED": "the caller may not do this",
    "RESOURCE_EXHAUSTED": "a limit was reached",
    "FAILED_PRECONDITION": "the system is not in the state that the call needs",
    "ABORTED": "the call lost against a concurrent one",
    "OUT_OF_RANGE": "the request went past the valid range",
    "UNIMPLEMENTED": "the server does not offer this",
    "INTERNAL": "an invariant of the server broke",
    "UNAVAILABLE": "the server cannot serve now",
    "DATA_LOSS": "data was lost or damaged",
    "UNAUTHENTICATED": "the caller gave no valid credentials",
}


def build_services(
    schema: Schema,
    options: Options,
    places: Places,
    names: ClassNames,
    messages: Mapping[str, Message],
    errors: Mapping[str, DeclaredError],
    pb_modules: Mapping[str, PbModule],
) -> tuple[Service, ...]:
    """Every service, in the order of the files.

    `errors` has the declared ones, by their names in the options, and `pb_modules` the module of each file.
    """
    keys = resolve(options.services, schema.services, schema, places, "services", "service")
    fingerprints = Fingerprints(messages)
    bounded = with_bounded_lists(messages)
    services = []
    for full_name, node in schema.services.items():
        key = keys.get(full_name)
        own = options.services[key] if key is not None else ServiceOptions()
        stem = names.service_stems[full_name]
        declared = [method.name for method in node.descriptor.method]
        path = ("services", key or "", "methods")
        for name in own.methods:
            if name not in declared:
                message = f"{full_name} has no method {name!r}: {nearest(name, declared)}"
                raise GenerationError(message, places(*path, name))
        called = _method_names(node, own, places, names, *path)
        builder = _MethodBuilder(node, own, places, messages, fingerprints, errors, bounded, path)
        parent, module, _ = pb_modules[node.source.descriptor.name]
        is_deprecated = node.descriptor.options.deprecated or node.source.descriptor.options.deprecated
        services.append(
            Service(
                full_name=full_name,
                client=f"{stem}Client",
                blocking_client=f"{stem}BlockingClient",
                service=f"{stem}Service",
                pb_place=f"{parent}.{module}:DESCRIPTOR",
                doc=noted(as_docstring(node.comment, f"The service {full_name}."), is_deprecated=is_deprecated),
                methods=tuple(
                    builder.build(index, called[name], names.constants[f"{full_name}.{name}"])
                    for index, name in enumerate(declared)
                ),
                deprecated=reason(full_name, node.comment, is_deprecated=is_deprecated),
            )
        )
    return tuple(services)


def _method_names(
    node: ServiceNode, own: ServiceOptions, places: Places, names: ClassNames, *path: str
) -> dict[str, str]:
    """What each method is called in Python."""
    wished: dict[str, str] = {}
    for method, option in own.methods.items():
        if option.name is None:
            continue
        if not option.name.isidentifier() or as_method(option.name) != option.name:
            message = f"{node.full_name}.{method} cannot be named {option.name} in Python: choose another name"
            names.refuse(GenerationError(message, places(*path, method)))
        elif option.name in wished.values():
            message = f"two methods of {node.full_name} are named {option.name}: keep one"
            names.refuse(GenerationError(message, places(*path, method)))
        wished[method] = option.name
    scope = Scope(wished.values())
    declared = [method.name for method in node.descriptor.method]
    return {name: wished[name] if name in wished else scope.take(as_method(name)) for name in declared}


@dataclass(frozen=True, slots=True)
class _MethodBuilder:
    _node: ServiceNode
    _options: ServiceOptions
    _places: Places
    _messages: Mapping[str, Message]
    _fingerprints: Fingerprints
    _errors: Mapping[str, DeclaredError]
    _bounded: frozenset[str]
    _path: tuple[str, ...]

    def build(self, index: int, name: str, constant: str) -> Method:
        """One method, by its index in the descriptor."""
        proto = self._node.descriptor.method[index]
        own = self._options.methods.get(proto.name, MethodOptions())
        request, response = proto.input_type[1:], proto.output_type[1:]
        kind = _kind(proto)
        comment = self._node.source.comment((*self._node.path, 2, index))
        raises = self._raises(own, proto.name)  # first, because it refuses names that nobody declares
        return Method(
            name=name,
            proto_name=proto.name,
            constant=constant,
            kind=kind,
            request=self._messages[request],
            response=self._messages[response],
            fingerprint=self._fingerprints.of(kind, request, response),
            arguments=self._arguments(own, proto),
            doc=noted(as_docstring(comment, f"Calls {proto.name}."), is_deprecated=proto.options.deprecated),
            raises=raises,
            errors=tuple(own.errors),
            deprecated=reason(f"{self._node.full_name}.{proto.name}", comment, is_deprecated=proto.options.deprecated),
        )

    def _arguments(self, own: MethodOptions, proto: MethodDescriptorProto) -> tuple[tuple[str, str], ...]:
        name, arguments = proto.name, []
        is_idempotent = own.idempotent or proto.options.idempotency_level != MethodOptionsProto.IDEMPOTENCY_UNKNOWN
        if own.timeout_s is not None:
            if not 0 < own.timeout_s <= _LONGEST_S:
                raise self._wrong(
                    f"timeout_s must be above 0 and at most {_LONGEST_S}, not {own.timeout_s}", name, "timeout_s"
                )
            arguments.append(("timeout_s", repr(own.timeout_s)))
        if is_idempotent:
            arguments.append(("idempotent", "True"))
        if own.retry is not None:
            if not is_idempotent:
                raise self._wrong(
                    "retry is for methods that are idempotent: say idempotent: true, or drop it", name, "retry"
                )
            arguments.append(("retry", self._retry(own.retry, name)))
        if own.compression is not None:
            arguments.append(("compression", f"Compression.{own.compression.name}"))
        if not self._bounded.isdisjoint((proto.input_type[1:], proto.output_type[1:])):
            arguments.append(("prefers_protobuf", "True"))
        if own.errors:
            listed = (
                f"errors.{self._errors[error].name}, " if error in self._errors else f"StatusCode.{error}, "
                for error in own.errors
            )
            arguments.append(("errors", f"({''.join(listed)})"))
        return tuple(arguments)

    def _retry(self, retry: RetryOptions, name: str) -> str:
        arguments = []
        for key, (least, most) in _RETRY_LIMITS.items():
            value = getattr(retry, key)
            if value is None:
                continue
            if not least <= value <= most or value == 0:
                bound = "above 0" if least == 0 else f"at least {least}"
                raise self._wrong(f"{key} must be {bound} and at most {most}, not {value}", name, "retry", key)
            arguments.append(f"{key}={value!r}")
        if retry.codes is not None:
            codes = ", ".join(f"StatusCode.{code.value}" for code in retry.codes)
            arguments.append(f"codes=frozenset({{{codes}}})" if codes else "codes=frozenset()")
        return f"RetryPolicy({', '.join(arguments)})"

    def _raises(self, own: MethodOptions, name: str) -> tuple[tuple[str, str], ...]:
        raises = []
        for index, error in enumerate(own.errors):
            if error in self._errors:
                raises.append((self._errors[error].name, self._errors[error].doc[0]))
                continue
            if error not in StatusCode.__members__:
                what = "is no status code and no error of this file" if self._errors else "is no status code"
                valid = (*StatusCode.__members__, *self._errors)
                place = error if isinstance(own.errors, Mapping) else index
                raise self._wrong(f"{error!r} {what}: {nearest(error, valid)}", name, "errors", place)
            raises.append((as_error(error), f"{_MEANINGS[error]}."))
        return tuple(raises)

    def _wrong(self, message: str, *path: str | int) -> GenerationError:
        return GenerationError(message, self._places(*self._path, *path))


def _kind(proto: MethodDescriptorProto) -> str:
    if proto.client_streaming:
        return "bidi" if proto.server_streaming else "client_streaming"
    return "server_streaming" if proto.server_streaming else "unary"
