"""Which modules run as machine code: mypyc compiles the wire core and the generated codec from the same sources."""

from __future__ import annotations

import sys
from importlib.machinery import ExtensionFileLoader

__all__ = ["compiled_modules"]


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
