"""Whether a failed call is tried again, and when: the rules of gRPC's proposal A6, without any waiting.

https://github.com/grpc/proposal/blob/master/A6-client-retries.md
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from eventflux_runtime.client.pool.budget import RetryBudget
from eventflux_runtime.rpc.backoff import backoff_s, jittered
from eventflux_runtime.rpc.config import RetryPolicy
from eventflux_runtime.rpc.error_info import retry_delay_s
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.rpc_error import PoolTimeout, RpcError
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Attempts"]

_PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"
"""A server's trailer: milliseconds to wait before the next attempt; negative or no number: do not try again."""
_ATTEMPTS_KEY: Final = "grpc-previous-rpc-attempts"
"""A client's metadata: how often the call was made before."""
_MOST_RETURNS: Final = 5
"""How often one call may come back unread from a server before its policy is asked: enough for every server of a small
cluster to be told to drain at the same moment."""
_MILLISECONDS: Final = re.compile(r"[0-9]{1,10}")


class Attempts:
    """The attempts of one call."""

    def __init__(
        self,
        policy: RetryPolicy | None,
        is_idempotent: bool,
        deadline: float | None,
        budget: RetryBudget,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._is_idempotent = is_idempotent
        self._deadline = deadline
        self._budget = budget
        self._draw = draw
        self._returns = 0
        self._step = 0
        self.made = 1

    @property
    def metadata(self) -> Metadata:
        """What the next attempt says of those before it."""
        return Metadata.from_trusted(((_ATTEMPTS_KEY, str(self.made - 1)),))

    def delay_s(self, error: RpcError, now: float, was_sent: bool) -> float | None:
        """Seconds to wait before the call is made again; None: `error` is its end.

        Args:
            error: how the last attempt ended.
            now: the time on the loop's clock, on which the deadline stands.
            was_sent: whether the attempt got as far as a connection.
        """
        if error.unprocessed and was_sent and error.code is StatusCode.UNAVAILABLE and self._returns < _MOST_RETURNS:
            self._returns += 1
            return 0.0
        policy = self._policy
        if policy is None or not self._may_retry(error, policy):
            return None
        pushback_s = _pushback_s(error)
        # A call that never left this process burdens no server, so it costs nothing.
        is_affordable = error.unprocessed or self._budget.spend()
        if not is_affordable or self.made >= policy.max_attempts or pushback_s is None:
            return None
        # A RetryInfo is advice: it does not say whether to try again, only how long to wait at the least.
        delay_s = pushback_s if pushback_s >= 0 else max(self._backoff_s(policy), retry_delay_s(error.details))
        if pushback_s >= 0:
            self._step = 0
        self.made += 1
        return None if self._deadline is not None and now + delay_s >= self._deadline else delay_s

    def _may_retry(self, error: RpcError, policy: RetryPolicy) -> bool:
        if isinstance(error, PoolTimeout):
            return False  # it has waited long enough
        if error.unprocessed:
            return error.code is StatusCode.UNAVAILABLE
        return self._is_idempotent and error.code in policy.codes

    def _backoff_s(self, policy: RetryPolicy) -> float:
        self._step += 1
        wait_s = backoff_s(self._step, policy.initial_backoff_s, policy.max_backoff_s, policy.multiplier)
        return jittered(wait_s, self._draw)


def _pushback_s(error: RpcError) -> float | None:
    """Seconds that the server asks for; -1: it says nothing; None: it asks for no further attempt."""
    asked = error.metadata.get(_PUSHBACK_KEY)
    if asked is None:
        return -1.0
    return int(asked) / 1000 if isinstance(asked, str) and _MILLISECONDS.fullmatch(asked) else None
