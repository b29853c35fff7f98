"""How names of the IDL become names of TypeScript: as protobuf-es and connect-es have them."""

from __future__ import annotations

from typing import Final

__all__ = ["as_member", "as_method", "as_property", "as_type", "camel"]

_OBJECT: Final = frozenset(
    {
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toJSON",
        "toLocaleString",
        "toString",
        "valueOf",
    }
)
"""What every object has."""
_ERROR: Final = frozenset(
    {"cause", "code", "details", "findDetails", "message", "metadata", "name", "rawMessage", "stack", "unprocessed"}
)
"""What every error of a call has."""
_WORDS: Final = """
    any arguments as async await bigint boolean break case catch class const continue debugger declare default
    delete do else enum eval export extends false finally for from function get if implements import in infer
    instanceof interface is keyof let module namespace never new null number object of out package private
    protected public readonly require return satisfies set static string super switch symbol this throw true try
    type typeof undefined unique unknown using var void while with yield Array AsyncIterable Boolean Error Map
    Number Object Promise String Symbol Uint8Array globalThis
"""
_TYPES: Final = frozenset(_WORDS.split())
"""What no type, constant or class may be called: words of the language, and names that generated modules refer to."""


def camel(name: str) -> str:
    """``some_field`` as ``someField``: as protobuf-es does it, which leaves the case of the first letter."""
    made, is_next_upper = "", False
    for character in name:
        if character == "_":
            is_next_upper = True
            continue
        made += character.upper() if is_next_upper and not character.isdigit() else character
        is_next_upper = False
    return made or name


def as_property(name: str, *, is_error: bool = False) -> str:
    """The property of a field, or of a declared error's."""
    made = camel(name)
    return f"{made}$" if made in _OBJECT or (is_error and made in _ERROR) else made


def as_method(name: str) -> str:
    """The method of a client; one called ``then`` would make promises of clients."""
    made = camel(name)
    made = f"{made[:1].lower()}{made[1:]}"
    return f"{made}$" if made in _OBJECT or made == "then" else made


def as_member(name: str) -> str:
    """The member of an enum whose prefix was stripped."""
    return f"{name}$" if name in _OBJECT else name


def as_type(name: str) -> str:
    """A type, a constant or a class."""
    return f"{name}$" if name in _TYPES else name
