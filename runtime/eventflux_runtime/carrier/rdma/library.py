"""The library of libfabric in this process: found at first use, without a compiler and without headers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import cffi

from eventflux_runtime.carrier.rdma.declaration import DECLARATIONS
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["FFI", "Library", "load_library"]

FFI: Final[Any] = cffi.FFI()
FFI.cdef(DECLARATIONS)
FFI.cdef("int sigaction(int, const void *, void *);")
_ACTION_BYTES: Final = 512
"""More than the ``struct sigaction`` of any system has (sigaction(2)); nothing is read from it."""

_NAMES: Final = ("libfabric.so.1", "libfabric.1.dylib", "libfabric.dylib")
_NO_ERRNO: Final = 256
"""From here on numbers of errors are libfabric's own, and no system's."""


class Library:
    """The functions of libfabric, or of what stands in for it.

    All but the functions of queues and of sending may take long, and let other threads run meanwhile.
    """

    def __init__(self, functions: Any) -> None:
        """Some functions, as cffi or anything else has them, by their names in `DECLARATIONS`."""
        self.functions = functions

    @property
    def version(self) -> str:
        """As ``1.17``."""
        number = self.functions.fi_version()
        return f"{number >> 16}.{number & 0xFFFF}"

    def error(self, code: int, what: str) -> OSError:
        """What a negative result says, as the system's error of that number where there is one."""
        number = -code
        told = FFI.string(self.functions.fi_strerror(number)).decode(errors="replace")
        text = f"{what}: {told.lower()}"
        return OSError(text) if number >= _NO_ERRNO else OSError(number, text)

    def check(self, code: int, what: str) -> int:
        """The result of a function; `what` says what it was to do.

        Raises:
            OSError: it is negative.
        """
        if code < 0:
            raise self.error(code, what)
        return code


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Leaves what the process does on signals as it is.

    Libraries below libfabric (those of the providers psm and psm2) take SIGTERM, SIGSEGV and others for themselves as
    they are loaded, and end the process where Python would have called a handler.
    """
    system = FFI.dlopen(None)
    kept: list[tuple[int, Any]] = []
    for number in map(int, signal.valid_signals()):
        action = FFI.new("char[]", _ACTION_BYTES)
        if system.sigaction(number, FFI.NULL, action) == 0:
            kept.append((number, action))
    try:
        yield
    finally:
        for number, action in kept:
            system.sigaction(number, action, FFI.NULL)  # refused for those that nobody can take


@cache
def load_library() -> Library:
    """The system's.

    Raises:
        ConfigError: there is none.
    """
    for name in _NAMES:
        try:
            with _signals_kept():
                return Library(FFI.dlopen(name))
        except OSError:
            continue
    raise ConfigError(
        "rdma:// needs libfabric, and this system has no libfabric.so.1: run apt-get install libfabric1, "
        "or dnf install libfabric"
    )
