"""Names the generator and its version, for the head of each generated file."""

from __future__ import annotations

from typing import Final

__all__ = ["GENERATOR"]

GENERATOR: Final = "eventflux-codegen 0.1"
"""Rises when templates change what they write; patch releases that do not keep generated files as they are."""
