"""TLS without verification: a relay in this process, because grpcio's TLS cannot leave it out.

grpcio speaks plain HTTP/2 to a Unix socket in a private directory; the relay passes it on over Python's TLS, which
accepts any certificate when told to. Only for ``insecure_skip_verify``, which is not meant to be fast.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from anyio import CancelScope

from eventflux_runtime.grpcio.credential import ALPN
from eventflux_runtime.net.tls import client_context, expected_name
from eventflux_runtime.rpc.config import TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Relay", "open_relay"]

_CHUNK_BYTES: Final = 64 * 1024


class Relay:
    """One connection to the server, and the Unix socket at which one client is let onto it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reactor: Reactor) -> None:
        self._upstream = (reader, writer)
        self._reactor = reactor
        self._directory = tempfile.mkdtemp(prefix="eventflux-")
        self._path = os.path.join(self._directory, "h2")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers = [writer]

    @property
    def target(self) -> str:
        """What grpcio connects to."""
        return f"unix:{self._path}"

    async def start(self) -> None:
        """Listens for the one client."""
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self._server is not None:
            self._server.close()
        self._reactor.spawn(self._copy, reader, self._upstream[1])
        self._reactor.spawn(self._copy, self._upstream[0], writer)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # a lost side ends the other; grpcio reports the loss to its calls
        finally:
            for one in self._writers:
                one.transport.abort()

    async def aclose(self) -> None:
        """Closes both sides and removes the socket."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        with CancelScope(shield=True):
            for writer in self._writers:
                with suppress(OSError):  # it was lost before it was closed
                    await writer.wait_closed()
        shutil.rmtree(self._directory, ignore_errors=True)


async def open_relay(endpoint: Endpoint, tls: TlsConfig, reactor: Reactor) -> Relay:
    """Connects to the server over TLS, whatever its certificate.

    Raises:
        OSError: the connection or the handshake failed; `ssl.SSLError` is one.
    """
    context = client_context(tls, (ALPN,))
    reader, writer = await asyncio.open_connection(
        endpoint.host, endpoint.port, ssl=context, server_hostname=expected_name(tls, endpoint)
    )
    relay = Relay(reader, writer, reactor)
    try:
        await relay.start()
    except BaseException:
        await relay.aclose()
        raise
    return relay
