"""The names that generated modules have of their own: what they import, and what they define for all classes."""

from __future__ import annotations

import re
from typing import Final

from eventflux_codegen.kind import KINDS

__all__ = [
    "CODEC_NAMES",
    "IMPORTED_CLASSES",
    "LIBRT",
    "MESSAGE_MODULE_NAMES",
    "NATIVE_RUNTIME",
    "PROTOBUF_RUNTIME",
    "defined_in",
    "words_of",
]

IMPORTED_CLASSES: Final = frozenset(
    {
        "Any", "AnyBinding", "AsyncIterator", "BidiStream", "Binding", "BlockingBidiStream", "BlockingClient",
        "BlockingClientStream", "BlockingServerStream", "BytesWriter", "CallOptions", "Client", "ClientStream",
        "CodecError", "Compression", "Context", "Coroutine", "EXPECTS", "FIELDS", "Final", "Method",
        "MethodKind", "Repeats", "RetryPolicy", "ServerStream", "Service", "StatusCode", "TYPE_CHECKING", "UNSET",
        "Unpack",
    }
)  # fmt: skip
"""Names that are taken in generated modules; a class of that name is imported there under another."""

MESSAGE_MODULE_NAMES: Final = frozenset(
    {
        "blocking", "bool", "bytes", "classmethod", "client", "codec", "dict", "errors", "float", "idl_names", "int",
        "json_fields", "list", "messages", "methods", "msgspec", "protobuf", "runtime", "service", "str", "super",
        "type", "typing", "uuid", "well_known",
    }
)  # fmt: skip
"""Names that the module of the messages refers to, and those of the package's modules."""

NATIVE_RUNTIME: Final = frozenset(
    {
        "CodecError",
        "bad_flag",
        "bad_length",
        "bad_variant",
        "lacking",
        "malformed",
        "no_member",
        "no_variant",
        "overlong",
        "require",
        "too_deep",
        "too_many_empty",
        "trailing",
        "unfit",
        "unset",
        "veiled",
    }
)
"""What of the runtime the codec may name: what says what is wrong with a message."""

PROTOBUF_RUNTIME: Final = frozenset(
    {
        "CodecError",
        "Repeats",
        "absent",
        "bad_record",
        "block_of",
        "block_size",
        "bool_bits",
        "fixed32_at",
        "fixed64_at",
        "int32_bits",
        "int64_bits",
        "is_zero",
        "keep",
        "keep_any",
        "keep_entry",
        "keep_number",
        "long_size",
        "long_tag",
        "long_varint",
        "overrun",
        "path_of",
        "repeated",
        "require",
        "signed32",
        "sint32_bits",
        "sint64_bits",
        "skip_value",
        "too_deep",
        "uint32_bits",
        "uint64_bits",
        "uint64_of",
        "unfit",
        "unset",
        "unzigzag",
        "varint_size",
        "veiled",
        "write_block",
        "write_fixed32",
        "write_fixed64",
        "write_varint",
    }
)
"""What of the runtime the functions of protobuf's encoding may name."""

LIBRT: Final = frozenset(f"{verb}_{kind}_le" for verb in ("read", "write") for kind in ("i32", "i64", "f32", "f64"))
"""The functions of librt that both codecs may call."""

_DEFINED: Final = re.compile(r"^def (\w+)", re.MULTILINE)
_TEXT: Final = re.compile(
    r'"""(?s:.*?)"""'  # a docstring
    r"|#.*"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
)
"""What has no names in it: texts and comments. The codecs have no f-strings."""
_WORD: Final = re.compile(r"[^\W\d]\w*")

CODEC_NAMES: Final = frozenset(
    {
        "_MAX_DEPTH",
        "_MAX_EMPTY",
        "_astuple",
        "astuple",
        "i64",
        "register",
        "register_protobuf",
        *IMPORTED_CLASSES,
        *NATIVE_RUNTIME,
        *PROTOBUF_RUNTIME,
        *LIBRT,
        *(name for row in KINDS.values() for name in _DEFINED.findall(row.functions)),
    }
)
"""What the codecs import, or define whatever the messages are."""


def defined_in(code: str) -> list[str]:
    """The functions that some code defines."""
    return _DEFINED.findall(code)


def words_of(code: str) -> frozenset[str]:
    """The names that stand in some code, and its keywords; what stands in its texts is left out."""
    return frozenset(_WORD.findall(_TEXT.sub("", code)))
