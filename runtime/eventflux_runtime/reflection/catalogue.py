"""What a server can describe: the files that define its services, and all that they refer to.

Invariants: a module with descriptors is loaded at the first look-up; one that cannot be loaded is logged once, and its
services are listed all the same. They are described by nobody else's file of the same name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Final, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from eventflux_runtime.loading.proto import load_proto
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import AnyMethod

__all__ = ["Catalogue", "Undescribed", "with_imports"]

T = TypeVar("T")

_log: Final = logging.getLogger("eventflux_runtime.server")


class Undescribed(LookupError):
    """A service is served, and what it consists of cannot be loaded; the text says why."""


class Catalogue:
    """Looks names up in the pools that the methods of a server are described in, and last in protobuf's default pool.

    That has all packages which the process has loaded: a message that travels in an ``Any`` is found, though no method
    names it. Names are full ones, without a dot in front.
    """

    def __init__(self, methods: Iterable[AnyMethod]) -> None:
        self._methods = tuple(methods)
        self.services: Final = tuple(sorted({method.service for method in self._methods}))
        """The names of the services, in order."""

    def file_by_name(self, name: str) -> FileDescriptor:
        """The file of a path, as ``google/protobuf/any.proto``. Raises KeyError."""
        return self._first(lambda pool: pool.FindFileByName(name))

    def file_of_symbol(self, symbol: str) -> FileDescriptor:
        """The file that defines a message, an enum, a service, or what is within one, as ``package.Service.Method``.

        Raises KeyError, and Undescribed for a service that cannot be described and its methods.
        """
        for method in self._methods:
            if symbol in {method.service, f"{method.service}.{method.name}"}:
                self._refuse_unloaded(method)
        return self._first(lambda pool: _file_of_symbol(pool, symbol))

    def file_of_extension(self, type_name: str, number: int) -> FileDescriptor:
        """The file that extends a message by a field of that number. Raises KeyError."""
        return self._first(lambda pool: _file_of_extension(pool, type_name, number))

    def extension_numbers(self, type_name: str) -> list[int]:
        """The numbers of all fields that a message is extended by, in order. Raises KeyError."""
        found = self._first(lambda pool: pool.FindAllExtensions(pool.FindMessageTypeByName(type_name)))
        return sorted(extension.number for extension in found)

    def _first(self, find: Callable[[DescriptorPool], T]) -> T:
        for pool in self._pools[:-1]:
            try:
                return find(pool)
            except KeyError:
                continue
        return find(self._pools[-1])

    def _refuse_unloaded(self, method: AnyMethod) -> None:
        for place in _places(method):
            found = self._loaded[place]
            if isinstance(found, str):
                raise Undescribed(found)

    @cached_property
    def _pools(self) -> tuple[DescriptorPool, ...]:
        default = descriptor_pool.Default()
        own: list[DescriptorPool] = []
        for file in self._loaded.values():
            if not isinstance(file, str) and file.pool is not default and file.pool not in own:
                own.append(file.pool)
        return (*own, default)

    @cached_property
    def _loaded(self) -> dict[str, FileDescriptor | str]:
        """The file of each place that the methods name, or why there is none."""
        places = dict.fromkeys(place for method in self._methods for place in _places(method))
        return {place: _load(place) for place in places}


def with_imports(file: FileDescriptor) -> Iterator[FileDescriptor]:
    """A file, then all that it imports and those import in turn, each once."""
    names = {file.name}
    waiting = [file]
    while waiting:
        found = waiting.pop()
        yield found
        for imported in found.dependencies:
            if imported.name not in names:
                names.add(imported.name)
                waiting.append(imported)


def _file_of_symbol(pool: DescriptorPool, symbol: str) -> FileDescriptor:
    try:
        return pool.FindFileContainingSymbol(symbol)
    except KeyError:  # as for methods, which it does not look for
        service, _, method = symbol.rpartition(".")
        return pool.FindServiceByName(service).methods_by_name[method].containing_service.file


def _file_of_extension(pool: DescriptorPool, type_name: str, number: int) -> FileDescriptor:
    extension: Any = pool.FindExtensionByNumber(pool.FindMessageTypeByName(type_name), number)
    file: FileDescriptor = extension.file  # which the stubs of protobuf's types lack
    return file


def _places(method: AnyMethod) -> Iterable[str]:
    """Where the descriptors of a method are."""
    return filter(None, (method.proto,) if method.proto else (method.request.proto, method.response.proto))


def _load(place: str) -> FileDescriptor | str:
    """The file at a place, as a `Method` and a `MessageCodec` name them, or why there is none."""
    try:
        found = load_proto(place, f"what {place} defines")
        file: FileDescriptor = found if isinstance(found, FileDescriptor) else found.DESCRIPTOR.file
    except ConfigError as error:
        _log.error("%s", error)
        return str(error)
    except Exception:  # noqa: BLE001 - logged; whatever a module lets out, the other services are described
        _log.exception("what %s defines cannot be described", place)
        return f"what {place} defines cannot be described"
    return file
