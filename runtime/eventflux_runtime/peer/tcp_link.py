"""One socket that carries EventFlux's frames both ways.

Invariants: one task at a time reads and one writes, and neither keeps the other; what has arrived stays in the frame
reader whatever becomes of the task that waited for it; a frame that may have been sent in part breaks the link, as does
one that has begun to arrive and does not come on.
"""

from __future__ import annotations

from typing import TypeVar

import anyio
import anyio.lowlevel

from eventflux_runtime.net.socket_stream import PeerEnd, SocketStream
from eventflux_runtime.peer.config import TcpPeerConfig
from eventflux_runtime.peer.transport import Link
from eventflux_runtime.protocol.eventflux.frame import MIN_BYTES_PER_S, FrameReader, FrameTooLong, encode_frame
from eventflux_runtime.rpc.errors import CodecError, ProtocolError, TransportError
from eventflux_runtime.rpc.method import PeerCodec
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, ResourceExhausted, Unavailable

__all__ = ["TcpLink"]

M = TypeVar("M")

MIN_STALL_S = 1.0
"""Seconds that a frame which has begun is waited for at the least, however short the timeout of one `receive` is."""


class TcpLink(Link[M]):
    """A `Link` over a connected socket. Owns the stream."""

    def __init__(self, stream: SocketStream, address: str, codec: PeerCodec[M], config: TcpPeerConfig) -> None:
        self.error: TransportError | None = None
        self._stream = stream
        self._address = address
        self._codec = codec
        self._config = config
        self._reader = FrameReader(config.max_message_size)
        self._begun_at = 0.0
        """When the frame began that has not ended, on the loop's clock."""
        self._is_closed = False
        self._reading = anyio.Lock(fast_acquire=True)
        self._writing = anyio.Lock(fast_acquire=True)

    @property
    def is_open(self) -> bool:
        """See `Link.is_open`."""
        return not self._is_closed and self._stream.end is None

    async def send(self, message: M) -> None:
        """See `Link.send`."""
        limit = self._config.max_message_size
        frame = encode_frame(self._codec.encode, self._codec.fitted(message, limit), limit)
        try:
            with anyio.fail_after(self._config.write_timeout_ms / 1000):
                async with self._writing:
                    await self._write(frame)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{self._address} took no message within write_timeout_ms={self._config.write_timeout_ms}; "
                "the peer reads too slowly, or not at all"
            ) from None

    async def _write(self, frame: bytes) -> None:
        await anyio.lowlevel.checkpoint()  # the last place where a cancellation leaves the link whole
        self._check_open()
        if self._stream.end is PeerEnd.CLOSED:
            # The system would take the frame and throw it away. What the peer sent before can still be received.
            raise self._left()
        try:
            await self._stream.send(frame)
        except (anyio.ClosedResourceError, OSError) as error:
            raise await self._break(self._lost(error)) from None
        except anyio.get_cancelled_exc_class():
            # By the timeout or by the caller: what the peer has got of the frame is not known.
            await self._break(Unavailable(f"a message to {self._address} was cut off: connect again"))
            raise

    async def receive(self) -> M:
        """See `Link.receive`."""
        limit_s = self._config.read_timeout_ms / 1000
        begun_at = self._begun_at if self._reader.is_within_frame else None
        enough = self._reader.received + limit_s * MIN_BYTES_PER_S
        try:
            with anyio.fail_after(limit_s):
                async with self._reading:
                    body = await self._next_frame()
                    return await self._decoded(body)
        except TimeoutError:
            late = DeadlineExceeded(
                f"{self._address} sent no whole message within read_timeout_ms={self._config.read_timeout_ms}"
            )
            is_same = self._reader.is_within_frame and self._begun_at == begun_at
            if is_same and self._reader.received < enough and anyio.current_time() - self._begun_at >= MIN_STALL_S:
                await self._break(late)
            raise late from None

    async def _next_frame(self) -> bytes:
        self._check_open()
        try:
            body = self._reader.next_frame()
            while body is None:
                has_begun = self._reader.is_within_frame
                self._reader.receive_data(await self._stream.receive())
                body = self._reader.next_frame()
                if body is not None or not has_begun:
                    self._begun_at = anyio.current_time()
        except FrameTooLong as error:
            raise await self._break(ResourceExhausted(f"{self._address}: {error}")) from None
        except anyio.EndOfStream:
            raise await self._end() from None
        except (anyio.ClosedResourceError, OSError) as error:
            raise await self._break(self._lost(error)) from None
        return body

    async def _decoded(self, body: bytes) -> M:
        try:
            return self._codec.decode(body, 0, len(body))
        except CodecError as error:
            await self._break(error)
            raise

    async def _end(self) -> TransportError:
        try:
            self._reader.receive_eof()
        except ProtocolError as error:
            return await self._break(ProtocolError(f"{self._address}: {error}"))
        await self._shut()
        return self._left()

    async def _break(self, error: TransportError) -> TransportError:
        """Gives the link up for an error; the first one counts. Returns what the caller should raise."""
        if self._is_closed:
            return self.error.with_traceback(None) if self.error is not None else self._closed()
        self.error = error
        await self._shut()
        return error

    async def _shut(self) -> None:
        self._is_closed = True
        self._stream.close()
        await anyio.lowlevel.cancel_shielded_checkpoint()

    def _check_open(self) -> None:
        if self._is_closed:
            raise self._closed()

    def _left(self) -> Unavailable:
        return Unavailable(f"{self._address} closed the connection: connect again")

    def _closed(self) -> Unavailable:
        reason = f" ({self.error})" if self.error is not None else ""
        return Unavailable(f"the connection to {self._address} is closed{reason}: connect again")

    def _lost(self, error: Exception) -> Unavailable:
        text = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it was closed"
        return Unavailable(f"the connection to {self._address} is lost ({text}): connect again")

    async def aclose(self) -> None:
        """See `Link.aclose`. What was sent is still delivered."""
        if not self._is_closed:
            self._is_closed = True
            self._stream.finish()
        await anyio.lowlevel.checkpoint()
