"""The base of the errors that a package declares in its options: exceptions with fields, carried as ``ErrorInfo``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, final

from eventflux_runtime.rpc.counted_log import CountedLog
from eventflux_runtime.rpc.error_field import ErrorField
from eventflux_runtime.rpc.error_info import NamedCause
from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
from eventflux_runtime.rpc.metadata import MetadataLike
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import DetailMessage, ErrorDetail, Status
from eventflux_runtime.rpc.status_part import plain_code, plain_details, plain_metadata, plain_text

__all__ = ["DeclaredError", "ErrorDeclaration"]

_REFUSALS: Final = (
    AttributeError,
    CodecError,
    MissingExtraError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a field that does not hold what it should makes its conversion fail with."""
_log: Final = CountedLog(logging.getLogger("eventflux_runtime"))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDeclaration:
    """What the options say of an error."""

    reason: str
    """Its name, as ``NODE_FULL``."""
    domain: str
    """Who declares it: a name that is the same in each language, such as the proto package."""
    text: str
    """The text of an error that is raised without one."""
    fields: tuple[ErrorField, ...] = ()

    def is_in(self, detail: ErrorDetail) -> bool:
        """Whether a detail tells of this error."""
        return self._cause_in(detail) is not None

    def _cause_in(self, detail: ErrorDetail) -> NamedCause | None:
        cause = NamedCause.of(detail)
        is_own = cause is not None and (cause.reason, cause.domain) == (self.reason, self.domain)
        return cause if is_own else None

    def read(self, detail: ErrorDetail) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The fields in a detail, and what this side has no field for; None where it does not tell of this error.

        Raises:
            ValueError: a field holds no value of its type; or CodecError.
        """
        cause = self._cause_in(detail)
        if cause is None:
            return None
        rest = dict(cause.metadata)
        texts = [(field, rest.pop(field.name)) for field in self.fields if field.name in rest]
        return {field.python_name: field.from_text(text) for field, text in texts}, rest

    def pack(self, error: object, rest: Mapping[str, str]) -> ErrorDetail | None:
        """The detail of an error with these fields; None, with a word in the log, where one cannot be carried."""
        metadata: dict[str, str] = {}
        for field in self.fields:
            try:
                value = getattr(error, field.python_name)
                if value is not None:
                    metadata[field.name] = field.to_text(value)
            except _REFUSALS as refusal:
                _log.warning("%s is sent without its fields: %s: %s", self.reason, field.python_name, refusal)
                return None
        try:
            return NamedCause(self.reason, self.domain, {**metadata, **rest}).detail
        except UnicodeEncodeError as refusal:
            _log.warning("%s is sent without its fields: %s", self.reason, refusal)
            return None


class DeclaredError(RpcError):
    """An error that a package's options declare; each of them is a class with its own fields.

    A handler raises one and clients catch one, for the methods that name it. It travels as its code and text, with a
    ``google.rpc.ErrorInfo`` as the first of the details. A client that does not know it gets the class of the code.

    What cannot be sent never hides the failure: of an error whose fields do not hold what they should, the code and the
    text arrive, and the log of the server says so.
    """

    __declaration__: ClassVar[ErrorDeclaration]

    _rest: Mapping[str, str] = MappingProxyType({})
    """What came beside the fields, from a peer that knows more of them."""

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Iterable[ErrorDetail | DetailMessage] = (),
        metadata: MetadataLike | None = None,
    ) -> None:
        """An error ready to be raised; a child sets its fields first. None as text: the declaration's."""
        super().__init__(self.__declaration__.text if message is None else message, details=details, metadata=metadata)
        self.details = self._packed()

    @property
    def status(self) -> Status:
        """See `RpcError.status`. The fields are sent as they are now."""
        return Status(plain_code(self.code), plain_text(self.message), self._packed(), plain_metadata(self.metadata))

    def _packed(self) -> tuple[ErrorDetail, ...]:
        """The details, that of the fields first."""
        declared = self.__declaration__
        others = tuple(detail for detail in plain_details(self.details) if not declared.is_in(detail))
        own = declared.pack(self, self._rest)
        return others if own is None else (own, *others)

    @classmethod
    def read(cls, status: Status, *, unprocessed: bool = False) -> Self | None:
        """The error that a status tells of; None where it tells of none of this class that can be read."""
        if status.code is not cls.default_code:
            return None
        for detail in status.details:
            try:
                found = cls.__declaration__.read(detail)
            except _REFUSALS:
                continue
            if found is not None:
                values, rest = found
                made = cls(status.message, metadata=status.trailers, **values)
                made.details, made.unprocessed = status.details, unprocessed
                made._rest = rest
                return made
        return None
