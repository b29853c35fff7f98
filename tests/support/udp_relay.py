"""A relay of datagrams that loses, doubles, holds back and reorders them, by a seed; it runs in a thread of its own.

What happens to a datagram depends on the seed and on how many came before it in its direction, not on the time.
"""

from __future__ import annotations

import heapq
import itertools
import random
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

Address = tuple[str, int]


@dataclass(frozen=True)
class Weather:
    """What a network does to each datagram, as probabilities."""

    loss: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    """Of being overtaken by those that come in the next `late_s`."""
    late_s: float = 0.003
    delay_s: float = 0.0
    """Of every datagram, each way."""


CALM = Weather()
_RETRY_BYTES = 200
"""What asks to retry is shorter, and what carries a handshake longer."""


class UdpRelay:
    """Passes datagrams between clients and one server. `is_dark`: none passes."""

    def __init__(self, target: Address, weather: Weather, seed: int) -> None:
        self.weather = weather
        self.is_dark = False
        self.is_deaf = False
        """Whether nothing of the server passes but its first answer, which is short: it asks to retry."""
        self.drops_known = False
        """Whether nothing passes but what begins a connection and what follows from that."""
        self._known: set[Address] = set()
        self.passed = {True: 0, False: 0}
        """Datagrams that came from clients (True), or from the server, and went on."""
        self.lost = 0
        self.firsts: list[bytes] = []
        """The first datagrams of clients, as they came."""
        self.successor: Address | None = None
        """Where datagrams of clients go after the first one that passed; None: all go to one server."""
        self._target = target
        self._chances = {True: random.Random(seed), False: random.Random(seed + 1)}
        self._selector = selectors.DefaultSelector()
        self._front = self._socket()
        self._front.bind(("127.0.0.1", 0))
        self.address: Address = self._front.getsockname()
        self._selector.register(self._front, selectors.EVENT_READ)
        self._to_server: dict[Address, socket.socket] = {}
        self._clients: dict[socket.socket, Address] = {}
        self._due: list[tuple[float, int, socket.socket, bytes, Address]] = []
        self._order = itertools.count()
        self._is_over = False
        self._wants_move = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _socket() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        return sock

    def move(self) -> None:
        """Lets the server see clients at other ports from now on, as behind a router that has forgotten them."""
        self._wants_move = True

    def repeat(self) -> None:
        """Sends what clients have sent first once more, as whoever has listened might."""
        sock = next(reversed(self._clients))
        for data in self.firsts:
            sock.sendto(data, self._target)

    def close(self) -> None:
        """Ends it."""
        self._is_over = True
        self._thread.join()
        for sock in (self._front, *self._clients):
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._is_over:
            wait_s = min(0.02, self._due[0][0] - monotonic()) if self._due else 0.02
            for key, _ in self._selector.select(max(0.0, wait_s)):
                sock: socket.socket = key.fileobj  # type: ignore[assignment]  # that is what is registered
                for _ in range(64):
                    try:
                        data, address = sock.recvfrom(65536)
                    except OSError:
                        break
                    self._take(sock, data, address)
            now = monotonic()
            while self._due and self._due[0][0] <= now:
                _, _, sock, data, address = heapq.heappop(self._due)
                self._pass(sock, data, address)

    def _take(self, sock: socket.socket, data: bytes, address: Address) -> None:
        is_upward = sock is self._front
        if is_upward:
            if self._wants_move:
                self._wants_move = False
                self._to_server.clear()  # the old ones still bring what is on its way
            if len(self.firsts) < 16:
                self.firsts.append(data)
            if not self.drops_known:
                self._known.add(address)
            elif address in self._known:
                self.lost += 1
                return
            out, target = self._server_side(address), self._target
            if self.successor is not None and self.passed[True]:
                target = self.successor
        else:
            out, target = self._front, self._clients[sock]
        chances, weather = self._chances[is_upward], self.weather
        is_lost, is_doubled, is_late = (
            chances.random() < chance for chance in (weather.loss, weather.doubled, weather.late)
        )
        if self.is_dark or is_lost or (self.is_deaf and not is_upward and len(data) > _RETRY_BYTES):
            self.lost += 1
            return
        self.passed[is_upward] += 1
        due = monotonic() + weather.delay_s + (weather.late_s if is_late else 0.0)
        for _ in range(1 + is_doubled):
            if due > monotonic():
                heapq.heappush(self._due, (due, next(self._order), out, data, target))
            else:
                self._pass(out, data, target)

    def _server_side(self, client: Address) -> socket.socket:
        sock = self._to_server.get(client)
        if sock is None:
            sock = self._to_server[client] = self._socket()
            sock.bind(("127.0.0.1", 0))
            self._clients[sock] = client
            self._selector.register(sock, selectors.EVENT_READ)
        return sock

    def _pass(self, sock: socket.socket, data: bytes, address: Address) -> None:
        try:
            sock.sendto(data, address)
        except OSError:
            self.lost += 1


@contextmanager
def relayed(url: str, weather: Weather = CALM, seed: int = 1) -> Iterator[tuple[UdpRelay, str]]:
    """A relay before a server, and the URL to reach the server through it."""
    scheme, _, port = url.rpartition(":")
    relay = UdpRelay(("127.0.0.1", int(port)), weather, seed)
    try:
        yield relay, f"{scheme.partition('://')[0]}://127.0.0.1:{relay.address[1]}"
    finally:
        relay.close()
