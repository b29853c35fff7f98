"""What a server offers on a connection, and how each method of it is encoded there."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from eventflux_runtime.protocol.driver.encoding import known_paths
from eventflux_runtime.protocol.native.core.settings import PeerSettings
from eventflux_runtime.protocol.native.driver.encoding import NativeEncoding
from eventflux_runtime.rpc.method import AnyMethod, keep_for
from eventflux_runtime.rpc.rpc_error import Unimplemented

if TYPE_CHECKING:
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["ClientMethods"]


@final
class ClientMethods:
    """The methods that the server listed when it greeted; none before that."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._encodings: dict[AnyMethod, NativeEncoding] = {}
        self._offered: dict[str, tuple[int, int]] = {}
        self._has_protobuf = False

    def offer(self, settings: PeerSettings) -> None:
        """Takes over the server's list."""
        self._has_protobuf = settings.has_protobuf
        for index, entry in enumerate(settings.methods):
            self._offered[entry.path] = (index, entry.fingerprint)

    def find(self, method: AnyMethod) -> NativeEncoding | None:
        """How a method is called, if that was asked before."""
        return self._encodings.get(method)

    def resolve(self, method: AnyMethod) -> NativeEncoding:
        """How a method is called, from now on.

        Raises:
            Unimplemented: the server does not serve it, or only in another layout, and cannot speak protobuf.
        """
        known = self._offered.get(method.path)
        if known is None:
            raise Unimplemented(
                f"{self._endpoint} does not serve {method.path}; it serves {known_paths(list(self._offered))}",
                unprocessed=True,
            )
        method_id, fingerprint = known
        is_protobuf = fingerprint != method.fingerprint or (method.prefers_protobuf and self._has_protobuf)
        if is_protobuf and not self._has_protobuf:
            raise Unimplemented(
                f"{method.path} has layout {method.fingerprint:016x} here and {fingerprint:016x} at {self._endpoint}, "
                "and the server cannot speak protobuf",
                unprocessed=True,
            )
        return keep_for(method, NativeEncoding.of_client(method, method_id, is_protobuf), self._encodings)
