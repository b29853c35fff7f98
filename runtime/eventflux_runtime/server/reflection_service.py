"""The server's side of ``grpc.reflection``: it describes every service of the server, itself too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from eventflux_runtime.reflection.method import REFLECTION_METHODS
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.server.service import Service

if TYPE_CHECKING:
    from eventflux_runtime.reflection.catalogue import Catalogue
    from eventflux_runtime.rpc.context import Context

__all__ = ["ReflectionService", "reflection_of"]


class ReflectionService(Service):
    """Answers in the versions of ``ServerReflection`` that it is made with.

    Protobuf and the descriptors are loaded at the first question.
    """

    def __init__(self, described: Sequence[AnyMethod], versions: Sequence[AnyMethod]) -> None:
        """Describes methods, and its own.

        Args:
            described: the methods of all other services.
            versions: those of `REFLECTION_METHODS` that it serves.
        """
        self._described = (*described, *versions)
        self._versions = tuple(versions)

    async def server_reflection_info(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        """One answer to each question, in order, until the client asks no more."""
        from eventflux_runtime.reflection.answer import answer  # noqa: PLC0415 - needs protobuf

        async for request in requests:
            yield answer(self._catalogue, request)

    @cached_property
    def _catalogue(self) -> Catalogue:
        from eventflux_runtime.reflection.catalogue import Catalogue  # noqa: PLC0415 - needs protobuf

        return Catalogue(self._described)

    def _bindings(self) -> tuple[AnyBinding, ...]:
        return tuple(Binding.bidi(version, self.server_reflection_info) for version in self._versions)


def reflection_of(services: Sequence[Service], wanted: bool | None) -> tuple[Service, ...]:
    """What reflects services: one service, or none where that is not wanted or they reflect themselves.

    Args:
        services: all others of the server. Where one serves a version of ``ServerReflection``, it does so alone.
        wanted: `ServerConfig.reflection`.

    Raises:
        MissingExtraError: it is wanted, and protobuf is not installed.
    """
    if wanted is False:
        return ()
    if not _has_protobuf():
        if wanted is None:
            return ()
        raise MissingExtraError("ServerConfig.reflection", "protobuf")
    described = [binding.method for service in services for binding in service._bindings()]
    names = {method.service for method in described}
    versions = [version for version in REFLECTION_METHODS if version.service not in names]
    return (ReflectionService(described, versions),) if versions else ()


def _has_protobuf() -> bool:
    """Whether it can be imported, without doing so."""
    try:
        return find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # of "google", which other distributions share
        return False
