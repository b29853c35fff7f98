"""Turns an IDL and its options into a typed SDK: messages, codec, clients, services, and protobuf's own modules."""

from __future__ import annotations

from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.generator import CheckResult, GenerationResult, check, generate

__all__ = ["CheckResult", "GenerationError", "GenerationResult", "Place", "check", "generate"]
