"""Receive buffers and who has them: two machines with a wire between, in any order of events."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.carrier.rdma.credit import RESERVE, CreditMachine
from eventflux_runtime.carrier.rdma.frame import ACK, DATA, LEAST_DEPTH, OFFER, FrameError


class Model:
    """Two sides that send, read, pause and go on as they are told, and give back of themselves."""

    def __init__(self, depths: tuple[int, int]) -> None:
        self.sides = [CreditMachine(depths[0], depths[1]), CreditMachine(depths[1], depths[0])]
        self.depths = depths
        self.wires: list[deque[tuple[int, int, int]]] = [deque(), deque()]
        """From each side to the other: kind, buffers given back, offers read."""
        self.held = [0, 0]
        """Buffers of each side that hold a message which was not dealt with: offers that are not read."""
        self.outstanding = [0, 0]
        self.acks = 0

    def _leave(self, side: int, kind: int) -> None:
        machine = self.sides[side]
        assert machine.available > 0
        returned, read = machine.spend()
        if kind == ACK:
            self.acks += 1
            assert returned >= 1
        self.wires[side].append((kind, returned, read))
        # On the way or not dealt with, there are never more messages than buffers.
        assert len(self.wires[side]) + self.held[1 - side] <= self.depths[1 - side]

    def send(self, side: int, kind: int) -> bool:
        if not self.sides[side].can_send_data:
            return False
        self._leave(side, kind)
        self.outstanding[side] += kind == OFFER
        return True

    def give_back(self, side: int) -> bool:
        machine = self.sides[side]
        if not machine.wants_ack or not machine.available:
            return False
        self._leave(side, ACK)
        return True

    def arrive(self, side: int) -> bool:
        """The next message to a side is dealt with; an offer is not read yet."""
        if not self.wires[1 - side]:
            return False
        machine = self.sides[side]
        kind, returned, read = self.wires[1 - side].popleft()
        if kind == DATA:
            machine.take_data()
        elif kind == ACK:
            machine.take_ack()
        else:
            self.held[side] += 1
        machine.receive(returned)
        self.outstanding[side] -= read
        assert self.outstanding[side] >= 0
        return True

    def read(self, side: int) -> bool:
        if not self.held[side] or self.sides[side].is_paused:
            return False
        self.held[side] -= 1
        self.sides[side].take_offer()
        return True

    def settle(self, order: tuple[int, ...] = (0, 1, 2)) -> None:
        """Everything goes on of itself until nothing does; what comes first in `order` is done wherever it can be."""
        ways = (self.arrive, self.read, self.give_back)
        steps = 0
        while any(ways[way](side) for way in order for side in (0, 1)):
            steps += 1
            assert steps < 10_000, "they talk to each other without an end"


DEPTHS = st.integers(LEAST_DEPTH, 40)
ORDERS = st.permutations([0, 1, 2]).map(tuple)
STEPS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(1, 20)), max_size=60)


def play(model: Model, steps: list[tuple[int, int, int]]) -> None:
    for side, step, times in steps:
        machine = model.sides[side]
        for _ in range(times):
            match step:
                case 0:
                    model.send(side, DATA)
                case 1:
                    model.send(side, OFFER)
                case 2:
                    model.arrive(side)
                case 3:
                    model.read(side)
                case 4:
                    model.give_back(side)
                case 5:
                    machine.is_paused = True
                case _:
                    machine.resume()


@given(DEPTHS, DEPTHS, STEPS)
def test_no_message_without_a_buffer_and_no_side_is_stuck(ours: int, theirs: int, steps: list[Any]) -> None:
    model = Model((ours, theirs))
    play(model, steps)
    for machine in model.sides:
        machine.resume()
    model.settle()
    # Everything was read, so everybody may send, and hears that it was.
    assert model.outstanding == [0, 0]
    for side in (0, 1):
        for _ in range(200):
            assert model.send(side, OFFER)
            model.settle()
            assert model.outstanding == [0, 0]


@given(DEPTHS, DEPTHS, STEPS, st.integers(0, 1), ORDERS)
def test_a_side_that_pauses_does_not_stop_what_it_sends(
    ours: int, theirs: int, steps: list[Any], paused: int, order: tuple[int, ...]
) -> None:
    model = Model((ours, theirs))
    play(model, steps)
    model.sides[1 - paused].resume()
    model.settle()
    model.sides[paused].is_paused = True
    other = 1 - paused
    while model.send(other, DATA):  # as much as it may
        model.settle()
    for kind in (DATA, OFFER) * 50:
        assert model.send(paused, kind)
        while model.send(paused, kind):  # as many at once as may be
            pass
        model.settle(order)
        assert model.outstanding[paused] == 0


@given(DEPTHS, DEPTHS)
def test_acks_are_few(ours: int, theirs: int) -> None:
    model = Model((ours, theirs))
    for _ in range(1000):
        assert model.send(0, DATA)
        model.settle()
    assert model.acks <= 1000 // max(1, (theirs - RESERVE) // 2) * 2 + 2


def test_more_than_there_are_is_refused() -> None:
    machine = CreditMachine(8, 8)
    machine.spend()
    with pytest.raises(FrameError, match="gives back 2 buffers, which makes 9 of 8"):
        machine.receive(2)
