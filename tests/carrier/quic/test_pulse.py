"""When a QUIC connection asks whether the last thing that was sent has arrived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime.net.event_loop import open_reactor
from tests.support.jumping import anyio_backend

pytest.importorskip("qh3", reason="the extra quic is not installed")

from eventflux_runtime.carrier.quic.pulse import TailProbe

__all__ = ["anyio_backend"]

USUAL_S = 0.002


class Line:
    """A path of which a test says what is acknowledged. `asked` has when probes left, after the last that was sent."""

    def __init__(self) -> None:
        self.probe: TailProbe
        self.is_owed = False
        self.asked: list[float] = []
        self.is_ended_by_asking = False
        self._sent_at = 0.0

    def ask(self) -> None:
        self.asked.append(round(anyio.current_time() - self._sent_at, 4))
        if self.is_ended_by_asking:
            self.probe.stop()

    def send(self) -> None:
        self.is_owed = True
        self.asked.clear()
        self._sent_at = anyio.current_time()
        self.probe.sent()

    def hear(self, *, is_all: bool = True) -> None:
        self.is_owed = not is_all
        self.probe.heard(anyio.current_time())

    async def exchange(self) -> None:
        """Something is sent, and answered as usual."""
        self.send()
        await anyio.sleep(USUAL_S)
        self.hear()


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """A path that has been used for a while."""
    async with open_reactor() as reactor:
        path = Line()
        path.probe = TailProbe(reactor, path.ask, lambda: path.is_owed)
        for _ in range(30):
            await path.exchange()
        yield path
        path.probe.stop()


async def test_nobody_asks_while_answers_come_as_usual() -> None:
    async with line() as path:
        await anyio.sleep(1)
        assert path.asked == []


async def test_what_is_not_acknowledged_is_asked_for_until_the_library_asks_itself() -> None:
    async with line() as path:
        path.send()
        await anyio.sleep(1)
        assert path.asked == pytest.approx([0.004, 0.012, 0.028], abs=0.0015)


async def test_something_else_that_is_heard_is_no_acknowledgment() -> None:
    async with line() as path:
        path.send()
        await anyio.sleep(USUAL_S)
        path.hear(is_all=False)
        await anyio.sleep(1)
        assert len(path.asked) == 3


async def test_the_time_begins_with_what_was_sent_last() -> None:
    async with line() as path:
        for _ in range(20):
            path.send()
            await anyio.sleep(0.003)
        assert path.asked == []
        await anyio.sleep(0.003)
        assert len(path.asked) == 1


async def test_probes_in_vain_become_rarer_and_a_loss_brings_them_back() -> None:
    async with line() as path:

        async def late() -> int:
            path.send()
            await anyio.sleep(1)
            path.is_owed = False
            return len(path.asked)

        counts = [await late() for _ in range(100)]
        assert counts[0] == 3
        assert counts[-1] == 0
        assert 64 <= sum(counts) <= 128
        path.probe.lost()
        assert await late() == 3


async def test_a_connection_that_ends_while_it_asks_is_not_looked_at_again() -> None:
    async with line() as path:
        path.is_ended_by_asking = True
        path.send()
        await anyio.sleep(1)
        assert len(path.asked) == 1


async def test_a_connection_that_is_over_asks_no_more() -> None:
    async with line() as path:
        path.send()
        path.probe.stop()
        await anyio.sleep(1)
        assert path.asked == []
