"""Targets that grpcio resolves and balances itself: by DNS, and by xDS from a small control plane."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from eventflux_runtime import ClientConfig, Context, PoolConfig, ServerConfig, connect, serve
from eventflux_transport import HeartbeatRequest, HeartbeatResponse, Message, TransportClient
from tests.support.probe import Probe

pytestmark = pytest.mark.usefixtures("anyio_backend")

ROOT = Path(__file__).parents[2]
LONG_S = 30
SERVICE = "probe.example:50051"
AT_ONCE = ServerConfig(drain_grace_s=0)


class Named(Probe):
    """Says its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_node_id=self._name)


async def test_calls_by_an_xds_name_reach_every_server_behind_it() -> None:
    pytest.importorskip("envoy", reason="the control plane needs xds-protos")
    from tests.support.control_plane import control_plane

    with anyio.fail_after(LONG_S):
        async with (
            serve([Named("one")], "grpcio://127.0.0.1:0", config=AT_ONCE) as one,
            serve([Named("two")], "grpcio://127.0.0.1:0", config=AT_ONCE) as two,
            control_plane(SERVICE, [int(s.endpoints[0].rpartition(":")[2]) for s in (one, two)]) as (plane, bootstrap),
        ):
            command = [sys.executable, "-m", "tests.support.xds_client", f"grpc+xds:///{SERVICE}"]
            environment = {**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": bootstrap}
            run = partial(subprocess.run, command, env=environment, cwd=ROOT, capture_output=True, text=True)
            done = await to_thread.run_sync(partial(run, timeout=LONG_S))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "heard from one two",
        "events 3",
        "echo a",
        "1 ready",
    ]
    assert plane.asked == {"Listener", "Cluster", "ClusterLoadAssignment"}


async def test_one_channel_of_grpcios_carries_all_calls_to_a_resolved_name() -> None:
    config = ClientConfig(pool=PoolConfig(min_connections=2, max_connections=4, max_calls_per_connection=2))
    with anyio.fail_after(LONG_S):
        async with serve([probe := Probe()], "grpcio://127.0.0.1:0", config=AT_ONCE) as server:
            port = server.endpoints[0].rpartition(":")[2]
            async with connect(f"grpc+dns:///localhost:{port}", config=config) as channel:
                client = TransportClient(channel)
                async with anyio.create_task_group() as tasks:
                    for _ in range(20):
                        tasks.start_soon(client.send_message, Message(headers={"do": "linger"}))
                    while len(probe.seen) < 20:
                        await anyio.lowlevel.checkpoint()  # until all run at once
                    assert "1 ready, 20 active" in repr(channel)
                    probe.release.set()
