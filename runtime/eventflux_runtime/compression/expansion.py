"""What decompressed messages take while calls hold them: counted on each connection and over all, and bounded.

Flow control counts bytes on the wire, and a few of them expand to many. So a message is expanded when the application
takes it, and counts from then until its call takes the next one or ends: so long the application has it. What was not
compressed does not count, because its sender had to send all of it.

Invariants: a loan holds one message at most; a budget holds what its loans hold, and a counter what its budgets hold.
One message has room where nothing else is held, whatever the limits are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final
from weakref import WeakValueDictionary

from eventflux_runtime.compression.algorithm import decompress
from eventflux_runtime.rpc.config import ClientConfig, Compression, ServerConfig
from eventflux_runtime.rpc.rpc_error import ResourceExhausted

if TYPE_CHECKING:
    from eventflux_runtime.rpc.byte_counter import ByteCounter

__all__ = ["ExpansionBudget", "ExpansionBudgets", "Loan"]

_TOTAL: Final = "max_decompressed_bytes"
_OWN: Final = "max_decompressed_bytes_per_connection"


@final
class ExpansionBudget:
    """What the calls of one connection have for decompressed messages."""

    __slots__ = ("__weakref__", "_counter", "_limit", "_total", "held")

    def __init__(self, counter: ByteCounter, total: int, limit: int | None) -> None:
        """A budget of which nothing is taken.

        Args:
            counter: what all connections hold together.
            total: the most of that, in bytes.
            limit: the most on this connection, in bytes; None: as much as on all.
        """
        self.held = 0
        """Bytes that its calls hold."""
        self._counter = counter
        self._total = total
        self._limit = limit

    @classmethod
    def of_client(cls, counter: ByteCounter, config: ClientConfig) -> ExpansionBudget:
        """The budget of a client's connection."""
        return cls(counter, config.max_decompressed_bytes, None)

    @classmethod
    def of_server(cls, counter: ByteCounter, config: ServerConfig) -> ExpansionBudget:
        """The budget of a server's connection."""
        return cls(counter, config.max_decompressed_bytes, config.max_decompressed_bytes_per_connection)

    def loan(self) -> Loan:
        """What a further call holds: nothing yet."""
        return Loan(self)

    def expand(self, compression: Compression, data: bytes, max_bytes: int) -> bytes:
        """What `data` was before it was compressed. It counts as held until it is `released`.

        Raises:
            ResourceExhausted: there is no room for it now, or it is longer than `max_bytes`.
            CodecError: it is damaged.
            MissingExtraError: what the algorithm needs is not installed.
        """
        left = self._left(max_bytes)
        if left <= 0:
            raise self._full()
        try:
            plain = decompress(compression, data, min(left, max_bytes))
        except ResourceExhausted:
            if left < max_bytes:
                raise self._full() from None
            raise
        self.held += len(plain)
        self._counter.held += len(plain)
        return plain

    def released(self, size: int) -> None:
        """So many bytes are held no longer."""
        self.held -= size
        self._counter.held -= size

    def _left(self, max_bytes: int) -> int:
        """The most that a message may expand to now."""
        left = self._total - self._counter.held if self._counter.held else max_bytes
        if self._limit is not None and self.held:
            left = min(left, self._limit - self.held)
        return left

    def _full(self) -> ResourceExhausted:
        name, limit, held = _TOTAL, self._total, self._counter.held
        if self._limit is not None and self._limit - self.held < self._total - held:
            name, limit, held = _OWN, self._limit, self.held
        return ResourceExhausted(
            f"no room to decompress a message: calls that were compressed hold {held} bytes, the limit {name} is "
            f"{limit}: make fewer such calls at a time, send less in each, or raise it"
        )


@final
class Loan:
    """What one call holds of a budget."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: ExpansionBudget) -> None:
        self._budget = budget
        self._size = 0

    def expand(self, compression: Compression, data: bytes, max_bytes: int) -> bytes:
        """See `ExpansionBudget.expand`. The message takes the place of the one before."""
        self.release()
        plain = self._budget.expand(compression, data, max_bytes)
        self._size = len(plain)
        return plain

    def release(self) -> None:
        """The call holds nothing more."""
        if self._size:
            self._budget.released(self._size)
            self._size = 0


class ExpansionBudgets:
    """The budgets of a server's connections, where nothing but the peer's address tells them apart."""

    def __init__(self, counter: ByteCounter, config: ServerConfig) -> None:
        self._counter = counter
        self._config = config
        self._budgets: WeakValueDictionary[str, ExpansionBudget] = WeakValueDictionary()

    def of(self, address: str) -> ExpansionBudget:
        """The budget of a connection, as long as a call has a loan of it.

        Args:
            address: of the peer; without a port, as a Unix socket's, it tells nothing, and the connections are taken
                for different ones.
        """
        budget = self._budgets.get(address)
        if budget is None:
            budget = ExpansionBudget.of_server(self._counter, self._config)
            if address.rpartition(":")[2].isdigit():
                self._budgets[address] = budget
        return budget
