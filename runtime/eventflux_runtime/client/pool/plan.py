"""What a pool does next: a pure function from a picture of its addresses and waiting calls to a list of actions.

Nothing here waits, keeps state or reads a clock. The pool draws the picture, carries the plan out, and asks again
whenever something has changed or `Plan.wake_in_s` has passed.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from eventflux_runtime.protocol.api import ConnectionState
from eventflux_runtime.rpc.config import PoolConfig

__all__ = ["AddressView", "CallView", "ConnectionView", "Plan", "PoolView", "plan"]

_PATIENCE_S: Final = 0.5
"""A call waits for the next attempt to connect if it is due within this time, and fails at once if it is not."""
_STAGGER_S: Final = 0.25
"""Pick-first tries the next address beside one that has not answered for this long (RFC 8305, section 8)."""
_LOOK_S: Final = 1.0
"""How often connections that no call looks at are looked at, so that a dead one is replaced before it is wanted."""
_ROOM_S: Final = 0.02
"""The same while calls wait for room: the end of a streaming call is not reported."""


class ConnectionView(msgspec.Struct, frozen=True):
    """One connection as the plan sees it."""

    state: ConnectionState = ConnectionState.READY
    load: int = 0
    """Calls in flight, and those it has been promised to."""
    limit: int = 1
    """Calls in flight that are allowed."""
    age_left_s: float = math.inf
    """Seconds until it is too old to take calls."""
    idle_s: float = 0.0
    """Seconds without a call; 0 while it has one."""


class AddressView(msgspec.Struct, frozen=True):
    """One address as the plan sees it."""

    connections: tuple[ConnectionView, ...] = ()
    connecting: int = 0
    """Attempts to connect that run."""
    connecting_for_s: float = 0.0
    """How long the youngest of them has run."""
    retry_in_s: float = 0.0
    """Seconds until another attempt is allowed; 0: now."""
    failure: int = 0
    """When the last attempt failed, as a number in the order of the pool's events; 0: it did not fail."""
    ejected_for_s: float = 0.0
    """Seconds for which it is left out yet."""


class CallView(msgspec.Struct, frozen=True):
    """One call that waits for a connection."""

    number: int
    """When it began to wait, as a number in the order of the pool's events."""
    is_patient: bool = False
    """Whether it waits even while no server can be reached."""


class PoolView(msgspec.Struct, frozen=True):
    """Everything the plan depends on."""

    addresses: tuple[AddressView, ...]
    calls: tuple[CallView, ...] = ()
    """Oldest first."""
    is_used: bool = True
    """Whether there was a call of late, so that every address is to be kept connected."""
    is_sequential: bool = False
    """Pick-first: one address at a time, in order."""
    is_resolving: bool = False
    """Whether addresses may be about to come."""


class Plan(msgspec.Struct, frozen=True):
    """What to do. A connection is named by the index of its address and its own."""

    open: tuple[int, ...] = ()
    """Addresses to connect to, one entry for each connection."""
    drain: tuple[tuple[int, int], ...] = ()
    """Connections that get no new calls."""
    forget: tuple[tuple[int, int], ...] = ()
    """Connections that are dead."""
    hand_out: tuple[tuple[int, int], ...] = ()
    """Connections for the first calls that wait, in their order."""
    fail: tuple[int, ...] = ()
    """Calls that wait for nothing, by index."""
    rotation: tuple[int, ...] = ()
    """Addresses that take calls; never empty while a connection is usable."""
    wake_in_s: float = math.inf
    """Seconds after which the picture changes by itself."""


def plan(view: PoolView, config: PoolConfig) -> Plan:
    """The actions that a picture calls for. Carried out, they call for no others."""
    lasting = _have_successors(view, config)
    draining = {
        (index, which)
        for index, address in enumerate(view.addresses)
        for which in _too_old_or_idle(address, config, index in lasting)
    }
    usable = [_usable(index, address, draining) for index, address in enumerate(view.addresses)]
    rotation = _rotation(view, usable)
    handed, left = _hand_out(view, usable, rotation)
    opened = _open(view, config, usable, rotation, left)
    failed = _hopeless(view, usable, opened) if left else ()
    return Plan(
        open=opened,
        drain=tuple(sorted(draining)),
        forget=tuple(
            (index, which)
            for index, address in enumerate(view.addresses)
            for which, connection in enumerate(address.connections)
            if connection.state is ConnectionState.CLOSED
        ),
        hand_out=handed,
        fail=failed,
        rotation=rotation,
        wake_in_s=_wake_in(view, config, left > len(failed), opened),
    )


def _too_old_or_idle(address: AddressView, config: PoolConfig, has_successor: bool) -> list[int]:
    """Connections to drain. An old one stays until its successor is there, if it is to have one and there is room."""
    ready = [which for which, one in enumerate(address.connections) if one.state is ConnectionState.READY]
    old = [which for which in ready if address.connections[which].age_left_s <= 0]
    young = len(ready) - len(old)
    has_room = address.connecting > 0 or len(ready) < config.max_connections
    drained = [] if has_successor and young == 0 and has_room else old
    resting = [which for which in ready if which not in old and address.connections[which].load == 0]
    resting.sort(key=lambda which: -address.connections[which].idle_s)
    for which in resting[: max(0, young - config.min_connections)]:
        if address.connections[which].idle_s >= config.max_idle_s:
            drained.append(which)
    return drained


