"""Calls that are made again where that is safe: one loop for a single response, one call object for many.

Invariants: a streaming call is made again only until its first response, or its metadata, has been handed on; what its
caller sees is always one call that ends once.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from eventflux_runtime.client.retry import Attempts
from eventflux_runtime.client.watch import outcome_of
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.protocol.api import CallHead, ClientCall
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rpc_error import Cancelled, RpcError
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.client.pool.pool import Pool
    from eventflux_runtime.client.pool.subchannel import PooledConnection, Subchannel
    from eventflux_runtime.client.watch import Observation
    from eventflux_runtime.rpc.attempt_record import AttemptRecord

__all__ = ["Caller", "RestartableCall"]

Req = TypeVar("Req")
Res = TypeVar("Res")


class Caller:
    """Makes one call on connections of a pool, as often as its method's policy allows."""

    def __init__(
        self,
        pool: Pool,
        config: ClientConfig,
        method: AnyMethod,
        head: CallHead,
        wait_for_ready: bool,
        observation: Observation | None = None,
    ) -> None:
        self.pool = pool
        self.method = method
        self.head = head
        self._wait_for_ready = wait_for_ready
        policy = method.retry if method.retry is not None else config.retry
        self._attempts = Attempts(policy, method.idempotent, head.deadline, pool.budget)
        self._refused_by: list[Subchannel] = []
        self._failure: RpcError | None = None
        self._observation = observation
        self._record: AttemptRecord | None = None
        self._begun_at = perf_counter()
        self._has_begun = False

    async def acquire(self) -> PooledConnection:
        """A connection for the next attempt. Where none can be had, tries again as the policy says.

        Raises:
            RpcError: as `Pool.acquire`, the policy being exhausted.
        """
        if self._failure is not None and self._refused_by:
            held = await self.pool.acquire_elsewhere(self._refused_by, self.head.deadline)
            if held is None:
                raise self._failure
            return held
        while True:
            try:
                return self.pool.try_acquire() or await self.pool.acquire(self.head.deadline, self._wait_for_ready)
            except RpcError as error:
                await self._pause(error, None)

    async def after(self, held: PooledConnection, error: RpcError) -> None:
        """Waits until the next attempt is due.

        Raises:
            RpcError: `error`; there is none.
        """
        self.pool.failed(held, error)
        await self._pause(error, held)

    async def _pause(self, error: RpcError, held: PooledConnection | None) -> None:
        pool = self.pool
        self._failure = error
        if held is not None and _is_not_served(error):
            # Somebody else's server, or one of another version: the addresses of a name need not all be alike.
            self._refused_by.append(held.subchannel)
            return
        if held is not None and _was_full(held, error):
            return  # another call took the room; this one queues for it
        delay_s = self._attempts.delay_s(error, pool.now(), held is not None)
        if delay_s is None:
            raise error
        if held is None:
            # An attempt that cannot even begin would only use up the policy.
            delay_s = max(delay_s, pool.next_attempt_in_s())
        if self.head.deadline is not None and pool.now() + delay_s >= self.head.deadline:
            raise error
        CLIENT_LOG.debug(
            "%s failed, and is tried again in %.3f s (attempt %d): %s",
            self.method.path,
            delay_s,
            self._attempts.made,
            error,
        )
        if self._attempts.made > 1:
            self.head = _with_attempts(self.head, self._attempts.metadata)
        if delay_s > 0:
            await anyio.sleep(delay_s)

    async def unary(self, request: Any, held: PooledConnection | None = None, failure: RpcError | None = None) -> Any:
        """One request, one response; goes on after a first attempt on `held` that ended with `failure`, if given.

        Raises:
            RpcError: the last attempt's.
        """
        self._has_begun = held is not None
        try:
            return await self._unary(request, held, failure)
        except BaseException as error:
            self._note_end(error)
            raise

    async def _unary(self, request: Any, held: PooledConnection | None, failure: RpcError | None) -> Any:
        pool = self.pool
        observation = self._observation
        while True:
            if held is not None and failure is not None:
                self._note_failure(failure)
                await self.after(held, failure)
            held, failure = await self.acquire(), None
            self._note_attempt(held)
            if observation is not None:
                self._record = observation.unary_attempt(held.subchannel.address, request)
            try:
                result = await held.connection.unary(self.method, request, self.head, self._record)
            except RpcError as error:
                failure = error
            except BaseException:
                pool.ended(held)
                raise
            else:
                if pool.is_watching:
                    pool.succeeded(held)
                if observation is not None:
                    observation.attempt_ended(OK_STATUS)
                return result

    async def start(self) -> tuple[PooledConnection, ClientCall[Any, Any]]:
        """A streaming call on a connection that takes it.

        Raises:
            RpcError: none does.
        """
        try:
            while True:
                held = await self.acquire()
                self._note_attempt(held)
                if self._observation is not None:
                    self._record = self._observation.attempt(held.subchannel.address)
                try:
                    return held, held.connection.start(self.method, self.head, self._record)
                except RpcError as error:
                    self._note_failure(error)
                    await self.after(held, error)
        except BaseException as error:
            self._note_end(error)
            raise

    # -- those who look at the call, and those who count

    def note_restartable(self, *, is_restartable: bool) -> None:
        """Whether an attempt that ends may be followed by another one."""
        if self._observation is not None:
            self._observation.is_final = not is_restartable

    def _note_attempt(self, held: PooledConnection) -> None:
        if self._has_begun:
            held.subchannel.tallies.of(self.method.path).retries += 1
        self._has_begun = True

    def _note_failure(self, error: RpcError) -> None:
        if self._observation is not None:
            self._observation.attempt_ended(error.status, self._record.cause if self._record is not None else None)

    def _note_end(self, error: BaseException) -> None:
        if self._observation is not None:
            self._observation.failed(error, self._record)
        if not self._has_begun:
            tally = self.pool.tallies.of(self.method.path)
            tally.begun_calls += 1
            tally.ended(outcome_of(error).code, perf_counter() - self._begun_at)


