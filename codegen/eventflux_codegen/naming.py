"""How names of the IDL become names of Python."""

from __future__ import annotations

import keyword
import re
from typing import Final

__all__ = [
    "as_class",
    "as_constant",
    "as_error",
    "as_error_field",
    "as_field",
    "as_json_name",
    "as_member",
    "as_method",
    "as_snake",
    "flatten",
]

SHADOWING_FIELDS: Final = frozenset(
    {
        "bool",
        "bytes",
        "classmethod",
        "dict",
        "enum",
        "float",
        "from_json",
        "from_proto",
        "from_protobuf",
        "from_wire",
        "int",
        "list",
        "msgspec",
        "self",
        "staticmethod",
        "str",
        "to_json",
        "to_proto",
        "to_protobuf",
        "to_wire",
        "type",
        "typing",
        "unknown_fields",
        "uuid",
        "well_known",
    }
)
"""Field names that would hide what the class body or its methods refer to; they get a trailing underscore too."""

SHADOWING_ERROR_FIELDS: Final = frozenset(
    {
        "add_note",
        "args",
        "code",
        "collections",
        "default_code",
        "details",
        "find",
        "from_status",
        "message",
        "metadata",
        "read",
        "runtime",
        "status",
        "unprocessed",
        "with_traceback",
    }
)
"""Fields of an error that would hide what every error has, or what its class refers to."""

SHADOWING_MEMBERS: Final = frozenset({"mro", "name", "value"} | {name for name in dir(int) if not name.startswith("_")})
"""Enum member names that would hide an attribute of `enum.IntEnum`."""

BUILTIN_CLASSES: Final = frozenset(
    {
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "BaseException",
        "BaseExceptionGroup",
        "BlockingIOError",
        "BrokenPipeError",
        "BufferError",
        "BytesWarning",
        "ChildProcessError",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "DeprecationWarning",
        "EOFError",
        "Ellipsis",
        "EncodingWarning",
        "EnvironmentError",
        "Exception",
        "ExceptionGroup",
        "FileExistsError",
        "FileNotFoundError",
        "FloatingPointError",
        "FutureWarning",
        "GeneratorExit",
        "IOError",
        "ImportError",
        "ImportWarning",
        "IndentationError",
        "IndexError",
        "InterruptedError",
        "IsADirectoryError",
        "KeyError",
        "KeyboardInterrupt",
        "LookupError",
        "MemoryError",
        "ModuleNotFoundError",
        "NameError",
        "NotADirectoryError",
        "NotImplemented",
        "NotImplementedError",
        "OSError",
        "OverflowError",
        "PendingDeprecationWarning",
        "PermissionError",
        "ProcessLookupError",
        "PythonFinalizationError",
        "RecursionError",
        "ReferenceError",
        "ResourceWarning",
        "RuntimeError",
        "RuntimeWarning",
        "StopAsyncIteration",
        "StopIteration",
        "SyntaxError",
        "SyntaxWarning",
        "SystemError",
        "SystemExit",
        "TabError",
        "TimeoutError",
        "TypeError",
        "UnboundLocalError",
        "UnicodeDecodeError",
        "UnicodeEncodeError",
        "UnicodeError",
        "UnicodeTranslateError",
        "UnicodeWarning",
        "UserWarning",
        "ValueError",
        "Warning",
        "WindowsError",
        "ZeroDivisionError",
    }
)
"""Built-in names that a message may well have; a list, so that every Python generates the same."""

_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def as_snake(name: str) -> str:
    """``HTTPRequest`` as ``http_request``."""
    return _WORD_BOUNDARY.sub("_", name).lower()


def as_class(name: str) -> str:
    """The class of a message or enum: keywords and built-in names get a trailing underscore."""
    return f"{name}_" if keyword.iskeyword(name) or name in BUILTIN_CLASSES else name


def as_constant(name: str) -> str:
    """``SendMessage`` as ``SEND_MESSAGE``."""
    return as_snake(name).upper()


def as_method(name: str) -> str:
    """The Python method of an RPC: snake case, keywords with a trailing underscore."""
    snake = as_snake(name)
    return f"{snake}_" if keyword.iskeyword(snake) else snake


def as_field(name: str) -> str:
    """The attribute of a field: its name in the IDL, with a trailing underscore where Python could not take it."""
    return f"{name}_" if keyword.iskeyword(name) or name in SHADOWING_FIELDS else name


def as_error(name: str) -> str:
    """The class of an error, or of a status code: ``NODE_FULL`` as ``NodeFull``."""
    return "".join(word.capitalize() for word in name.split("_"))


def as_error_field(name: str) -> str:
    """The attribute of an error's field."""
    return f"{name}_" if name in SHADOWING_ERROR_FIELDS else as_field(name)


def as_json_name(name: str) -> str:
    """``field_name`` as ``fieldName``: what JSON calls a field whose IDL says nothing else."""
    return re.sub(r"_+([a-zA-Z0-9])", lambda match: match[1].upper(), name).replace("_", "")


def as_member(name: str) -> str:
    """The member of an enum value whose prefix has been stripped."""
    return f"{name}_" if keyword.iskeyword(name) or name in SHADOWING_MEMBERS else name


def flatten(package: str, full_name: str) -> str:
    """``Outer.Inner`` of a package as ``OuterInner``; words in snake case are joined in camel case."""
    local = full_name[len(package) + 1 :] if package else full_name
    return "".join(_camel(part) for part in local.split("."))


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))
