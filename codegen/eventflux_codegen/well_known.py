"""The .proto files that protobuf itself brings, with their Python modules."""

from __future__ import annotations

from typing import Final

__all__ = ["is_descriptor", "is_well_known"]

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


def is_well_known(file: str) -> bool:
    """Whether protobuf itself brings the file, and its Python module; others may lie in the same folder."""
    return file in _FILES


def is_descriptor(type_name: str) -> bool:
    """Whether a type, by its full name with a dot before it, may be one that describes .proto files or has options."""
    return type_name.startswith(".google.protobuf.")
