"""A program that makes a description of a method for each call, as a gateway does: nothing is kept of them for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, Compression
from eventflux_transport import Message
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE, TRANSPORT_STREAM_MESSAGES
from tests.support.wires import WIRES, linked

MOST = 1024


def maps_of(holder: object) -> list[dict[Any, Any]]:
    """The maps by method that something holds."""
    names = ("_defaults", "_encodings")
    return [getattr(holder, name) for name in names if hasattr(holder, name)]


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_methods_that_are_made_for_each_call_are_forgotten(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with linked(wire, tmp_path, ClientConfig(compression=Compression.GZIP)) as link:
            for _ in range(MOST + 100):
                method = replace(TRANSPORT_SEND_MESSAGE)
                assert (await link.channel.unary(method, Message(id="m"))).id == "m"
            assert link.channel._pool is not None
            connection: Any = link.channel._pool._subchannels[0].connections[0].connection
            async with link.channel.bidi(replace(TRANSPORT_STREAM_MESSAGES)) as stream:
                await stream.end()
            found = maps_of(link.channel) + maps_of(connection) + maps_of(getattr(connection, "_unary", None))
            assert sum(map(len, found)) > 0
            assert max(map(len, found)) <= MOST
