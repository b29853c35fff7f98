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
    "camel",
    "flatten",
    "in_capitals",
    "keep_apart",
]

SHADOWING_FIELDS: Final = frozenset(
    {
        "_unknown_fields",
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

SHADOWING_MEMBERS: Final = frozenset(
    {
        "as_integer_ratio",
        "bit_count",
        "bit_length",
        "conjugate",
        "denominator",
        "from_bytes",
        "imag",
        "is_integer",
        "mro",
        "name",
        "numerator",
        "real",
        "to_bytes",
        "value",
    }
)
"""Enum member names that would hide an attribute of `enum.IntEnum`; a list, so that every Python generates the same."""

SHADOWING_METHODS: Final = frozenset({"_abc_impl", "_bindings", "_channel", "abstractmethod", "tuple"})
"""Methods that would hide what the classes of clients and services have, or what their bodies refer to."""

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


def in_capitals(stem: str) -> str:
    """``http_request`` as ``HTTP_REQUEST``; a stem that has capitals already stays as it is, and so differs from it."""
    return stem.upper() if stem.islower() else stem


def as_method(name: str) -> str:
    """The Python method of an RPC: snake case, with a trailing underscore where Python could not take it."""
    snake = _unmangled(as_snake(name))
    return f"{snake}_" if keyword.iskeyword(snake) or snake in SHADOWING_METHODS else snake


def as_field(name: str) -> str:
    """The attribute of a field: its name in the IDL, with a trailing underscore where Python could not take it."""
    plain = _unmangled(name)
    return f"{plain}_" if keyword.iskeyword(plain) or plain in SHADOWING_FIELDS else plain


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
    """The member of an enum value whose prefix has been stripped; enums take no underscore in front."""
    plain = name.lstrip("_")
    if not plain.isidentifier() and not keyword.iskeyword(plain):
        plain = f"VALUE_{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) or plain in SHADOWING_MEMBERS or plain != name else plain


def flatten(package: str, full_name: str) -> str:
    """``Outer.Inner`` of a package as ``OuterInner``; words in snake case are joined in camel case."""
    local = full_name[len(package) + 1 :] if package else full_name
    return "".join(camel(part) for part in local.split("."))


def keep_apart(package: str, full_name: str) -> str:
    """``Outer.Inner`` of a package as ``Outer_Inner``, and ``outer_thing`` as ``Outer_thing``."""
    local = full_name[len(package) + 1 :] if package else full_name
    return "_".join(part[:1].upper() + part[1:] for part in local.split("."))


def camel(name: str) -> str:
    """``some_message`` and ``some.message`` as ``SomeMessage``; a name of underscores alone is left as it is."""
    words = re.split(r"[_.]", name)
    return "".join(word[:1].upper() + word[1:] for word in words) or f"X{name}"


def _unmangled(name: str) -> str:
    """A name without the two underscores in front that have Python mangle it in classes."""
    return f"_{name.lstrip('_')}" if name.startswith("__") else name
