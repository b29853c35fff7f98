"""The .proto files whose Python modules somebody else brings: protobuf itself, or Google's common protos."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_descriptor", "is_provided", "is_well_known"]

_FILES: Final = frozenset(
    f"google/protobuf/{name}.proto"
    for name in (
        "any",
        "api",
        "compiler/plugin",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    )
)

_PROVIDED: Final = re.compile(r"google/(?:api|rpc|type)/\w+\.proto")


def is_well_known(file: str) -> bool:
    """Whether protobuf itself brings the file, and its Python module; others may lie in the same folder."""
    return file in _FILES


def is_provided(file: str) -> bool:
    """Whether a package of somebody else's brings the file's Python module: protobuf, or googleapis-common-protos.

    A second module of the same names would not load into the same process.
    """
    return is_well_known(file) or _PROVIDED.fullmatch(file) is not None


def is_descriptor(type_name: str) -> bool:
    """Whether a type, by its full name with a dot before it, may be one that describes .proto files or has options."""
    return type_name.startswith(".google.protobuf.")
