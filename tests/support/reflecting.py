"""A client of ``ServerReflection`` for any wire, and the pool that its answers make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from eventflux_runtime import Channel
from eventflux_runtime.reflection.descriptor import message_class
from eventflux_runtime.rpc.method import AnyMethod

__all__ = ["ask", "pool_of", "question"]


def question(version: AnyMethod, **fields: Any) -> Any:
    """A request, from the fields that it has."""
    return message_class(version.request.type_name)(**fields)


async def ask(channel: Channel, version: AnyMethod, *questions: dict[str, Any]) -> list[Any]:
    """Asks in one call, each question once the one before is answered; the answers."""
    answers = []
    async with channel.bidi(version) as stream:
        for fields in questions:
            await stream.send(question(version, **fields))
            answers.append(await stream.receive())
        await stream.end()
        async for answer in stream:
            answers.append(answer)
    return answers


def pool_of(serialized: Iterable[bytes]) -> DescriptorPool:
    """A pool of these files alone, each put in after those that it imports. Raises KeyError where one is missing."""
    files = {file.name: file for file in map(FileDescriptorProto.FromString, serialized)}
    pool = DescriptorPool()
    added: set[str] = set()

    def add(name: str) -> None:
        if name not in added:
            added.add(name)
            for imported in files[name].dependency:
                add(imported)
            pool.Add(files[name])

    for name in files:
        add(name)
    return pool
