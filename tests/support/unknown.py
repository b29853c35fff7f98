"""Messages with unknown fields."""

from __future__ import annotations

from typing import Any, TypeVar

from eventflux_runtime.codegen_api import Message

__all__ = ["unknown_to"]

M = TypeVar("M", bound=Message[Any, Any])


def unknown_to(message: M, records: bytes) -> M:
    """The message, as it is read where its class has no field for these records."""
    message.unknown_fields = records
    return message
