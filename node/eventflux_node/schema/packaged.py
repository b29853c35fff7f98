"""Types of an installed generated package, which need neither a server nor protobuf."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from eventflux_node.schema.api import Callee, Definition, MethodSummary, Schema, SchemaError, split_method, unknown_name
from eventflux_node.schema.known_detail import known_detail
from eventflux_runtime import AnyMethod, CodecError, ErrorDetail, Method, MissingExtraError, well_known

__all__ = ["PackagedSchema"]


class PackagedSchema(Schema):
    """The services of a package that eventflux-codegen has made. On the native wire its own layout is spoken."""

    def __init__(self, package: str) -> None:
        """Imports the package.

        Raises:
            SchemaError: there is none of that name, or it is no generated one with services.
        """
        try:
            module = import_module(f"{package}.methods")
        except ModuleNotFoundError as error:
            missing = error.name or package
            if missing == f"{package}.methods":
                raise SchemaError(f"{package} is no package with services that eventflux-codegen has made") from error
            raise SchemaError(f"cannot import {package}: there is no package {missing}") from error
        except ImportError as error:
            raise SchemaError(f"cannot import {package}: {error}") from error
        found: list[AnyMethod] = [value for value in vars(module).values() if isinstance(value, Method)]
        self._package = package
        self._methods: dict[str, dict[str, AnyMethod]] = {}
        for method in found:
            self._methods.setdefault(method.service, {})[method.name] = method

    async def services(self) -> tuple[str, ...]:
        """The services of the package."""
        return tuple(sorted(self._methods))

    async def methods(self, service: str) -> tuple[MethodSummary, ...]:
        """The methods of a service; what the IDL says of them beyond the package is not known here."""
        return tuple(
            MethodSummary(
                name=method.name,
                kind=method.kind.value,
                request=method.request.type_name,
                response=method.response.type_name,
                is_idempotent=method.idempotent,
            )
            for method in self._service(service).values()
        )

    async def callee(self, name: str) -> Callee:
        """The method of a name."""
        service, method = split_method(name)
        known = self._service(service)
        if method not in known:
            raise unknown_name("method", method, known, f"in {service}")
        return _GeneratedCallee(known[method])

    async def define(self, name: str) -> Definition:
        """What a name stands for, by the package's own modules of protobuf.

        Raises:
            MissingExtraError: protobuf is not installed.
        """
        try:
            from eventflux_node.schema.loaded import definition_in  # noqa: PLC0415 - needs protobuf
        except ModuleNotFoundError as error:
            raise MissingExtraError("describing a package", "protobuf") from error
        return await definition_in(tuple({method.proto for method in self._all()}), name)

    async def detail(self, detail: ErrorDetail) -> dict[str, Any] | None:
        """A detail of ``google.rpc``, or of any package that is imported."""
        known = known_detail(detail)
        if known is not None:
            return known
        try:
            shown: dict[str, Any] = json.loads(well_known.Any(detail.type_url, detail.value).to_json())
        except CodecError:
            return None
        return shown

    def _service(self, name: str) -> dict[str, AnyMethod]:
        if name not in self._methods:
            raise unknown_name("service", name, self._methods, f"in the package {self._package}")
        return self._methods[name]

    def _all(self) -> list[AnyMethod]:
        return [method for methods in self._methods.values() for method in methods.values()]


class _GeneratedCallee(Callee):
    """A method whose messages are of generated classes."""

    def __init__(self, method: AnyMethod) -> None:
        self.method = method

    async def read(self, text: str) -> Any:
        """The request of a JSON text."""
        kind = self.method.request.message_class
        if kind is None:
            raise SchemaError(f"the messages of {self.method.path} have no JSON: generate the package again")
        return kind.from_json(text)

    async def write(self, message: Any, *, with_defaults: bool) -> str:
        """A response in JSON."""
        text: str = message.to_json(with_defaults=with_defaults)
        return text
