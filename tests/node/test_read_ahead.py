"""Items read by a thread of their own: all come, in order, none too early, and nobody waits for the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import aclosing

import anyio
import pytest

from eventflux_node.read_ahead import read_ahead


async def test_items_come_in_order_and_as_they_are_there() -> None:
    go_on = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(2000):
            if number < 3:
                go_on.acquire()
            yield number

    got: list[int] = []
    go_on.release()
    async with aclosing(read_ahead(items)) as numbers:
        async for number in numbers:
            got.append(number)
            go_on.release()  # the next one is read only when this one was given
    assert got == list(range(2000))


async def test_an_error_comes_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("bad")

    got: list[int] = []
    with pytest.raises(ValueError, match="bad"):
        async with aclosing(read_ahead(items)) as numbers:
            async for number in numbers:
                got.append(number)
    assert got == [1]


async def test_it_reads_so_far_ahead_and_no_farther() -> None:
    taken = 0
    ended = threading.Event()

    def items() -> Iterator[int]:
        nonlocal taken
        try:
            while True:
                taken += 1
                yield taken
        finally:
            ended.set()

    async with aclosing(read_ahead(items)) as numbers:
        assert await anext(numbers) == 1
        assert taken <= 1 + 2 * 257
    assert await anyio.to_thread.run_sync(ended.wait, 10)


async def test_a_wait_for_an_item_can_be_cancelled() -> None:
    never = threading.Event()

    def items() -> Iterator[int]:
        never.wait()
        yield 1

    with anyio.move_on_after(0.05) as scope:
        async with aclosing(read_ahead(items)) as numbers:
            await anext(numbers)
    assert scope.cancelled_caught
    never.set()
