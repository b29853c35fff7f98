"""An operation of grpcio that ends after its event loop fails no later test: grpcio reports it in another loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import grpc.aio
import pytest
import uvloop

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("make_first", LOOPS)
@pytest.mark.parametrize("make_second", LOOPS)
def test_an_operation_may_end_after_its_loop(
    make_first: Callable[[], asyncio.AbstractEventLoop], make_second: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    kept: list[object] = []
    raised: list[dict[str, Any]] = []

    async def leave_behind(url: str) -> None:
        channel = grpc.aio.insecure_channel(url)
        never: Any = channel.unary_unary("/nobody/Answers")
        kept.extend((channel, never(b"", timeout=0.2)))
        await asyncio.sleep(0)  # the call begins

    async def outlast(url: str) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        async with grpc.aio.insecure_channel(url) as channel:
            never: Any = channel.unary_unary("/nobody/Answers")
            with pytest.raises(grpc.aio.AioRpcError):
                await never(b"", timeout=0.3)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "{}:{}".format(*silent.getsockname())
        first, second = make_first(), make_second()
        first.run_until_complete(leave_behind(url))
        first.close()
        second.run_until_complete(outlast(url))
        second.close()
    assert raised == []
