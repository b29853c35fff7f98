"""What pipes read into: one buffer for each thread, instead of one for each connection or each read."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["READ_BUFFER"]

_BUFFER_BYTES: Final = 128 * 1024


class _ReadBuffer(threading.local):
    """One will do: a thread runs one event loop at a time, and what is read is copied out before anything else runs."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_BUFFER_BYTES))


READ_BUFFER: Final = _ReadBuffer()
"""The thread's own, as ``READ_BUFFER.view``."""
