"""What one side tells the other that it decompresses: names joined by commas, the most wanted first."""

from __future__ import annotations

from collections.abc import Collection

from eventflux_runtime.compression.algorithm import available_compressions
from eventflux_runtime.rpc.config import Compression

__all__ = ["offer", "offered", "usable"]


def offer(compressions: Collection[Compression]) -> str:
    """The text of an offer."""
    return ",".join(compression.value for compression in compressions)


def offered(text: str, among: Collection[Compression]) -> tuple[Compression, ...]:
    """The algorithms of an offer that are among some, in its order; what else it names is left out."""
    known = {compression.value: compression for compression in among}
    return tuple(known[name] for name in text.split(",") if name in known)


def usable(among: Collection[Compression]) -> tuple[Compression, ...]:
    """Those of some algorithms that are installed here, the best first."""
    return tuple(compression for compression in available_compressions() if compression in among)
