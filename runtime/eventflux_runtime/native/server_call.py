"""One call on a native connection, seen from the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from eventflux_runtime.errors import CodecError
from eventflux_runtime.metadata import Metadata
from eventflux_runtime.method import AnyMethod
from eventflux_runtime.native.encoding import Encoding
from eventflux_runtime.native.inbox import Inbox
from eventflux_runtime.native.outbox import Outbox
from eventflux_runtime.native.packing import PackedMessage
from eventflux_runtime.rpc_error import Cancelled, RpcError
from eventflux_runtime.status import Status, StatusCode
from eventflux_runtime.transport_api import Peer

if TYPE_CHECKING:
    from eventflux_runtime.native.server import NativeServerConnection
    from eventflux_runtime.net.reactor import TaskHandle

__all__ = ["NativeServerCall"]


class NativeServerCall:
    """A `ServerCall`. What is sent after its end is dropped."""

    __slots__ = (
        "_inbox",
        "_outbox",
        "connection",
        "encoding",
        "expires_at",
        "has_started",
        "is_finished",
        "metadata",
        "method",
        "slot",
        "stream_id",
        "task",
    )

    def __init__(
        self,
        connection: NativeServerConnection,
        encoding: Encoding,
        stream_id: int,
        metadata: Metadata,
        expires_at: float,
    ) -> None:
        self.connection = connection
        self.encoding = encoding
        self.method: AnyMethod = encoding.method
        self.stream_id = stream_id
        self.metadata = metadata
        self.expires_at = expires_at
        self.slot = 0.0
        self.is_finished = False
        self.has_started = False
        self.task: TaskHandle | None = None
        self._inbox = Inbox(connection.reactor)
        self._outbox = Outbox(connection)

    # -- the dispatcher's side

    @property
    def deadline(self) -> float | None:
        """See `ServerCall.deadline`."""
        return self.expires_at or None

    @property
    def peer(self) -> Peer:
        """See `ServerCall.peer`."""
        return self.connection.pipe.peer

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        try:
            message, credit = await self._inbox.get()
        except Cancelled:
            # The handler is cancelled already, and learns of it as its event loop does it, not by an RpcError.
            await checkpoint()
            raise
        if credit >= 0 and not self.is_finished:
            self.connection.consumed(self.stream_id, credit)
        if isinstance(message, (CodecError, RpcError)):
            raise message
        return message if type(message) is not PackedMessage else message.unpack()

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`."""
        if not self.is_finished:
            self.connection.send_headers(self.stream_id, metadata)

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`."""
        outbox = self._outbox
        while not outbox.is_ready and not self._has_ended():
            await outbox.wait_ready()
        if self._has_ended():
            # The handler is cancelled already; it has to get to know even if it does nothing but send.
            await checkpoint()
        elif self.connection.send_message(self.stream_id, message, self.encoding):
            await outbox.sent_whole()
        else:
            outbox.sending()
            await outbox.wait_sent()
            if self._has_ended():
                await checkpoint()

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        if self._has_ended():
            return
        while not self._outbox.is_ready:
            await self._outbox.wait_ready()
            if self._has_ended():
                return
        if not self.connection.send_status(self, status, message):
            self._outbox.sending()
            await self._outbox.wait_sent()

    def _has_ended(self) -> bool:
        # A function, because the end can come during any wait.
        return self.is_finished

    # -- the connection's side

    def on_message(self, message: Any, credit: int) -> None:
        """A request arrived, or the error that stands in its place."""
        self._inbox.put(message, credit)

    def on_half_close(self) -> None:
        """No request follows."""
        self._inbox.end(None)

    def on_sent(self) -> None:
        """The core has queued the last of a message that waited for credit."""
        self._outbox.sent()

    def leave(self) -> None:
        """The client is gone, or has reset the call: whoever waits is woken and the handler is cancelled."""
        self.is_finished = True
        self.connection.mark_started(self)
        self._inbox.clear()
        self._inbox.end(Cancelled("the client left the call"))
        self._outbox.sent()
        if self.task is not None:
            self.task.cancel()

    def expire(self) -> None:
        """The deadline passed: the client gets the status, the handler is cancelled."""
        self.connection.abort(self, StatusCode.DEADLINE_EXCEEDED, f"{self.method.path} ran past the client's deadline")
