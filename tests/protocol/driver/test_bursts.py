"""Many calls that are answered, or asked, in one piece: a turn of the loop takes a part of them, and none is lost."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import anyio
import pytest
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from eventflux_runtime import Unavailable, connect, serve
from eventflux_runtime.protocol.core.event import STATUS_RECEIVED, STREAM_OPENED
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import MethodEntry, Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS
from eventflux_transport import HeartbeatRequest, HeartbeatResponse, Message, TransportClient
from eventflux_transport.methods import TRANSPORT_HEARTBEAT, TRANSPORT_SEND_MESSAGE
from tests.support.mute import LARGE, MuteClient, raw_socket
from tests.support.probe import Probe
from tests.support.wires import linked

CALLS = 900
"""Below what a connection carries, and several turns' worth."""
IN_A_TURN = 300
"""Twice what a turn takes, and some: trio runs the tasks of a turn in any order, so two turns may count as one."""


@contextmanager
def answering_at_once(path: Path) -> Iterator[str]:
    """A server that answers when it has `CALLS` calls, all of them in one piece, and closes."""

    def answer() -> None:
        sock, _ = listener.accept()
        listener.close()
        with sock:
            methods = (MethodEntry(TRANSPORT_HEARTBEAT.path, TRANSPORT_HEARTBEAT.fingerprint),)
            core = Connection(Role.SERVER, Settings(), methods, now=time.monotonic())
            opened: list[int] = []
            while len(opened) < CALLS:
                events = core.receive_data(sock.recv(65536), time.monotonic())
                opened += [event.stream_id for event in events if event.kind == STREAM_OPENED]
                sock.sendall(core.data_to_send())
            for stream_id in opened:
                core.send_status(stream_id, OK_STATUS, HeartbeatResponse(), TRANSPORT_HEARTBEAT.response.encode)
            sock.sendall(core.data_to_send())

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(20)
        thread = Thread(target=answer)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            thread.join()


@pytest.mark.usefixtures("anyio_backend")
async def test_answers_that_came_before_the_connection_was_closed_all_arrive(tmp_path: Path) -> None:
    answered = 0

    async def call() -> None:
        nonlocal answered
        await client.heartbeat(HeartbeatRequest())
        answered += 1
        with pytest.raises(Unavailable):  # by which the loop learns that the connection has gone, ahead of its end
            await client.heartbeat(HeartbeatRequest())

    with answering_at_once(tmp_path / "once.sock") as url:
        async with connect(url) as channel:
            client = TransportClient(channel)
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    for _ in range(CALLS):
                        tasks.start_soon(call)
    assert answered == CALLS


@pytest.mark.usefixtures("anyio_backend")
async def test_a_turn_of_the_loop_takes_a_part_of_many_answers(tmp_path: Path) -> None:
    turn = 0
    answered: Counter[int] = Counter()

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await checkpoint()
            turn += 1

    async with linked("unix", tmp_path) as link:

        async def call() -> None:
            await link.client.send_message(Message(headers={"do": "linger"}))
            answered[turn] += 1

        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as calls:
                for _ in range(CALLS):
                    calls.start_soon(call)
                while len(link.service.seen) < CALLS:
                    await checkpoint()
                tasks.start_soon(count_turns)
                link.service.release.set()
            tasks.cancel_scope.cancel()
    assert answered.total() == CALLS
    assert max(answered.values()) <= IN_A_TURN


def _ask_in_one_piece(sock: socket.socket) -> int:
    client = MuteClient(sock)
    assert client.core.peer_settings is not None
    method_id = client.core.peer_settings.find_method(TRANSPORT_SEND_MESSAGE.path)
    request = Message(payload=bytes(20_000))
    for _ in range(CALLS):
        client.core.open(method_id, -1, EMPTY_METADATA, request, TRANSPORT_SEND_MESSAGE.request.encode)
    asked = Thread(target=client.flush)  # the server stops reading when its answers are not read
    asked.start()
    answered = 0
    while answered < CALLS:
        for event in client.core.receive_data(sock.recv(LARGE >> 12), time.monotonic()):
            answered += event.kind == STATUS_RECEIVED
    asked.join()
    return answered


@pytest.mark.usefixtures("anyio_backend")
async def test_a_server_that_is_behind_with_one_client_and_cannot_answer_it_goes_on_with_both(tmp_path: Path) -> None:
    async with serve([Probe()], f"unix://{tmp_path}/probe.sock") as server:
        with raw_socket(server.endpoints[0]) as sock, anyio.fail_after(30):
            assert await run_sync(_ask_in_one_piece, sock) == CALLS
