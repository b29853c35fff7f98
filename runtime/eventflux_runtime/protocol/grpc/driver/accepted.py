"""What servers said that they decompress: gRPC tells it with an answer, so the first call to a server goes plain."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["ACCEPTED", "AcceptedCompressions"]

MAX_ENDPOINTS: Final = 1024


class AcceptedCompressions:
    """The compressions that each server reads, as far as it is known.

    Invariant: the endpoint that was learned of least recently is forgotten first.
    """

    def __init__(self) -> None:
        self._ids: dict[Endpoint, frozenset[int]] = {}

    def of(self, endpoint: Endpoint) -> frozenset[int]:
        """The ids of `eventflux_runtime.rpc.config.COMPRESSION_IDS` that it reads; none, where nothing is known."""
        return self._ids.get(endpoint, frozenset())

    def learned(self, endpoint: Endpoint, ids: frozenset[int]) -> None:
        """A server answered."""
        self._ids.pop(endpoint, None)
        self._ids[endpoint] = ids
        while len(self._ids) > MAX_ENDPOINTS:
            del self._ids[next(iter(self._ids))]


ACCEPTED: Final = AcceptedCompressions()
"""The process's own: what one connection learned of a server holds for those that follow."""
