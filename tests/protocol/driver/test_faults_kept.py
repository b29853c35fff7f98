"""What is left of a connection whose peer broke the protocol: why, and nothing that came with it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventflux_runtime import serve
from eventflux_runtime.protocol.core.error import RemoteProtocolError
from tests.support.http2_frame import PREFACE, credit, settings
from tests.support.target import Target


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
async def test_the_error_is_kept_without_its_frames(wire: str) -> None:
    async with serve([Target()], f"{wire}://127.0.0.1:0") as server:
        (listener,) = server._listeners
        acceptor: Any = listener._acceptor  # type: ignore[attr-defined]  # this wire's own
        port = int(server.endpoints[0].rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with anyio.fail_after(10):
                while not acceptor._connections:  # noqa: ASYNC110 - no event tells it
                    await anyio.sleep(0.01)
                (connection,) = acceptor._connections
                await stream.send(PREFACE + settings() + credit(0, 0) if wire == "grpc" else b"\xff" * 64)
                while connection.close_reason is None:  # noqa: ASYNC110 - no event tells it
                    await anyio.sleep(0.01)
    error = connection.close_reason
    assert isinstance(error, RemoteProtocolError)
    assert (error.__traceback__, error.__context__, error.events) == (None, None, [])
