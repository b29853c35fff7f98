"""A program that forks before or after it uses gRPC; run by test_fork."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings

from eventflux_runtime import connect
from eventflux_transport import HeartbeatRequest, TransportClient

mode, url = sys.argv[1:]
channel = connect(url)
# Since Python 3.12 a fork beside other threads warns; here it is what is tested.
warnings.simplefilter("ignore", DeprecationWarning)


async def call(who: str) -> None:
    """Makes one call and says so."""
    async with channel:
        reply = await TransportClient(channel).heartbeat(HeartbeatRequest(node_id=who), timeout_s=20)
        print(who, "heard from", reply.server_node_id, flush=True)


def run_child() -> None:
    """What the child does, and all it does."""
    try:
        asyncio.run(call("child"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent's test wants to read it
        print("child failed:", type(error).__name__, error, flush=True)
    os._exit(0)


def fork() -> None:
    """Forks a child and waits for it."""
    child = os.fork()
    if not child:
        run_child()
    print("child ended with", os.waitpid(child, 0)[1], flush=True)


if mode == "before":
    fork()
    asyncio.run(call("parent"))
else:
    asyncio.run(call("parent"))
    fork()
    asyncio.run(call("parent"))
