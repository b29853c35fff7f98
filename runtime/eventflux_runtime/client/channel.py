"""A channel: where a client's calls go. It picks a connection, fills in defaults, and leaves the wire to the wire.

Invariants: a channel is open on at most one event loop of one process at a time. It may be made at import time, opened
on one loop after another, opened and closed in different tasks, and opened anew in a forked child or after the run of
its loop has ended, where what was open before is forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, final

from eventflux_runtime.client.interceptor import ClientInterceptor, intercepted
from eventflux_runtime.client.option_check import checked_options, checked_response, is_on, own_compression
from eventflux_runtime.client.pool.pool import Pool
from eventflux_runtime.client.retrying import Caller, RestartableCall
from eventflux_runtime.client.stream import BidiStream, ClientStream, ServerStream
from eventflux_runtime.client.watch import CallWatch, Observation
from eventflux_runtime.net.event_loop import start_reactor
from eventflux_runtime.net.lifetime import Lifetime
from eventflux_runtime.protocol.api import CallHead, ClientCall, ResponseInfo, Wire
from eventflux_runtime.rpc.config import ClientConfig, Compression
from eventflux_runtime.rpc.deadline import ENDLESS_S, UNSET, Unset, checked_timeout, current_scope
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod, Method, MethodKind, keep_for
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, RpcError
from eventflux_runtime.rpc.stats import ChannelStats

__all__ = ["Channel"]

Req = TypeVar("Req")
Res = TypeVar("Res")


class Channel:
    """Calls to one service address or several. Made by `connect`.

    It is open inside ``async with``, or from ``await channel.open()`` to ``await channel.aclose()``; both may be in any
    task of one event loop.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        wire: Wire,
        config: ClientConfig,
        interceptors: Sequence[ClientInterceptor] = (),
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._wire = wire
        self._config = config
        self._interceptors = tuple(interceptors)
        self._pool: Pool | None = None
        self._lifetime: Lifetime | None = None
        self._last_stats: ChannelStats | None = None
        self._defaults: dict[AnyMethod, _Defaults] = {}
        self._target = ",".join(str(endpoint) for endpoint in endpoints)

    def __repr__(self) -> str:
        return f"<Channel {self._target} {self._pool if self._pool is not None else 'not entered'}>"

    async def __aenter__(self) -> Self:
        return await self.open()

    async def open(self) -> Self:
        """Opens it, for `aclose` to close; what ``async with`` does.

        Raises:
            ConfigError: it is open already.
        """
        self._check_closed()
        reactor = await start_reactor()
        try:
            self._check_closed()  # another task may have opened it meanwhile
            pool = Pool(self._endpoints, self._wire, self._config, reactor)
            pool.start()
        except BaseException:
            await reactor.aclose()
            raise
        self._lifetime = Lifetime(f"the channel to {self._target}", reactor, pool.aclose, is_watched=True)
        self._pool = pool
        return self

    def _check_closed(self) -> None:
        lifetime = self._lifetime
        if lifetime is None or lifetime.is_over:
            return
        if not lifetime.is_here:
            raise lifetime.foreign_error()
        raise ConfigError("this channel is entered already: leave it first, or make a second one with connect()")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception:  # it must not take the place of the error that leaves; the log has what failed in background
            if error is None:
                raise

    async def aclose(self) -> None:
        """Closes every connection; calls in flight end with Unavailable. A channel that is not open is left alone.

        Raises:
            ConfigError: the channel is open on another event loop or in another thread.
        """
        lifetime = self._lifetime
        if lifetime is None:
            return
        lifetime.check_closable()
        pool, self._pool = self._pool, None
        try:
            await lifetime.aclose()
        finally:
            self._lifetime = None
            if pool is not None:
                self._last_stats = pool.stats(self._target)

    def stats(self) -> ChannelStats:
        """What became of its calls and connections since it was opened; of one that is closed, until then.

        Made of counters that run anyway. Called on the channel's own event loop.
        """
        pool = self._pool
        if pool is not None:
            return pool.stats(self._target)
        return self._last_stats if self._last_stats is not None else ChannelStats(target=self._target)

    async def unary(
        self,
        method: Method[Req, Res],
        request: Req,
        *,
        timeout_s: float | Unset | None = UNSET,
        metadata: MetadataLike | None = None,
        wait_for_ready: bool | Unset = False,
        compression: Compression | None = None,
        inherit: bool | Unset = True,
        response: ResponseInfo | Unset | None = None,
    ) -> Res:
        """Makes a call of one request and one response; generated clients call this.

        The options are those of `CallOptions`. Their types are wide, so that a wrong value is a ConfigError in compiled
        code too, which would refuse it before it runs.

        Raises:
            RpcError: the call failed.
            CodecError: the request cannot be encoded.
            ConfigError: an argument is wrong, or the channel is not entered.
        """
        pool = self._pool
        if pool is None or pool.is_foreign():
            raise self._unusable()
        waits = wait_for_ready is not False and is_on("wait_for_ready", wait_for_ready)
        head = self._head(pool, method, timeout_s, metadata, compression, inherit, response)
        if self._interceptors:
            return await self._intercepted_unary(pool, method, request, head, waits)
        # The steps of a call that goes well, without those that only failures and interceptors need.
        held = pool.only_connection
        if held is not None:
            held.is_used = True
        else:
            held = pool.try_acquire()
        failure: RpcError | None = None
        if held is not None:
            try:
                response_message = await held.connection.unary(method, request, head)
            except RpcError as error:
                failure = error
            except BaseException:
                pool.ended(held)
                raise
            else:
                if pool.is_watching:
                    pool.succeeded(held)
                return response_message
        caller = Caller(pool, self._config, method, head, waits)
        result: Res = await caller.unary(request, held, failure)
        return result

    async def _intercepted_unary(
        self, pool: Pool, method: Method[Req, Res], request: Req, head: CallHead, wait_for_ready: bool
    ) -> Res:
        async def core(passed_on: CallHead, watches: tuple[CallWatch, ...]) -> Res:
            observation = _observation(pool, passed_on, watches) if watches else None
            caller = Caller(pool, self._config, method, passed_on, wait_for_ready, observation)
            result: Res = await caller.unary(request)
            return result

        answer: Res = await intercepted(self._interceptors, self._target, method, head, core)
        return answer

    def server_streaming(self, method: Method[Req, Res], request: Req, **options: Any) -> ServerStream[Res]:
        """A call of one request and many responses.

        Raises:
            ConfigError: an option has a wrong value.
        """
        checked = checked_options(options)

        async def start() -> ClientCall[Req, Res]:
            call = await self._start(method, **checked)
            await _sent(call, call.send(request))
            await _sent(call, call.end())
            return call

        return ServerStream(method.path, start)

    def client_streaming(self, method: Method[Req, Res], **options: Any) -> ClientStream[Req, Res]:
        """A call of many requests and one response. Raises as `server_streaming`."""
        checked = checked_options(options)
        return ClientStream(method.path, lambda: self._start(method, **checked))

    def bidi(self, method: Method[Req, Res], **options: Any) -> BidiStream[Req, Res]:
        """A call of many requests and many responses. Raises as `server_streaming`."""
        checked = checked_options(options)
        return BidiStream(method.path, lambda: self._start(method, **checked))

    async def _start(
        self,
        method: Method[Req, Res],
        *,
        timeout_s: float | Unset | None = UNSET,
        metadata: MetadataLike | None = None,
        wait_for_ready: bool | Unset = False,
        compression: Compression | None = None,
        inherit: bool | Unset = True,
        response: ResponseInfo | Unset | None = None,
    ) -> ClientCall[Req, Res]:
        pool = self._pool
        if pool is None or pool.is_foreign():
            raise self._unusable()
        waits = wait_for_ready is not False and is_on("wait_for_ready", wait_for_ready)
        head = self._head(pool, method, timeout_s, metadata, compression, inherit, response)

        async def core(passed_on: CallHead, watches: tuple[CallWatch, ...]) -> ClientCall[Req, Res]:
            observation = _observation(pool, passed_on, watches) if watches else None
            caller = Caller(pool, self._config, method, passed_on, waits, observation)
            held, call = await caller.start()
            return RestartableCall(caller, held, call) if method.kind is MethodKind.SERVER_STREAMING else call

        if not self._interceptors:
            return await core(head, ())
        started: ClientCall[Req, Res] = await intercepted(self._interceptors, self._target, method, head, core)
        return started

    def _unusable(self) -> ConfigError:
        lifetime = self._lifetime
        if lifetime is None or lifetime.is_here:
            return ConfigError("the channel is not open: use it inside 'async with connect(...) as channel'")
        return lifetime.foreign_error()

    def _head(
        self,
        pool: Pool,
        method: AnyMethod,
        timeout_s: float | Unset | None,
        metadata: MetadataLike | None,
        compression: Compression | None,
        inherit: bool | Unset,
        response: ResponseInfo | Unset | None,
    ) -> CallHead:
        defaults = self._defaults.get(method)
        if defaults is None:
            defaults = keep_for(method, _Defaults(method, self._config), self._defaults)
        sent = EMPTY_METADATA if metadata is None else Metadata.of(metadata)
        scope = current_scope.get() if inherit is True or is_on("inherit", inherit) else None
        deadline: float | None = None
        if scope is not None:
            if not scope.has_ended:
                deadline = scope.deadline
            sent = _with_trace(sent, scope.trace)
        seconds = defaults.timeout_s
        told: object = timeout_s  # compiled, what is declared a float must be one, and an int is none
        if isinstance(told, float) and 0.0 < told < ENDLESS_S:
            seconds = told
        elif not isinstance(told, Unset):
            seconds = checked_timeout(told) if told is not None else None
        if seconds is not None:
            if seconds <= 0.0:
                raise DeadlineExceeded("the deadline of 0 s passed before the call was sent")
            own = pool.now() + seconds
            if deadline is None or own < deadline:
                deadline = own
        algorithm = defaults.compression
        if compression is not None:
            algorithm = own_compression(compression) or algorithm
        return CallHead(sent, deadline, algorithm, None if response is None else checked_response(response))


@final
class _Defaults:
    """What the calls of a method take from it and from the channel, looked up once."""

    __slots__ = ("compression", "timeout_s")

    def __init__(self, method: AnyMethod, config: ClientConfig) -> None:
        timeout_s = method.timeout_s if method.timeout_s is not None else config.timeout_s
        self.timeout_s = checked_timeout(timeout_s) if timeout_s is not None else None
        self.compression = method.compression or config.compression


def _observation(pool: Pool, head: CallHead, watches: tuple[CallWatch, ...]) -> Observation:
    return Observation(watches, head.deadline, pool.now, lambda: pool.is_closed)


def _with_trace(metadata: Metadata, trace: Metadata) -> Metadata:
    if not trace:
        return metadata
    own = {key for key, _ in metadata}
    return Metadata.from_trusted(tuple(pair for pair in trace if pair[0] not in own)) | metadata


async def _sent(call: ClientCall[Any, Any], action: Awaitable[None]) -> None:
    # A stream that fails to start was never handed out, so nobody else could end its call.
    try:
        await action
    except BaseException:
        call.cancel()
        raise
