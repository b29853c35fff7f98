"""What each call of a soak carries: bytes that depend on its number, so that no answer passes for another's."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["REQUEST_BYTES", "RESPONSE_BYTES", "request_of", "response_of"]

REQUEST_BYTES: Final = 271_828
RESPONSE_BYTES: Final = 314_159
_NUMBER_BYTES: Final = 8
_STEP: Final = 7919
"""Prime, so that neighbouring calls share no alignment."""
_OFFSETS: Final = 65_536
_NOISE: Final = random.Random(REQUEST_BYTES).randbytes(_OFFSETS + RESPONSE_BYTES)


def request_of(call: int) -> bytes:
    """What the client sends."""
    return _content(call, REQUEST_BYTES, _STEP)


def response_of(call: int) -> bytes:
    """What the server answers to it."""
    return _content(call, RESPONSE_BYTES, _STEP + 2)


def _content(call: int, size: int, step: int) -> bytes:
    offset = call * step % _OFFSETS
    return call.to_bytes(_NUMBER_BYTES, "big") + _NOISE[offset : offset + size - _NUMBER_BYTES]
