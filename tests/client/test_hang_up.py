"""A server that hangs up before it has greeted its client: another one may listen there already."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import ClientConfig, Unavailable, connect, serve
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.breaking_relay import relaying
from tests.support.server_process import Node
from tests.support.wires import at


@pytest.mark.parametrize("wire", ["tcp", "grpc", "ws", "rdma"])
async def test_a_client_connects_once_more_and_no_oftener(wire: str) -> None:
    config = ClientConfig(retry=None)
    async with serve([Node("a")], at(wire)) as server, relaying(server.endpoints[0]) as (relay, url):
        for refused, accepted in ((1, 2), (2, 2)):
            relay.accepted, relay.to_refuse = 0, refused
            with anyio.fail_after(20):
                async with connect(url, config=config) as channel:
                    call = TransportClient(channel).heartbeat
                    if refused == 1:
                        assert (await call(HeartbeatRequest())).server_node_id == "a"
                    else:
                        with pytest.raises(Unavailable):
                            await call(HeartbeatRequest())
            assert relay.accepted == accepted
