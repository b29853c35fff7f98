"""The base of every generated service."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Self

from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.handler import HANDLER_ARGUMENTS, refuse_wrong_handler

__all__ = ["Service", "checked_bindings", "declared_handlers"]

_DECLARED: Final = (("self", "request", "context"), ("self", "requests", "context"))
"""The parameters of what a generated service declares as a handler."""


class Service(ABC):
    """A set of handlers. A generated subclass has one abstract method for each method of the IDL.

    A subclass in which a handler has the wrong form cannot be instantiated: one that is no ``async def``, that yields
    although its method has one response or does not although it streams, or that takes other arguments.

    Raises:
        ConfigError: a handler has the wrong form.
    """

    if not TYPE_CHECKING:  # its arguments would be taken for those of every service

        def __new__(cls, *args: Any, **kwargs: Any) -> Self:
            """Makes a service whose handlers have the form that its base declares."""
            parent = super().__new__
            if parent is not object.__new__:
                made = parent(cls, *args, **kwargs)
            elif (args or kwargs) and cls.__init__ is object.__init__:
                raise TypeError(f"{cls.__name__}() takes no arguments")
            else:
                made = parent(cls)
            _refuse_wrong_handlers(cls)
            return made

    @abstractmethod
    def _bindings(self) -> Sequence[AnyBinding]:
        """Each method with its handler; generated."""


def checked_bindings(service: Service) -> tuple[AnyBinding, ...]:
    """The bindings of a service.

    Raises:
        ConfigError: a handler has the wrong form, or what the service lists are no bindings.
    """
    listed: object = service._bindings()
    if not isinstance(listed, Sequence) or not all(isinstance(binding, Binding) for binding in listed):
        raise ConfigError(f"{type(service).__name__}._bindings() has to return a list of Binding, not {listed!r}")
    return tuple(listed)


def _refuse_wrong_handlers(service: type[Service]) -> None:
    """Checks what a class has in the place of the handlers that a generated base declares.

    Descriptors other than methods are left to `Binding`, which sees what they give.
    """
    for name, declared in declared_handlers(service).items():
        is_stream = not inspect.iscoroutinefunction(declared)
        found = inspect.getattr_static(service, name)
        arguments: tuple[str, ...] = HANDLER_ARGUMENTS
        if isinstance(found, classmethod | staticmethod):
            arguments = ("cls", *HANDLER_ARGUMENTS) if isinstance(found, classmethod) else HANDLER_ARGUMENTS
            found = found.__func__
        elif isinstance(found, FunctionType):
            arguments = ("self", *HANDLER_ARGUMENTS)
        elif hasattr(type(found), "__get__"):
            continue
        refuse_wrong_handler(found, f"{service.__name__}.{name}", is_stream=is_stream, arguments=arguments)


def declared_handlers(service: type[Service]) -> dict[str, FunctionType]:
    """The handlers that the generated bases of a class declare, by their names. One that streams is no coroutine."""
    found: dict[str, FunctionType] = {}
    for base in service.__mro__:
        if "_bindings" not in vars(base) or base is Service:
            continue
        for name, declared in vars(base).items():
            if not isinstance(declared, FunctionType) or not getattr(declared, "__isabstractmethod__", False):
                continue
            if tuple(inspect.signature(declared).parameters) in _DECLARED:
                found.setdefault(name, declared)
    return found
