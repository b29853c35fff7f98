"""Publishing: messages streamed to a node, each matched with its acknowledgment."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Callable
from typing import Final

import anyio

from eventflux_node.header import ACKNOWLEDGED_ID_HEADER
from eventflux_runtime import BidiStream, DataLoss, RpcError, TransportError
from eventflux_transport import Message, MessageType, TransportClient

__all__ = ["publish"]

WINDOW: Final = 256
"""Messages sent and not yet acknowledged: enough to keep a fast network busy, few enough to bound what a failure leaves
in doubt."""


async def publish(
    client: TransportClient,
    messages: AsyncIterable[Message],
    on_acknowledged: Callable[[], None] | None = None,
) -> int:
    """Streams messages to a node and returns how many there were, every one of them acknowledged.

    Args:
        client: where to.
        messages: what to send; read as the node keeps up.
        on_acknowledged: called once for each message that the node has acknowledged.

    Raises:
        TransportError: what reading `messages` raised, once all that came before is acknowledged.
        RpcError: the call failed; up to `WINDOW` messages may have reached the node without an acknowledgment.
        DataLoss: an acknowledgment is missing, or belongs to another message.
    """
    pending: deque[str] = deque()
    room = anyio.Semaphore(WINDOW)
    count = 0
    failure: TransportError | None = None

    async def send_all(stream: BidiStream[Message, Message]) -> None:
        nonlocal failure
        try:
            async for message in messages:
                await room.acquire()
                pending.append(message.id)
                await stream.send(message)
        except RpcError:
            return  # the receiving side gets the same error, and reports it
        except TransportError as error:
            failure = error  # the source broke off: what it gave until then is still delivered
        await stream.end()

    async with client.stream_messages() as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(send_all, stream)
        try:
            async for answer in stream:
                _check(answer, pending)
                room.release()
                count += 1
                if on_acknowledged is not None:
                    on_acknowledged()
        except RpcError as error:
            failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if pending:
        raise DataLoss(f"the node ended the stream with {len(pending)} messages unacknowledged, {count} acknowledged")
    return count


def _check(answer: Message, pending: deque[str]) -> None:
    acknowledged = answer.headers.get(ACKNOWLEDGED_ID_HEADER, "")
    if answer.message_type != MessageType.ACKNOWLEDGMENT:
        raise DataLoss(f"the node answered with {answer.message_type!r} where an acknowledgment was due")
    expected = pending.popleft() if pending else None
    if acknowledged != expected:
        raise DataLoss(f"the node acknowledged message {acknowledged!r} where {expected!r} was due")
