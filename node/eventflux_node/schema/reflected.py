"""Types that a server describes itself, by gRPC's reflection."""

from __future__ import annotations

from collections.abc import Iterable

from eventflux_node.schema.api import SchemaError
from eventflux_node.schema.described import DescribedSchema
from eventflux_node.schema.resolver import Files
from eventflux_runtime import Channel, NotFound, ReflectionClient, Unimplemented

__all__ = ["ReflectedSchema"]


class _ServerFiles(Files):
    """What a server has, a call for each question."""

    def __init__(self, client: ReflectionClient, timeout_s: float | None) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def of_symbol(self, symbol: str) -> Iterable[bytes]:
        try:
            return await self._client.file_of_symbol(symbol, timeout_s=self._timeout_s)
        except NotFound:
            return ()
        except Unimplemented as error:
            raise _unserved(error) from error

    async def by_name(self, name: str) -> Iterable[bytes]:
        try:
            return await self._client.file_by_name(name, timeout_s=self._timeout_s)
        except NotFound:
            return ()


class ReflectedSchema(DescribedSchema):
    """The services of the server behind a channel."""

    def __init__(self, channel: Channel, *, timeout_s: float | None = None) -> None:
        """A schema that asks as it is asked, each question for so many seconds at most."""
        client = ReflectionClient(channel)
        super().__init__(_ServerFiles(client, timeout_s))
        self._client = client
        self._timeout_s = timeout_s

    async def services(self) -> tuple[str, ...]:
        """The services that the server lists."""
        try:
            return await self._client.services(timeout_s=self._timeout_s)
        except Unimplemented as error:
            raise _unserved(error) from error


def _unserved(error: Unimplemented) -> SchemaError:
    """What to do about a server without reflection."""
    return SchemaError(
        f"{error.message}: give the types by --proto, --descriptor-set or --package, or let the server serve it "
        "(ours does where protobuf is installed)"
    )
