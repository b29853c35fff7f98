"""gRPC's server reflection, ``grpc.reflection.v1`` and ``v1alpha``, by grpcio-reflection.

That library serves v1alpha; v1 has the same messages under another name
(https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto), so both go to its servicer.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, TypeVar

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from eventflux_runtime.health.descriptor import HEALTH_POOL
from eventflux_runtime.health.method import HEALTH_CHECK
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.errors import MissingExtraError

__all__ = ["reflection_handlers"]

T = TypeVar("T")

_SERVICES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_METHOD: Final = "ServerReflectionInfo"


def reflection_handlers(dispatcher: Dispatcher, config: ServerConfig) -> list[grpc.GenericRpcHandler]:
    """The handlers to register behind those of the dispatcher; none where the configuration asks for none.

    Raises:
        MissingExtraError: reflection is asked for and grpcio-reflection is not installed.
    """
    if config.reflection is False:
        return []
    try:
        from grpc_reflection.v1alpha import reflection_pb2 as pb  # noqa: PLC0415 - an extra of its own
        from grpc_reflection.v1alpha.reflection import aio  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as missing:
        if config.reflection is None:
            return []
        raise MissingExtraError("ServerConfig.reflection", "reflection") from missing
    names = {binding.method.service for binding in dispatcher.bindings}
    servicer = aio.ReflectionServicer((*names, *_SERVICES), pool=_Pools(dispatcher))
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(service, {_METHOD: method}) for service in _SERVICES]


class _Pools:
    """The pool of our own health service, if that is served, and protobuf's default one, for generated packages.

    The latter may describe another health service: that of grpcio-health-checking, which has more methods. A generated
    package fills it when its pb2 modules are loaded, so they are before the first question.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._pools: tuple[descriptor_pool.DescriptorPool, ...] = ()

    def _first(self, find: Callable[[descriptor_pool.DescriptorPool], T]) -> T:
        if not self._pools:
            _load(self._dispatcher)
            has_health = any(binding.method is HEALTH_CHECK for binding in self._dispatcher.bindings)
            self._pools = (*((HEALTH_POOL,) if has_health else ()), descriptor_pool.Default())
        for pool in self._pools[:-1]:
            try:
                return find(pool)
            except KeyError:
                continue
        return find(self._pools[-1])

    # Protobuf's names, which the servicer calls.

    def FindFileByName(self, name: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        """See `DescriptorPool`."""
        return self._first(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        """See `DescriptorPool`."""
        return self._first(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Descriptor:  # noqa: N802 - protobuf's name
        """See `DescriptorPool`."""
        return self._first(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> FieldDescriptor:  # noqa: N802 - protobuf's name
        """See `DescriptorPool`."""
        return self._first(lambda pool: pool.FindExtensionByNumber(message, number))

    def FindAllExtensions(self, message: Descriptor) -> list[FieldDescriptor]:  # noqa: N802 - protobuf's name
        """See `DescriptorPool`."""
        return self._first(lambda pool: pool.FindAllExtensions(message))


def _load(dispatcher: Dispatcher) -> None:
    for service in {binding.method.service: binding for binding in dispatcher.bindings}.values():
        if service.method.request.proto:
            import_module(service.method.request.proto.partition(":")[0])
