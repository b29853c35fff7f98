"""Session tickets of both sides (RFC 8446, 2.2): who comes back shakes hands without certificates.

A ticket is good once (RFC 8446, C.4): nobody who watches can tell by it that two connections are of one client, and
nothing that somebody has recorded is resumed a second time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from qh3.tls import SessionTicket

__all__ = ["MAX_TICKETS", "ClientTickets", "KeptTicket", "Place", "ServerTickets"]

MAX_TICKETS: Final = 4096
"""That a server keeps. One is some 600 bytes."""
_MAX_PLACES: Final = 64
_MAX_OF_PLACE: Final = 4
_TRUSTED_S: Final = 86400.0
"""Seconds for which what a certificate has shown is believed without it, over however many connections: each gets a
ticket for the next one."""

Place: TypeAlias = "tuple[str, int, str]"
"""A server, as a client knows it: its address and port, and the name that its certificate has to hold."""


@dataclass(frozen=True, slots=True)
class KeptTicket:
    """What a client comes back with."""

    ticket: SessionTicket
    trusted_until: float
    """When the server has to show its certificate again, in seconds since 1970."""


class ClientTickets:
    """The tickets of clients with one configuration, by server; the newest of those that spoke last.

    Event loops of several threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Place, list[KeptTicket]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def take(self, place: Place) -> KeptTicket | None:
        """A ticket that is still good, for one connection; None: there is none."""
        now = time.time()
        with self._lock:
            ours = self._kept.pop(place, [])
            while ours:
                newest = ours.pop()
                if newest.ticket.is_valid and now < newest.trusted_until:
                    if ours:
                        self._kept[place] = ours
                    return newest
        return None

    def keep(
        self, place: Place, ticket: SessionTicket, *, certified_until: float | None, resumed: KeptTicket | None
    ) -> None:
        """Keeps what a connection has brought.

        Args:
            place: whose it is.
            ticket: as it came.
            certified_until: the end of the certificate that the server has shown; None: it has shown none.
            resumed: what the connection began with.
        """
        if certified_until is not None:
            trusted_until = min(certified_until, time.time() + _TRUSTED_S)
        elif resumed is not None:
            trusted_until = resumed.trusted_until
        else:
            return
        # Without these the library sends nothing before the handshake is over.
        bare = replace(ticket, max_early_data_size=None, other_extensions=[])
        with self._lock:
            ours = self._kept.setdefault(place, [])
            ours.append(KeptTicket(bare, trusted_until))
            del ours[:-_MAX_OF_PLACE]
            self._kept.move_to_end(place)
            if len(self._kept) > _MAX_PLACES:
                self._kept.popitem(last=False)

    def forget(self, place: Place) -> None:
        """Drops all of a server's."""
        with self._lock:
            self._kept.pop(place, None)


class ServerTickets:
    """The tickets that a server has given to its clients; the newest `MAX_TICKETS`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, SessionTicket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, ticket: SessionTicket) -> None:
        """Keeps one that was made for a client."""
        self._kept[ticket.ticket] = replace(ticket, other_extensions=[])
        if len(self._kept) > MAX_TICKETS:
            self._kept.popitem(last=False)

    def take(self, identity: bytes) -> SessionTicket | None:
        """The ticket of that identity, for the first who shows it; None leads to a whole handshake."""
        return self._kept.pop(identity, None)
