"""What the wires of grpcio's engine cannot hold: the scenarios that need what its public API does not tell."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.rpc.scheme import SCHEMES

__all__ = ["LEFT_OUT", "can_hold"]

WIRE: Final = "eventflux_runtime.grpcio.wire:WIRE"

LEFT_OUT: Final[dict[str, str]] = {
    "test_a_handler_that_lets_a_cancellation_out_ends_its_own_call": "grpcio runs handlers in tasks of its own",
}
"""Tests that run on other wires alone, and why."""


def can_hold(wire: str, loop: str | None, test: str) -> bool:
    """Whether a test of this name is for a wire, on an event loop where it has one."""
    row = SCHEMES.get(wire)
    if row is None or row.wire != WIRE:
        return True
    return loop != "trio" and test not in LEFT_OUT
