"""TLS between a pipe and its handler, the same on every event loop.

The event loops' own TLS is not used because none of them sends the alert that says why a handshake failed: a client
would see nothing but a closed connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Container
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from eventflux_runtime.carrier.api import READ_BYTES, Pipe, PipeHandler
from eventflux_runtime.net.tls import peer_identity
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["TlsPipe"]

PROTOCOL_VERSION_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
"""A fatal alert 70 in plain text (RFC 8446, 6)."""


class TlsPipe:
    """A `Pipe` over another one, which it owns; also that one's `PipeHandler`.

    Invariants: nothing is written before the handshake is over; what is decrypted before `start` waits in `_early`;
    the handler's `on_lost` is called once.
    """

    def __init__(
        self,
        lower: Pipe,
        context: ssl.SSLContext,
        reactor: Reactor,
        protocols: Container[str],
        *,
        is_server: bool,
        server_name: str | None = None,
    ) -> None:
        """A pipe that has yet to shake hands.

        Args:
            lower: what carries it; not started yet.
            context: of the right side.
            reactor: the event loop's.
            protocols: what may be agreed on inside (ALPN); a peer that agrees on nothing is taken too.
            is_server: which side this is.
            server_name: what the server's certificate is to carry; only a client has one.
        """
        self.lower = lower
        self.peer: Peer = lower.peer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, is_server, server_name)
        self._is_server = is_server
        self._protocols = protocols
        self._handler: PipeHandler | None = None
        self._handshake: Waiter[None] | None = reactor.waiter()
        self._early: list[bytes] = []
        self._is_eof = False
        self._is_closing = False
        self._is_lost = False
        self._error: Exception | None = None

    @property
    def is_congested(self) -> bool:
        """See `Pipe.is_congested`."""
        return self.lower.is_congested

    @property
    def unsent_bytes(self) -> int:
        """See `Pipe.unsent_bytes`."""
        return self.lower.unsent_bytes

    # -- the handshake

    async def handshake(self) -> None:
        """Starts the pipe below and returns when both sides agree; `peer` then has the other side's identity.

        A client of TLS 1.3 may learn only later, as the reason of `on_lost`, that the server does not accept it.

        Raises:
            ssl.SSLError: they do not agree; the other side was told why, and the pipe below is closing.
            OSError: the connection was lost.
        """
        waiter = self._handshake
        assert waiter is not None
        self.lower.start(self)
        self._advance()
        try:
            await waiter
        except BaseException:
            self._handshake = None
            if not isinstance(self._error, ssl.SSLError):
                self.lower.abort()
            raise

    def _advance(self) -> None:
        try:
            self._tls.do_handshake()
            self._check_protocol()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()
        identity = peer_identity(self._tls.getpeercert())
        if identity is not None:
            self.peer = msgspec.structs.replace(self.peer, identity=identity)
        self._settle(None)
        self._read()

    def _check_protocol(self) -> None:
        chosen = self._tls.selected_alpn_protocol()
        if chosen is not None and chosen not in self._protocols:
            raise ssl.SSLError(f"NO_APPLICATION_PROTOCOL: the other side chose {chosen!r}")

    def _settle(self, error: Exception | None) -> None:
        waiter, self._handshake = self._handshake, None
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _fail(self, error: Exception) -> None:
        self._error = error
        if self._is_server and self._handshake is not None and not self._outgoing.pending:
            # OpenSSL has no alert for a client that does not speak TLS, which would never learn why it was refused.
            self.lower.write(PROTOCOL_VERSION_ALERT)
        self._flush()
        self._settle(error)
        self.lower.close()

    # -- the pipe below

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        if self._error is not None or self._is_closing:
            return
        self._incoming.write(data)
        if self._handshake is not None:
            self._advance()
        else:
            self._read()

    def _read(self) -> None:
        parts: list[bytes] = []
        try:
            while part := self._tls.read(READ_BYTES):
                parts.append(part)
            self._is_eof = True  # the other side said farewell
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(error)
        self._flush()
        handler = self._handler
        if parts:
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            if handler is None:
                self._early.append(data)
            else:
                handler.on_data(data)
        if self._is_eof and handler is not None:
            handler.on_eof()

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`."""
        if self._handshake is not None:
            self._fail(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in the handshake"))
        elif not self._is_eof and self._error is None:
            # The end was not announced. The protocol above knows whether its last frame was whole.
            self._is_eof = True
            if self._handler is not None:
                self._handler.on_eof()

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        self._is_lost = True
        if self._error is None:
            self._error = error
        self._settle(error or ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in the handshake"))
        if self._handler is not None:
            self._handler.on_lost(self._error)

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`."""
        if self._handler is not None:
            self._handler.on_congested()

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
        if self._handler is not None:
            self._handler.on_writable()

    # -- the handler above

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`; call it when the handshake is over."""
        self._handler = handler
        early, self._early = self._early, []
        for data in early:
            handler.on_data(data)
        if self._is_eof:
            handler.on_eof()
        if self._is_lost:
            handler.on_lost(self._error)

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if not data or self._error is not None or self._is_closing or self._is_lost:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self.lower.write(self._outgoing.read())

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.lower.write(self._outgoing.read())

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        self.lower.pause_reading()

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self.lower.resume_reading()

    def close(self) -> None:
        """See `Pipe.close`."""
        if self._handshake is None and self._error is None and not self._is_closing and not self._is_lost:
            self._is_closing = True
            with suppress(ssl.SSLError):  # the other side's half of the farewell is not waited for
                self._tls.unwrap()
            self._flush()
        self.lower.close()

    def abort(self) -> None:
        """See `Pipe.abort`."""
        self.lower.abort()

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        await self.lower.wait_closed()
