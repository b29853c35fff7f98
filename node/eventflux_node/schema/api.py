"""What every source of types offers: services, methods to call by name with JSON, and definitions to read."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eventflux_runtime import AnyMethod, ErrorDetail, TransportError

__all__ = ["Callee", "Definition", "MethodSummary", "Schema", "SchemaError", "split_method", "unknown_name"]


class SchemaError(TransportError):
    """A name that the source of types does not know, or a source that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSummary:
    """One method of a service, as a list shows it."""

    name: str
    """As the IDL has it."""
    kind: str
    """One of the values of `MethodKind`."""
    request: str
    """The full name of the type of its requests."""
    response: str
    is_deprecated: bool = False
    is_idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a name stands for."""

    name: str
    """The full name."""
    kind: str
    """``service``, ``method``, ``message`` or ``enum``."""
    file: str
    """The .proto file that defines it."""
    text: str
    """The definition as it would stand in that file."""
    tree: dict[str, Any]
    """The descriptor in JSON."""


class Callee(ABC):
    """A method that is called with JSON."""

    method: AnyMethod

    @abstractmethod
    async def read(self, text: str) -> Any:
        """The request that a JSON text stands for. Raises CodecError."""

    @abstractmethod
    async def write(self, message: Any, *, with_defaults: bool) -> str:
        """A response in JSON, on one line. Raises CodecError.

        Args:
            message: the response.
            with_defaults: write zeros and what is empty, too.
        """


class Schema(ABC):
    """The services of one source. Each method raises SchemaError for what the source does not know."""

    @abstractmethod
    async def services(self) -> tuple[str, ...]:
        """The full names of the services, in order."""

    @abstractmethod
    async def methods(self, service: str) -> tuple[MethodSummary, ...]:
        """The methods of a service, in the order of the IDL."""

    @abstractmethod
    async def callee(self, name: str) -> Callee:
        """The method of a name such as ``package.Service/Method``."""

    @abstractmethod
    async def define(self, name: str) -> Definition:
        """What a full name stands for: a service, a method, a message or an enum."""

    @abstractmethod
    async def detail(self, detail: ErrorDetail) -> dict[str, Any] | None:
        """A detail of an error as protobuf's JSON has it in an ``Any``; None where its type is not known."""


def split_method(name: str) -> tuple[str, str]:
    """The service and the method of ``package.Service/Method``; a dot may stand for the slash.

    Raises:
        SchemaError: there are no two parts.
    """
    path = name.removeprefix("/")
    service, _, method = path.partition("/") if "/" in path else path.rpartition(".")
    if not service or not method or "/" in method:
        raise SchemaError(f"{name!r} is no method: write it as package.Service/Method")
    return service, method


def unknown_name(what: str, name: str, known: Iterable[str], where: str = "") -> SchemaError:
    """The error for a name that is not there, with the nearest that is.

    Args:
        what: what it should be the name of, as ``service``.
        name: what was asked for.
        known: what there is.
        where: what stands behind, as ``in package.Service``.
    """
    names: Sequence[str] = sorted(known)
    if name in names:
        return SchemaError(f"{name} is listed and cannot be described: its file is not known")
    by_short = {other.rpartition(".")[2].lower(): other for other in names}
    near = difflib.get_close_matches(name, names, n=1) or [
        by_short[short] for short in difflib.get_close_matches(name.rpartition(".")[2].lower(), by_short, n=1)
    ]
    if near:
        hint = f"did you mean {near[0]}?"
    elif names:
        hint = f"there is {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"
    else:
        hint = "there is none"
    return SchemaError(f"no {what} {name!r}{f' {where}' if where else ''}: {hint}")
