"""Deadlines that have passed by the time a connection is asked, as they can while a call waits for one."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import ClientConfig, DeadlineExceeded, serve
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.call_head import CallHead
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.testing import memory_endpoint
from eventflux_runtime.wire.registry import wire_of
from eventflux_transport import Message
from eventflux_transport.methods import TRANSPORT_SEND_MESSAGE, TRANSPORT_STREAM_MESSAGES
from tests.support.probe import Probe


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    service, url = Probe(), memory_endpoint()
    async with serve([service], url), open_reactor() as reactor:
        endpoint = parse_endpoint(url)
        connection = await wire_of(endpoint).open(endpoint, ClientConfig(), reactor)
        for ago_s in (0.0, 1e-9, 5.0):
            late = CallHead(deadline=anyio.current_time() - ago_s)
            with pytest.raises(DeadlineExceeded):
                await connection.unary(TRANSPORT_SEND_MESSAGE, Message(), late)
            with pytest.raises(DeadlineExceeded):
                connection.start(TRANSPORT_STREAM_MESSAGES, late)
        assert connection.active_calls == 0
        soon = CallHead(deadline=anyio.current_time() + 20)
        assert await connection.unary(TRANSPORT_SEND_MESSAGE, Message(id="last"), soon) == Message(id="last")
        assert [message.id for message in service.seen] == ["last"]
        await connection.aclose()
