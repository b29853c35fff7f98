"""Writes the calls of channels and servers into a file, for people to read and for tests to replay."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from threading import Lock
from time import perf_counter
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import anyio
import msgspec

from eventflux_runtime.client.interceptor import ClientProceed
from eventflux_runtime.rpc.call_head import CallHead, ResponseInfo
from eventflux_runtime.rpc.call_observer import CallEnd, CallObserver
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.testing.recording import (
    VERSION,
    End,
    Head,
    Line,
    Request,
    Response,
    Start,
    pairs_of,
    plain,
    plain_status,
)
from eventflux_runtime.testing.redaction import redacted_metadata

__all__ = ["Recorder"]

T = TypeVar("T")

_SECRET: Final = ("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key")


class Recorder:
    """An interceptor that records each call: ``with Recorder("calls.jsonl") as recorder``.

    The recorder itself is for channels, ``connect(url, interceptors=[recorder])``; `on_server` is for servers. Any
    number may share one. Fields that the IDL marks as `debug_redact` are left out, and so are unknown fields.
    """

    def __init__(self, path: str | Path, *, redact: Iterable[str] = _SECRET, with_times: bool = True) -> None:
        """A recorder of a file, which is written anew when the recorder is entered.

        Args:
            path: the file. Its folder has to be there.
            redact: keys of metadata whose values are not written down.
            with_times: False: leave out when things happened, so that two recordings of the same calls are equal.
        """
        self._file = _RecordFile(Path(path), tuple(redact), with_times)

    def __enter__(self) -> Self:
        self._file.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file. Calls that are still under way are recorded as if they had been cancelled."""
        self._file.close()

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        """Records a call of a channel.

        Raises:
            ConfigError: the recorder is not entered.
            RpcError: the call failed.
        """
        response = head.response if head.response is not None else ResponseInfo()
        observer = self._begin(method, head.metadata, head.deadline, response)
        passed_on = CallHead(head.metadata, head.deadline, head.compression, response)
        return await proceed(passed_on.observed_by(observer))

    async def on_server(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        """Records a call of a server. What a handler sends as initial metadata is not recorded.

        Raises:
            ConfigError: the recorder is not entered.
            RpcError: the call failed.
        """
        context.observe(self._begin(context.method, context.metadata, context.deadline, None))
        await proceed()

    def _begin(
        self, method: AnyMethod, metadata: Metadata, deadline: float | None, response: ResponseInfo | None
    ) -> CallObserver:
        file = self._file
        call = file.begin()
        timeout_s = None if deadline is None else _rounded_up(deadline - anyio.current_time())
        sent = file.pairs(metadata)
        file.write(Start(call=call, method=method.path, metadata=sent, timeout_s=timeout_s, at_s=file.now()))
        return _CallRecord(file, method, call, response)


class _RecordFile:
    """The file of a recorder. Calls of several channels, in several threads, may write to it."""

    def __init__(self, path: Path, hidden: tuple[str, ...], with_times: bool) -> None:
        self._path = path
        self._hidden = hidden
        self._with_times = with_times
        self._lock = Lock()
        self._file: IO[bytes] | None = None
        self._calls = 0
        self._open: set[int] = set()
        self._began_at = 0.0

    def open(self) -> None:
        """Opens the file for a new recording. Raises ConfigError where one is under way."""
        if self._file is not None:
            raise ConfigError(f"the recorder of {self._path} is entered already")
        self._file = self._path.open("wb")
        self._calls = 0
        self._open.clear()
        self._began_at = perf_counter()
        self.write(Head(version=VERSION))

    def close(self) -> None:
        """Ends the recording, and in it the calls that have not ended."""
        for call in sorted(self._open):
            self.write(End(call=call, code="CANCELLED", message="the recording ended", cancel_cause="stopped"))
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def begin(self) -> int:
        """The number of a new call. Raises ConfigError where no recording is under way."""
        with self._lock:
            if self._file is None:
                raise ConfigError(f"the recorder of {self._path} is not entered: use 'with Recorder(...) as recorder'")
            self._calls += 1
            self._open.add(self._calls)
            return self._calls

    def now(self) -> float | None:
        """Seconds since the recording began; None where times are left out."""
        return round(perf_counter() - self._began_at, 6) if self._with_times else None

    def pairs(self, metadata: Metadata) -> list[tuple[str, str]]:
        """Metadata as it is written down."""
        return pairs_of(redacted_metadata(metadata, self._hidden))

    def write(self, line: Line) -> None:
        """Writes a line, if the recording is under way."""
        data = msgspec.json.encode(line) + b"\n"
        with self._lock:
            if self._file is None:
                return
            self._file.write(data)
            if isinstance(line, End):
                self._open.discard(line.call)


class _CallRecord(CallObserver):
    """Writes what becomes of one call."""

    def __init__(self, file: _RecordFile, method: AnyMethod, call: int, response: ResponseInfo | None) -> None:
        self._file = file
        self._method = method
        self._call = call
        self._response = response

    def on_request(self, message: Any) -> None:
        """Writes a request."""
        file = self._file
        shown = plain(message, self._method.request)
        file.write(Request(call=self._call, message=shown, at_s=file.now()))

    def on_response(self, message: Any) -> None:
        """Writes a response."""
        file = self._file
        shown = plain(message, self._method.response)
        file.write(Response(call=self._call, message=shown, at_s=file.now()))

    def on_end(self, end: CallEnd) -> None:
        """Writes how the call ended."""
        file = self._file
        code, message, details = plain_status(end.status)
        now = file.now()
        line = End(
            call=self._call,
            code=code,
            message=message,
            details=details,
            initial_metadata=file.pairs(self._response.initial_metadata) if self._response is not None else [],
            trailers=file.pairs(end.status.trailers),
            cancel_cause=end.cancel_cause.value if end.cancel_cause is not None else None,
            at_s=now,
            duration_s=round(end.duration_s, 6) if now is not None else None,
        )
        file.write(line)


def _rounded_up(seconds: float) -> float:
    """To two digits, so that a little time which has passed does not show."""
    if seconds <= 0:
        return 0.0
    digits = 1 - math.floor(math.log10(seconds))
    return round(math.ceil(seconds * 10.0**digits) / 10.0**digits, max(0, digits))
