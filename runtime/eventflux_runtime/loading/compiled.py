"""Which modules run as machine code: mypyc compiles the wire core and the generated codec from the same sources.

`mypyc_attr` marks classes for mypyc, which reads the marks when it compiles; interpreted, they change nothing. `i64` is
an integer of 64 bits there, faster and without a check for overflow; interpreted, it is any integer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from mypy_extensions import i64, mypyc_attr
else:
    i64 = int

    def mypyc_attr(**marks: object) -> Callable[[T], T]:
        """What mypy brings, for those who have none: leaves the class as it is."""
        return lambda marked: marked


__all__ = ["compiled_modules", "i64", "mypyc_attr"]


def compiled_modules(package: str = "eventflux_runtime") -> tuple[str, ...]:
    """The modules of a package that this process has loaded as machine code, sorted; none in the pure form.

    Args:
        package: ours, or a generated one, such as ``eventflux_transport``, to learn about its codec.
    """
    prefix = f"{package}."
    return tuple(
        sorted(
            name
            for name, module in list(sys.modules.items())
            if name.startswith(prefix) and isinstance(getattr(module, "__loader__", None), ExtensionFileLoader)
        )
    )