def _have_successors(view: PoolView, config: PoolConfig) -> frozenset[int]:
    """The addresses that will go on having a connection."""
    if config.min_connections:
        return frozenset(range(len(view.addresses)))
    if not (view.is_used or view.calls):
        return frozenset()
    connected = [
        index
        for index, address in enumerate(view.addresses)
        if any(one.state is ConnectionState.READY for one in address.connections)
    ]
    return frozenset(connected[:1] if view.is_sequential else connected)


def _usable(index: int, address: AddressView, draining: set[tuple[int, int]]) -> list[int]:
    return [
        which
        for which, one in enumerate(address.connections)
        if one.state is ConnectionState.READY and (index, which) not in draining
    ]


def _rotation(view: PoolView, usable: list[list[int]]) -> tuple[int, ...]:
    """The addresses with a usable connection that are not ejected; if all are ejected, ejection says nothing."""
    connected = [index for index, found in enumerate(usable) if found]
    kept = [index for index in connected if view.addresses[index].ejected_for_s <= 0] or connected
    return tuple(kept[:1]) if view.is_sequential else tuple(kept)


def _hand_out(
    view: PoolView, usable: list[list[int]], rotation: tuple[int, ...]
) -> tuple[tuple[tuple[int, int], ...], int]:
    """Connections for the calls that wait, the least loaded first; and how many calls get none."""
    loads = {
        (index, which): [connection.load, connection.limit]
        for index in rotation
        for which in usable[index]
        for connection in (view.addresses[index].connections[which],)
    }
    handed: list[tuple[int, int]] = []
    for _ in view.calls:
        free = [(load[0], key) for key, load in loads.items() if load[0] < load[1]]
        if not free:
            break
        key = min(free)[1]
        loads[key][0] += 1
        handed.append(key)
    return tuple(handed), len(view.calls) - len(handed)


def _open(
    view: PoolView, config: PoolConfig, usable: list[list[int]], rotation: tuple[int, ...], waiting: int
) -> tuple[int, ...]:
    wanted = _wanted(view, rotation)
    opened: list[int] = []
    rooms: dict[int, int] = {}
    for index, address in enumerate(view.addresses):
        if address.retry_in_s > 0:
            continue
        young = sum(1 for which in usable[index] if address.connections[which].age_left_s > 0)
        room = max(0, config.max_connections - len(usable[index]) - address.connecting)
        least = max(config.min_connections, 1 if index in wanted else 0)
        missing = min(max(0, least - young - address.connecting), room)
        opened.extend([index] * missing)
        if index in wanted:
            rooms[index] = room - missing
    promised = len(opened) + sum(address.connecting for address in view.addresses)
    lacking = math.ceil(waiting / config.max_calls_per_connection) - promised
    return tuple(sorted(opened + _spread(rooms, lacking)))


def _spread(rooms: dict[int, int], lacking: int) -> list[int]:
    """Addresses for so many connections more, in turn, as long as there is room."""
    turns = [index for turn in range(max(rooms.values(), default=0)) for index, room in rooms.items() if room > turn]
    return turns[: max(0, lacking)]


def _wanted(view: PoolView, rotation: tuple[int, ...]) -> frozenset[int]:
    """The addresses that are to have a connection because of calls, waiting or of late."""
    if not (view.calls or view.is_used):
        return frozenset()
    if not view.is_sequential:
        return frozenset(range(len(view.addresses)))
    if rotation:
        return frozenset(rotation)
    running = [index for index, address in enumerate(view.addresses) if address.connecting]
    if any(view.addresses[index].connecting_for_s < _STAGGER_S for index in running):
        return frozenset(running)
    free = [index for index, address in enumerate(view.addresses) if not address.connecting and address.retry_in_s <= 0]
    return frozenset(running + free[:1])


def _hopeless(view: PoolView, usable: list[list[int]], opened: tuple[int, ...]) -> tuple[int, ...]:
    """The calls that have seen every address fail, or will not see one tried soon."""
    if any(usable) or (view.is_resolving and not view.addresses):
        return ()
    failed = []
    for index, call in enumerate(view.calls):
        if not call.is_patient and all(
            _is_given_up(address, number in opened, call) for number, address in enumerate(view.addresses)
        ):
            failed.append(index)
    return tuple(failed)


def _is_given_up(address: AddressView, is_opening: bool, call: CallView) -> bool:
    if address.failure > call.number:
        return True
    return not (address.connecting or is_opening) and address.retry_in_s > _PATIENCE_S


def _wake_in(view: PoolView, config: PoolConfig, has_waiting: bool, opened: tuple[int, ...]) -> float:
    """When to look again although nothing was reported."""
    times = [math.inf]
    for address in view.addresses:
        if address.retry_in_s > 0 and (has_waiting or view.is_used or config.min_connections):
            times.append(address.retry_in_s)
        if view.is_sequential and has_waiting and (address.connecting or opened):
            times.append(max(_STAGGER_S - address.connecting_for_s, 0.0) or _STAGGER_S)
        if address.ejected_for_s > 0:
            times.append(address.ejected_for_s)
        for connection in address.connections:
            times.append(_LOOK_S)
            times.append(connection.age_left_s if connection.age_left_s > 0 else _LOOK_S)
            if connection.state is ConnectionState.READY and connection.load >= connection.limit and has_waiting:
                times.append(_ROOM_S)
            until_idle_s = config.max_idle_s - connection.idle_s
            times.append(until_idle_s if until_idle_s > 0 else _LOOK_S)
    return min(times)
