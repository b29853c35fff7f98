"""Memory that a card may write to: pages for messages, and bytes for what is read from a peer."""

from __future__ import annotations

import ctypes
import mmap
from contextlib import suppress
from typing import Any, Final

from eventflux_runtime.carrier.rdma.library import FFI

__all__ = ["Memory", "blank_bytes"]

_new: Final = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)


def blank_bytes(size: int) -> bytes:
    """New bytes, at least one, to be filled by libfabric before anybody else sees them.

    That is how extension modules make bytes (PyBytes_FromStringAndSize without a string, in the Python/C API): no other
    object shares their memory, as one of the language's own ways to make bytes might have it.
    """
    data: bytes = _new(None, size)
    return data


class Memory:
    """Pages of their own, which a card may write to: a process that forks keeps them apart (`fork` in fi_mr(3))."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.view = memoryview(self._map)
        self.pointer: Any = FFI.from_buffer("char[]", self._map)

    def close(self) -> None:
        """Gives it back to the system; nobody may use it any more. A second time does nothing."""
        self.view.release()
        FFI.release(self.pointer)
        with suppress(BufferError):  # somebody has a view of it still, and with that it goes
            self._map.close()
