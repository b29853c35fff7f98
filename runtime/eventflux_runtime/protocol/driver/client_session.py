"""What a client's calls ask of their connection, and the errors that a connection gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflux_runtime.compression.expansion import ExpansionBudget
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.session import Session
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, Internal, RpcError
from eventflux_runtime.rpc.status import Status

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.core.machine import Machine
    from eventflux_runtime.rpc.config import ClientConfig, Compression
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["ClientSession", "deadline_error", "undecodable"]


class ClientSession(Session):
    """The connection as its calls know it. A class and no protocol: compiled, asking it costs next to nothing."""

    def __init__(self, pipe: Pipe, core: Machine, reactor: Reactor, endpoint: Endpoint, config: ClientConfig) -> None:
        super().__init__(pipe, core, reactor)
        self.endpoint = endpoint
        self.budget = ExpansionBudget.of_client(reactor.decompressed, config)
        self.max_message_bytes = config.max_message_bytes

    def send_message(self, stream_id: int, message: Any, encoding: Encoding, compression: Compression) -> bool:
        """Sends one message of a streaming call; False: part of it waits for credit."""
        raise NotImplementedError

    def half_close(self, stream_id: int) -> None:
        """Says that no request follows."""
        raise NotImplementedError

    def consumed(self, stream_id: int, credit: int) -> None:
        """The application took a message; its credit goes back."""
        raise NotImplementedError

    def discard(self, stream_id: int) -> None:
        """The application takes nothing more of a call that has ended."""
        raise NotImplementedError

    def reset(self, stream_id: int) -> None:
        """Ends a call from this side."""
        raise NotImplementedError

    def error_of(self, status: Status, method: AnyMethod) -> RpcError:
        """What a status that the server sent becomes, unless it is OK."""
        return method.error_of(status)


def deadline_error(connection: ClientSession, encoding: Encoding) -> DeadlineExceeded:
    """What a caller gets whose deadline passed here."""
    return DeadlineExceeded(
        f"no answer to {encoding.method.path} from {connection.endpoint} before the deadline; "
        "raise timeout_s if the server needs longer"
    )


def undecodable(connection: ClientSession, encoding: Encoding, misfit: CodecError) -> Internal:
    """What a caller gets for a response that is no message of its type."""
    error = Internal(f"a response to {encoding.method.path} from {connection.endpoint} cannot be decoded: {misfit}")
    error.__cause__ = misfit
    return error
