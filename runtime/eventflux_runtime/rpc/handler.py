"""The form of a handler: whether a callable can serve a method, told from how it is written, before any call.

A plain ``def`` counts as what it wraps (`functools.wraps`), or as what it says that it returns. A callable that shows
neither, such as compiled code or a ``def`` that only hands its arguments on, is taken: each call sees what it returns.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from types import FunctionType, MethodType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["HANDLER_ARGUMENTS", "checked_interceptors", "refuse_wrong_handler"]

I = TypeVar("I")  # noqa: E741 - an interceptor, of either side

HANDLER_ARGUMENTS: Final = ("request", "context")
"""What a bound handler is called with."""


class _Form(Enum):
    """What a call of a callable gives, as far as its making shows."""

    COROUTINE = "an 'async def' without 'yield'"
    ASYNC_GENERATOR = "an 'async def' with 'yield'"
    GENERATOR = "a plain 'def' with 'yield'"
    PLAIN = "a plain 'def'"
    UNKNOWN = "a callable"


def refuse_wrong_handler(handler: object, name: str, *, is_stream: bool, arguments: Sequence[str]) -> None:
    """Checks that calling `handler` can give what is wanted.

    Args:
        handler: what is to be called.
        name: what it is called in errors.
        is_stream: whether an async iterator is wanted, rather than something to await.
        arguments: the names of what it is called with, by position.

    Raises:
        ConfigError: it cannot be called so, or is certain to give something else.
    """
    if not callable(handler):
        raise ConfigError(f"{name} is not callable, but {handler!r}: it has to be a function")
    fault = _fault_of(handler, is_stream)
    if fault:
        raise ConfigError(f"{name} {fault}")
    if not _takes(handler, len(arguments)):
        raise ConfigError(
            f"{name} takes {inspect.signature(handler, follow_wrapped=False)}, and is called with "
            f"({', '.join(arguments)}): give it these arguments"
        )


def checked_interceptors(interceptors: Iterable[I], *arguments: str) -> tuple[I, ...]:
    """Interceptors that can be awaited when they are called with `arguments`.

    Raises:
        ConfigError: one cannot, or they are no list.
    """
    if callable(interceptors) or not isinstance(interceptors, Iterable):
        raise ConfigError(f"interceptors is a list: write interceptors=[...], not {interceptors!r}")
    given = tuple(interceptors)
    for index, interceptor in enumerate(given):
        if isinstance(interceptor, type):
            raise ConfigError(
                f"interceptors[{index}] is the class {interceptor.__name__}: pass an instance, {interceptor.__name__}()"
            )
        refuse_wrong_handler(interceptor, f"interceptors[{index}]", is_stream=False, arguments=arguments)
    return given


def _fault_of(handler: Callable[..., Any], is_stream: bool) -> str:
    """What is wrong with the form of a handler, and what to do; empty if nothing is."""
    if isinstance(handler, type):
        wanted = AsyncIterable if is_stream else Awaitable
        return "" if issubclass(handler, wanted) else f"is the class {handler.__name__}: give an async function"
    form, function = _form_of(handler)
    if form is _Form.UNKNOWN or form is (_Form.ASYNC_GENERATOR if is_stream else _Form.COROUTINE):
        return ""
    if form is _Form.PLAIN:
        return _plain_fault(function, is_stream)
    if form is _Form.GENERATOR:
        return f"is {form.value}, which cannot be waited for: write 'async def'"
    if is_stream:
        return f"is {form.value}, but its method streams responses: yield each of them"
    return f"is {form.value}, but its method has one response: return it"


def _plain_fault(function: Any, is_stream: bool) -> str:
    """What is wrong with a plain ``def``, which may return anything."""
    annotation = _return_annotation(function)
    if annotation is not None:
        wanted: type = AsyncIterable if is_stream else Awaitable
        if _may_be(annotation, wanted):
            return ""
        shown = inspect.formatannotation(annotation)
        if is_stream:
            return f"is a plain 'def' that returns {shown}, but its method streams: write 'async def' and yield"
        return f"is a plain 'def' that returns {shown}, which cannot be awaited: write 'async def'"
    if is_stream or function.__name__ == "<lambda>" or _hands_on(function):
        return ""
    return "is a plain 'def', which cannot be awaited: write 'async def', or annotate that it returns an Awaitable"


def _form_of(handler: Any) -> tuple[_Form, Any]:
    """The form, and the function that has it. A plain ``def`` made with `functools.wraps` is what it wraps."""
    while isinstance(handler, partial | MethodType):
        handler = handler.func if isinstance(handler, partial) else handler.__func__
    if inspect.iscoroutinefunction(handler):
        return _Form.COROUTINE, handler
    if inspect.isasyncgenfunction(handler):
        return _Form.ASYNC_GENERATOR, handler
    if not isinstance(handler, FunctionType):
        call = getattr(type(handler), "__call__", None)  # noqa: B004 - its function is wanted, not whether it is there
        return _form_of(call) if isinstance(call, FunctionType) else (_Form.UNKNOWN, handler)
    if handler.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return _Form.COROUTINE, handler
    if inspect.isgeneratorfunction(handler):
        return _Form.GENERATOR, handler
    wrapped = getattr(handler, "__wrapped__", None)
    return (_Form.PLAIN, handler) if wrapped is None or wrapped is handler else _form_of(wrapped)


def _hands_on(function: Any) -> bool:
    """Whether it takes any arguments, so that it decides nothing about them itself."""
    return any(
        parameter.kind is parameter.VAR_POSITIONAL for parameter in inspect.signature(function).parameters.values()
    )


def _return_annotation(function: Any) -> Any:
    """The type that a function says it returns; `Any` for one that cannot be told, None without an annotation."""
    stated = getattr(function, "__annotations__", {}).get("return", inspect.Parameter.empty)
    if stated is inspect.Parameter.empty:
        return None

    def carrier() -> None: ...

    # By itself, because the types of arguments are often imported for type checkers alone.
    carrier.__annotations__ = {"return": stated}
    try:
        return get_type_hints(carrier, globalns=getattr(function, "__globals__", {}))["return"]
    except Exception:  # noqa: BLE001 - an annotation is any expression; one that cannot be evaluated tells nothing
        return Any


def _may_be(annotation: Any, wanted: type) -> bool:
    """Whether a value of that type may be a `wanted`."""
    if annotation is Any or annotation is object:
        return True
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and origin is not UnionType:
        return issubclass(origin, wanted)
    arms = get_args(annotation)
    return not arms or any(_may_be(arm, wanted) for arm in arms)


def _takes(handler: Callable[..., Any], count: int) -> bool:
    try:
        # A decorator may add arguments or take some away, so the outermost function counts.
        signature = inspect.signature(handler, follow_wrapped=False)
    except (TypeError, ValueError, NameError):
        return True  # compiled code need not say what it takes
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