class RestartableCall(Generic[Req, Res]):
    """A `ClientCall` of one request and many responses."""

    def __init__(self, caller: Caller, held: PooledConnection, call: ClientCall[Req, Res]) -> None:
        self._caller = caller
        self._held = held
        self._call = call
        self._requests: list[Req] = []
        self._has_ended = False
        self._is_committed = False
        self._is_cancelled = False
        caller.note_restartable(is_restartable=True)

    @property
    def status(self) -> Status | None:
        """See `ClientCall.status`."""
        is_final = self._is_committed or self._is_cancelled or self._caller.pool.is_closed
        return self._call.status if is_final else None

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`. A failure of the attempt shows when the response is awaited."""
        if self._has_ended:
            raise anyio.ClosedResourceError
        self._requests.append(message)
        await self._pass_on(message)

    async def _pass_on(self, message: Req) -> None:
        try:
            await self._call.send(message)
        except anyio.ClosedResourceError:
            pass  # the server has ended the call without waiting for the request
        except RpcError:
            if self._call.status is None:
                raise  # the call goes on: the message itself was refused

    async def end(self) -> None:
        """See `ClientCall.end`."""
        self._has_ended = True
        await self._call.end()

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        if self._is_committed:
            return await self._call.receive()
        while True:
            try:
                message = await self._call.receive()
            except anyio.EndOfStream:
                self._commit()
                self._note_success()
                raise
            except RpcError as error:
                await self._restart(error)
            else:
                self._commit()
                self._note_success()
                return message

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`."""
        return self._call.ready_bytes if self._is_committed else -1

    def _note_success(self) -> None:
        pool = self._caller.pool
        if pool.is_watching:
            pool.succeeded(self._held)

    def _commit(self) -> None:
        self._caller.note_restartable(is_restartable=False)
        self._is_committed = True
        self._requests.clear()

    async def _restart(self, error: RpcError) -> None:
        if self._is_cancelled:
            # Whatever became of the attempt, it was the caller who ended the call.
            error = Cancelled("the call was cancelled by its caller")
            self._commit()
            self._call = _FailedCall(error)
            raise error
        try:
            await self._caller.after(self._held, error)
            self._held, self._call = await self._caller.start()
        except RpcError as last:
            self._commit()
            if last is not error:
                self._call = _FailedCall(last)
            raise
        await self._repeat_requests(self._call)

    async def _repeat_requests(self, call: ClientCall[Req, Res]) -> None:
        if self._is_cancelled:
            call.cancel()
        for message in self._requests:
            await self._pass_on(message)
        if self._has_ended:
            await call.end()

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        while True:
            call = self._call
            metadata = await call.initial_metadata()
            if call is self._call:
                if call.status is None or call.status.code is StatusCode.OK:
                    self._commit()
                return metadata

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        self._is_cancelled = True
        self._caller.note_restartable(is_restartable=False)
        self._call.cancel()


class _FailedCall(Generic[Req, Res]):
    """A `ClientCall` that could not be made again."""

    def __init__(self, error: RpcError) -> None:
        self.status: Status | None = error.status
        self._error = error

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        raise self._error

    async def end(self) -> None:
        """See `ClientCall.end`."""

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        raise self._error.with_traceback(None)  # which would grow with each time

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`."""
        return -1

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        return Metadata()

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""


def _was_full(held: PooledConnection, error: RpcError) -> bool:
    connection = held.connection
    is_refusal = error.unprocessed and error.code is StatusCode.RESOURCE_EXHAUSTED
    return is_refusal and connection.active_calls >= connection.max_calls


def _is_not_served(error: RpcError) -> bool:
    return error.unprocessed and error.code is StatusCode.UNIMPLEMENTED


def _with_attempts(head: CallHead, attempts: Metadata) -> CallHead:
    key = attempts.pairs[0][0]
    kept = Metadata.from_trusted(tuple(pair for pair in head.metadata if pair[0] != key))
    return head.with_metadata(kept | attempts)
