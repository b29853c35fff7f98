"""Types that a server describes itself, by gRPC's reflection."""

from __future__ import annotations

from collections.abc import Iterable

from eventflux_node.schema.api import SchemaError
from eventflux_node.schema.described import DescribedSchema
from eventflux_node.schema.resolver import Files
from eventflux_runtime import CallOptions, Channel, NotFound, ReflectionClient, Unimplemented

__all__ = ["ReflectedSchema"]


class _ServerFiles(Files):
    """What a server has, a call for each question."""

    def __init__(self, client: ReflectionClient, options: CallOptions) -> None:
        self._client = client
        self._options = options

    async def of_symbol(self, symbol: str) -> Iterable[bytes]:
        try:
            return await self._client.file_of_symbol(symbol, **self._options)
        except NotFound:
            return ()
        except Unimplemented as error:
            raise _unserved(error) from error

    async def by_name(self, name: str) -> Iterable[bytes]:
        try:
            return await self._client.file_by_name(name, **self._options)
        except NotFound:
            return ()


class ReflectedSchema(DescribedSchema):
    """The services of the server behind a channel."""

    def __init__(self, channel: Channel, options: CallOptions) -> None:
        """A schema that asks as it is asked, in calls with these options."""
        client = ReflectionClient(channel)
        super().__init__(_ServerFiles(client, options))
        self._client = client
        self._options = options

    async def services(self) -> tuple[str, ...]:
        """The services that the server lists."""
        try:
            return await self._client.services(**self._options)
        except Unimplemented as error:
            raise _unserved(error) from error


def _unserved(error: Unimplemented) -> SchemaError:
    """What to do about a server without reflection."""
    return SchemaError(
        f"{error.message}: give the types by --proto, --descriptor-set or --package, or let the server serve it "
        "(ours does where protobuf is installed)"
    )
