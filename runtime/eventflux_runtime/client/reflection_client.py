"""The client's side of ``grpc.reflection``, in whichever version a server has."""

from __future__ import annotations

from typing import Any, Unpack

import anyio

from eventflux_runtime.client.channel import Channel
from eventflux_runtime.client.client import Client
from eventflux_runtime.client.options import CallOptions
from eventflux_runtime.reflection.method import REFLECTION_METHODS, REFLECTION_V1
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rpc_error import RpcError, Unimplemented
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["ReflectionClient"]


class ReflectionClient(Client):
    """Asks any server that serves ``grpc.reflection.v1`` or ``v1alpha`` what it serves, on any wire.

    Files are serialised ``google.protobuf.FileDescriptorProto``. Every method raises MissingExtraError without
    protobuf, Unimplemented where the server has neither version, and any other RpcError as its call ends.
    """

    __slots__ = ("_version",)

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._version: AnyMethod | None = None

    async def services(self, **options: Unpack[CallOptions]) -> tuple[str, ...]:
        """The full names of the services, in order."""
        response = await self._ask("list_services_response", options, list_services="*")
        return tuple(sorted(service.name for service in response.service))

    async def file_by_name(self, name: str, **options: Unpack[CallOptions]) -> tuple[bytes, ...]:
        """The file of that path, with what the server sends along of the files that it imports.

        Raises:
            NotFound: the server knows no such file.
        """
        return _files(await self._ask("file_descriptor_response", options, file_by_filename=name))

    async def file_of_symbol(self, symbol: str, **options: Unpack[CallOptions]) -> tuple[bytes, ...]:
        """The file that defines a message, an enum, a service or a part of one, as `file_by_name` gives it.

        Raises:
            NotFound: the server knows no such name.
        """
        return _files(await self._ask("file_descriptor_response", options, file_containing_symbol=symbol))

    async def file_of_extension(self, type_name: str, number: int, **options: Unpack[CallOptions]) -> tuple[bytes, ...]:
        """The file that extends a message by a field of that number, as `file_by_name` gives it.

        Raises:
            NotFound: the server knows no such extension.
        """
        wanted = {"containing_type": type_name, "extension_number": number}
        return _files(await self._ask("file_descriptor_response", options, file_containing_extension=wanted))

    async def extension_numbers(self, type_name: str, **options: Unpack[CallOptions]) -> tuple[int, ...]:
        """The numbers of all fields that a message is extended by, in order.

        Raises:
            NotFound: the server knows no such message.
        """
        response = await self._ask("all_extension_numbers_response", options, all_extension_numbers_of_type=type_name)
        return tuple(sorted(response.extension_number))

    async def _ask(self, kind: str, options: CallOptions, **question: Any) -> Any:
        """The part of the answer that was asked for."""
        response = await self._exchange(options, question)
        told = response.WhichOneof("message_response")
        if told == "error_response":
            error = response.error_response
            raise RpcError.from_status(Status(StatusCode.from_number(error.error_code), error.error_message))
        if told != kind:
            raise Unimplemented(f"the server's reflection answered with {told} where {kind} was due")
        return getattr(response, kind)

    async def _exchange(self, options: CallOptions, question: dict[str, Any]) -> Any:
        if self._version is not None:
            return await self._exchange_in(self._version, options, question)
        for version in REFLECTION_METHODS:
            try:
                response = await self._exchange_in(version, options, question)
            except Unimplemented:
                continue
            self._version = version
            return response
        raise Unimplemented(
            f"the server describes itself in no version of {REFLECTION_V1.service}: it serves no reflection"
        )

    async def _exchange_in(self, version: AnyMethod, options: CallOptions, question: dict[str, Any]) -> Any:
        request = type(version.request.from_protobuf(b""))(**question)
        async with self._channel.bidi(version, **options) as stream:
            try:
                await stream.send(request)
                response = await stream.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                raise Unimplemented("the server's reflection ended without an answer") from None
            await stream.end()
        return response


def _files(response: Any) -> tuple[bytes, ...]:
    return tuple(response.file_descriptor_proto)
