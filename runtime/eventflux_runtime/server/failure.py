"""From what a handler, or an interceptor, let out to the end of its call, and to a line of log at a bounded rate."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.net.cancellation import cancellation_in, is_cancelled
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.protocol.api import ServerCall
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.rpc_error import Internal, RpcError, Unknown
from eventflux_runtime.rpc.status import Status, StatusCode
from eventflux_runtime.rpc.status_part import shortened

__all__ = ["CallFailures", "UnencodableResponse"]

_UNTOLD: Final = Status(StatusCode.INTERNAL, "the call failed, and its error cannot be sent; the server's log has it")


@mypyc_attr(native_class=False)  # its base is not compiled
class UnencodableResponse(Internal):
    """A handler gave a response that no encoder takes.

    `misfit` says why, and not its cause: what is compiled sets none.
    """

    def __init__(self, misfit: Exception) -> None:
        super().__init__(f"the response cannot be encoded: {misfit}")
        self.misfit = misfit


@final
class CallFailures:
    """Ends the calls of one server that failed."""

    __slots__ = ("_log",)

    def __init__(self) -> None:
        self._log = LimitedLog(logging.getLogger("eventflux_runtime.server"), perf_counter)

    async def end(self, call: ServerCall, context: Context, error: BaseException) -> bool:
        """Ends a call by an error, and tells whether that is the cancellation of the task, to be let go on.

        An interrupt or an exit is the handler's own too: a library that it calls may well end a program, but not this
        one.
        """
        if not isinstance(error, Exception):
            if isinstance(error, GeneratorExit):
                # Perhaps of one who closes this coroutine, and then nothing may be awaited here.
                self._end_now(call, context, error)
                return False
            if is_cancelled():
                return self._leave(call, error)
        try:
            await call.finish(self._status_of(error, context, call))
        except Exception as failure:  # noqa: BLE001 - logged, and the call still has to be ended
            self._note("the error of a handler of %s cannot be sent", call, failure)
            self._end_untold(call)
        return False

    def _end_now(self, call: ServerCall, context: Context, error: BaseException) -> None:
        try:
            if not call.finish_now(self._status_of(error, context, call)):
                call.abandon()
        except Exception as failure:  # noqa: BLE001 - logged, and the call still has to be ended
            self._note("the error of a handler of %s cannot be sent", call, failure)
            self._end_untold(call)

    def _end_untold(self, call: ServerCall) -> None:
        """The last resort: a status that nothing of the user's is in, or none at all."""
        try:
            if not call.finish_now(_UNTOLD):
                call.abandon()
        except Exception as failure:  # noqa: BLE001 - logged; it is the last that can be done for a call
            self._note("a call of %s cannot be ended", call, failure)
            call.abandon()

    def _leave(self, call: ServerCall, error: BaseException) -> bool:
        """The task was cancelled: whether the error is that and nothing else. Of both, raises the cancellation."""
        call.abandon()
        cancellation, rest = cancellation_in(error)
        if rest is None:
            return True
        self._note("the handler of %s failed while it was cancelled", call, rest)
        if cancellation is not None:
            raise cancellation
        return False

    def _status_of(self, error: BaseException, context: Context, call: ServerCall) -> Status:
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, UnencodableResponse):
            self._note("a response of %s cannot be encoded", call, error.misfit)
        if not isinstance(error, RpcError):
            self._note("the handler of %s failed", call, error)
            # The text of an unexpected error may hold secrets; the log has it, the client gets its type.
            error = Unknown(f"the handler of {call.method.path} raised {type(error).__name__}")
        status = error.status
        if status.code is StatusCode.OK:
            status = Status(StatusCode.UNKNOWN, "the handler raised an RpcError with code OK")
        trailers = context.trailers | status.trailers
        return Status(status.code, shortened(status.message), status.details, trailers)

    def _note(self, text: str, call: ServerCall, error: BaseException) -> None:
        path = call.method.path
        self._log.error(text, path, error=error, key=f"{path} {type(error).__name__}")
