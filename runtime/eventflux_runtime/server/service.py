"""The base of every generated service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from eventflux_runtime.method import AnyBinding

__all__ = ["Service"]


class Service(ABC):
    """A set of handlers. A generated subclass has one abstract method for each method of the IDL."""

    @abstractmethod
    def _bindings(self) -> Sequence[AnyBinding]:
        """Each method with its handler; generated."""
