"""What the templates see of the errors that the options declare: frozen, and made by `declared_error`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from eventflux_codegen.model import Lines

__all__ = ["DeclaredError", "ErrorField"]


@dataclass(frozen=True, slots=True)
class ErrorField:
    """One field of a declared error."""

    name: str
    """In the options, and on the wire."""
    attribute: str
    """In Python."""
    annotation: str
    parameter: str
    """The constructor's, with its annotation and its default."""
    assigned: str
    """What the constructor makes the attribute."""
    value: str
    """The runtime's type of one value, as an expression."""
    is_repeated: bool
    type_text: str
    """The type as the options name it, messages and enums in full."""
    imported: tuple[tuple[str, str, str], ...]
    """The class that it needs: the module that has it, empty for the package's own, its name there, and that here."""


@dataclass(frozen=True, slots=True)
class DeclaredError:
    """One error that the options declare."""

    name: str
    reason: str
    """Its name in the options, and on the wire."""
    domain: str
    code: str
    base: str
    """The runtime's exception class of its status code."""
    text: str
    """What it says where it is raised without a text."""
    doc: Lines
    fields: tuple[ErrorField, ...]

    @property
    def domain_literal(self) -> str:
        """The domain as Python writes it."""
        return json.dumps(self.domain, ensure_ascii=False)

    @property
    def text_literal(self) -> str:
        """The text as Python writes it."""
        return json.dumps(self.text, ensure_ascii=False)
