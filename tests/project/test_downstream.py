"""A user's own project, outside the tree and checked by mypy --strict: right code passes, wrong code is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """
from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, NotFound, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    TransportClient,
    TransportService,
)


class Node(TransportService):
    async def send_message(self, request: Message, context: Context) -> Message:
        if request.message_type == MessageType.QUERY:
            raise NotFound("no such state", metadata={"asked-by": str(context.peer.address)})
        return request.with_header("seen", "yes")

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message.event(b"event data")

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_timestamp=request.timestamp, server_node_id="node-1")


async def main() -> None:
    async with serve([Node()], "tcp://127.0.0.1:0") as server, connect(server.endpoints[0]) as channel:
        client = TransportClient(channel)
        reply = await client.send_message(Message.event(b"event data"), timeout_s=5.0, metadata={"trace-id": "42"})
        print(reply.headers["seen"])
        async with client.stream_events(EventRequest(node_id="node-1")) as events:
            async for event in events:
                print(event.payload.decode())


if __name__ == "__main__":
    anyio.run(main)
"""

HEADER = """
from eventflux_runtime import Channel, Context
from eventflux_transport import Message, TransportClient, TransportService, HeartbeatRequest, HeartbeatResponse

"""

WRONG = {
    "argument": (
        """
async def call(channel: Channel) -> None:
    await TransportClient(channel).send_message(HeartbeatRequest())
""",
        (
            'Argument 1 to "send_message" of "TransportClient" has incompatible type "HeartbeatRequest"; '
            'expected "TransportMessage"'
        ),
    ),
    "option": (
        """
async def call(channel: Channel) -> None:
    await TransportClient(channel).send_message(Message.event(b""), timeout=5.0)
""",
        'Unexpected keyword argument "timeout" for "send_message"',
    ),
    "method": (
        """
class Node(TransportService):
    async def send_message(self, request: Message, context: Context) -> Message:
        return request

service = Node()
""",
        (
            'Cannot instantiate abstract class "Node" with abstract attributes "heartbeat", "stream_events" and '
            '"stream_messages"'
        ),
    ),
    "handler": (
        """
class Node(TransportService):
    async def send_message(self, request: HeartbeatRequest, context: Context) -> Message:
        return Message()
""",
        'Argument 1 of "send_message" is incompatible with supertype "eventflux_transport.service.TransportService"',
    ),
    "result": (
        """
class Node(TransportService):
    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> Message:
        return Message()
""",
        (
            'Return type "Coroutine[Any, Any, TransportMessage]" of "heartbeat" incompatible with return type '
            '"Coroutine[Any, Any, HeartbeatResponse]" in supertype "eventflux_transport.service.TransportService"'
        ),
    ),
    "field": ('message = Message(payloud=b"")', 'Unexpected keyword argument "payloud" for "TransportMessage"'),
    "attribute": ("def show(message: Message) -> None:\n    print(message.payloda)\n", 'has no attribute "payloda"'),
    "value": ('message = Message(payload="text")', 'incompatible type "str"; expected "bytes"'),
}


def check(folder: Path) -> tuple[int, str]:
    """Runs mypy --strict over a folder, as a project that knows nothing of ours."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(folder.parent / "cache")]
    result = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def wrong_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str]]:
    """What mypy says of all the wrong files together, line by line."""
    folder = tmp_path_factory.mktemp("downstream") / "wrong"
    folder.mkdir()
    for name, (code, _) in WRONG.items():
        (folder / f"{name}.py").write_text(HEADER + code)
    exit_code, output = check(folder)
    return exit_code, output.splitlines()


def test_right_code_passes_and_runs(tmp_path: Path) -> None:
    folder = tmp_path / "right"
    folder.mkdir()
    program = folder / "node.py"
    program.write_text(RIGHT)
    assert check(folder) == (0, "Success: no issues found in 1 source file\n")
    result = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=60)
    assert (result.stdout, result.stderr) == ("yes\nevent data\n", "")


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_code_is_named(wrong_report: tuple[int, list[str]], name: str) -> None:
    exit_code, lines = wrong_report
    assert exit_code == 1
    ours = [line for line in lines if line.startswith(f"{name}.py:") and ": error:" in line]
    assert len(ours) == 1, ours
    assert WRONG[name][1] in ours[0]
