"""How classes are marked for mypyc, which reads the marks when it compiles; interpreted, they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**marks: object) -> Callable[[T], T]:
        """What mypy brings, for those who have none: leaves the class as it is."""
        return lambda marked: marked


__all__ = ["mypyc_attr"]
